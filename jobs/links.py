"""The links to destinations that a process keeps open between jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from connectors.sdk.base import Link

LONGEST_PAUSE = timedelta(minutes=1)


class Links:
    """One link for each destination, lent to one job at a time; also how often in a row opening
    it failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, Link]] = {}
        self._failures: dict[str, int] = {}

    @contextmanager
    def borrow(self, key: str, settings: str, connect: Callable[[], Link]) -> Iterator[Link]:
        """The link of a destination, connected anew if it is closed or its settings changed.

        Whatever the borrower raises closes it, so that no late answer meets the next message.
        """
        with self._lock:
            known, link = self._open.pop(key, ("", None))
        if link is not None and (known != settings or not link.is_open()):
            link.close()
            link = None
        if link is None:
            link = connect()
        try:
            yield link
        except BaseException:
            link.close()
            raise
        with self._lock:
            left = self._open.pop(key, ("", None))[1]
            self._open[key] = (settings, link)
        if left is not None:  # another thread opened one meanwhile
            left.close()

    def pause_after(self, key: str, reached: bool) -> timedelta:
        """How long to wait before knocking again: doubling from a second to a minute, and from the
        beginning once somebody was reached."""
        with self._lock:
            count = self._failures[key] = 0 if reached else self._failures.get(key, 0) + 1
        return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(count, 10) / 2))

    def close(self) -> None:
        """Hang up everywhere."""
        with self._lock:
            links = [link for _, link in self._open.values()]
            self._open.clear()
        for link in links:
            link.close()
