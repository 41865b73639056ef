"""Time limits of the MLLP listener, and the bytes it holds at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.sdk.hl7v2.framing import Framer


@dataclass(frozen=True, slots=True)
class MllpLimits:
    """Seconds and counts for the whole listener; those of one sender are its connection's
    (`connectors.ehr_hl7v2.receiving.Limits`).

    `handshake`: for a PROXY header and for TLS; `first_frame`: without one valid frame by then the
    connection is closed; `inside_frame`: without a byte; `whole_frame`: from its first byte to its
    last; between frames there is no limit. Connections above `connections` are closed unread; of
    one peer at most `waiting` wait for a free place, so that nobody keeps the others out. While
    `in_flight` bytes are being stored, nothing more is read."""

    connections: int = 512
    waiting: int = 64
    handshake: float = 10.0
    first_frame: float = 60.0
    inside_frame: float = 60.0
    whole_frame: float = 300.0
    end_block: float = 1.0
    write: float = 30.0
    in_flight: int = 64 * 1024 * 1024


@dataclass(slots=True)
class Patience:
    """How long to wait for the next bytes of one connection."""

    limits: MllpLimits
    now: Callable[[], float]
    heard: bool = False
    began: float = field(default=0.0)
    frame_began: float | None = None

    def start(self) -> None:
        self.began = self.now()

    def left(self, framer: Framer) -> float | None:
        """Seconds; None for ever."""
        if not framer.inside:
            self.frame_began = None
            if self.heard:
                return None
            return max(self.began + self.limits.first_frame - self.now(), 0.0)
        now = self.now()
        if self.frame_began is None:
            self.frame_began = now
        waits = [max(self.frame_began + self.limits.whole_frame - now, 0.0)]
        if not self.heard:
            waits.append(max(self.began + self.limits.first_frame - now, 0.0))
        waits.append(self.limits.end_block if framer.ending else self.limits.inside_frame)
        return min(waits)


class Room:
    """Bytes that may be in flight at once; a message larger than all of it goes alone. Who finds
    no room waits in line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._line: deque[tuple[int, Callable[[], None]]] = deque()

    def take(self, size: int, then: Callable[[], None]) -> None:
        """Call `then` as soon as there is room."""
        if self._line or not self._fits(size):
            self._line.append((size, then))
        else:
            self._used += size
            then()

    def free(self, size: int) -> None:
        """Give back what was taken."""
        self._used -= size
        while self._line and self._fits(self._line[0][0]):
            taken, then = self._line.popleft()
            self._used += taken
            then()

    def _fits(self, size: int) -> bool:
        return not self._used or self._used + size <= self._limit
