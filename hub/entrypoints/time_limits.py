"""Time limits of requests, looked at together.

A timer for each limit takes a twentieth of a small request to make and to cancel, and hardly one
ever goes off. So one timer for each event loop looks at all limits that are open.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from hub.storage.per_loop import PerLoop

LOOK_SECONDS = 0.05
"""Between two looks; a limit lasts so much longer at most."""


class TimeLimit:
    """What the current task does inside is cancelled after `seconds`, or at `end`, and TimeoutError
    raised in its place, as `asyncio.timeout` does."""

    __slots__ = ("_began", "_cancelled", "_looks", "_noticed", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._noticed = self._cancelled = False

    def grown_long(self) -> None:
        """Called once, if the limit is open for LOOK_SECONDS."""

    def end(self) -> None:
        """The time is over."""
        if not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def look(self, moment: float) -> None:
        open_for = moment - self._began
        if open_for >= self._seconds:
            self.end()
        elif open_for >= LOOK_SECONDS and not self._noticed:
            self._noticed = True
            self.grown_long()

    def __enter__(self) -> TimeLimit:
        looks = self._looks = _LOOKS.get()
        task = asyncio.current_task(looks.loop)
        if task is None:
            raise RuntimeError("a time limit is of a task")
        self._task, self._began = task, looks.loop.time()
        looks.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._looks.discard(self)
        if self._cancelled and not self._task.uncancel() and kind is asyncio.CancelledError:
            raise TimeoutError from error


class _Looks:
    """The open limits of one event loop, looked at while there are any."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._open: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.discard = self._open.discard

    def add(self, limit: TimeLimit) -> None:
        self._open.add(limit)
        if self._timer is None:
            self._timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        moment = self.loop.time()
        for limit in tuple(self._open):
            limit.look(moment)
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look) if self._open else None


_LOOKS = PerLoop(_Looks)
