"""What a process has claimed and no thread has taken yet, and the threads that take it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

SHORT = 0.0005
"""Seconds an item takes at most where one thread is enough: waking another costs more."""
HELP = 0.005
"""Seconds after which a thread that does not get on, or not as fast as that, gets help."""
REMEMBERED = 1.0
"""Seconds for which items are taken for long ones after some were."""


class Waiting(Generic[T]):
    """Items in the order they were added. `ring` is called where more threads are wanted."""

    def __init__(self, threads: int, ring: Callable[[], None]) -> None:
        self._threads = threads
        self._ring = ring
        self._items: deque[T] = deque()
        self._busy: set[int] = set()
        self._taken_at = 0.0
        self._long_until = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, items: Iterable[T]) -> None:
        self._items.extend(items)

    def take(self) -> T | None:
        """The next one."""
        self._taken_at = monotonic()
        try:
            return self._items.popleft()
        except IndexError:
            return None

    def take_last(self) -> T | None:
        """The one that would come last."""
        try:
            return self._items.pop()
        except IndexError:
            return None

    def idle(self, called: int) -> int:
        """Threads there are work for, beside those that are busy or `called` already."""
        return min(self._threads - len(self._busy), len(self._items)) - called

    def wanted(self, called: int, *, short: bool) -> int:
        """How many threads to wake: all there is work for, or where items seem to be `short`, one
        until it turns out that it does not get on."""
        idle, now = self.idle(called), monotonic()
        if short and now > self._long_until and (not self._busy or now - self._taken_at < HELP):
            return min(idle, 1 - len(self._busy) - called)
        return idle

    def run(self, run: Callable[[T], None], stopping: Callable[[], bool]) -> None:
        """In a thread that was woken: run what waits until nothing does."""
        thread, begun, count = threading.get_ident(), monotonic(), 0
        try:
            self._busy.add(thread)
            while not stopping() and (item := self.take()) is not None:
                run(item)
                count += 1
                spent = monotonic() - begun
                if spent > HELP and spent > count * SHORT:
                    self._long_until = monotonic() + REMEMBERED
                    begun, count = monotonic(), 0
                    if self._items:
                        self._ring()
        finally:
            self._busy.discard(thread)
            if self._items:  # they came a moment ago, when this thread seemed to be at work
                self._ring()
