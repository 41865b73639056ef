"""How many streams one credential may hold open in one process.

A stream costs little while nothing happens, and a look at the database at every event: a client
that opens one for each row it shows would take the hub's threads from everybody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hub.errors import Throttled

MOST_STREAMS = 200
RETRY_SECONDS = 5.0


class OpenStreams:
    """Counts by credential; used in one event loop only."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def held(self, principal_id: str) -> Iterator[None]:
        """One stream more, until the end of the block. Raises Throttled."""
        if self._open[principal_id] >= MOST_STREAMS:
            raise Throttled(
                "The credential holds too many streams open; close some, or subscribe to a list.",
                retry_after=RETRY_SECONDS,
            )
        self._open[principal_id] += 1
        try:
            yield
        finally:
            self._open[principal_id] -= 1
            if not self._open[principal_id]:
                del self._open[principal_id]
