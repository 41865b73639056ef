"""Turns of reads: a few short ones at a time, and more as soon as some of them turn out to be long.

A process has an event loop that keeps one or two processors of the database busy. What it begins
beyond that only waits there, in a process of its own, whose memory the others drive out of the
processors' caches meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque

_LEAST_SECONDS = 0.001
"""Between two looks; some event loops tell time no finer."""


class Turns:
    """Those of one event loop: at most `short` at a time, of which those that have taken
    `long_seconds` are no more, and never more than `most`. Who asked first comes first, but for
    small ones, of which only `most` is asked: to wait costs them as much as they take."""

    def __init__(self, short: int, long_seconds: float, most: int) -> None:
        self._at_once = short
        self._long_seconds = long_seconds
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._last = 0
        self._short: dict[int, float] = {}
        """When each began, the oldest first."""
        self._apart: set[int] = set()
        """Small and long ones."""
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._small_waiting: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> int:
        """How many have a turn, of whatever kind."""
        return len(self._short) + len(self._apart)

    async def take(self, *, small: bool = False) -> int:
        """A turn, to be given back. Cancelled, it leaves nothing behind."""
        waiting = self._small_waiting if small else self._waiting
        if not waiting and self._has_room(small=small):
            return self._begin(small=small)
        turn: asyncio.Future[int] = self._loop.create_future()
        waiting.append(turn)
        self._watch()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came at the same moment
                self.give_back(turn.result())
            elif turn in waiting:
                waiting.remove(turn)
            raise

    def give_back(self, turn: int) -> None:
        """Once for each that was taken."""
        if self._short.pop(turn, None) is None:
            self._apart.remove(turn)
        self._admit()

    def _has_room(self, *, small: bool) -> bool:
        return self.under_way < self._most and (small or len(self._short) < self._at_once)

    def _begin(self, *, small: bool) -> int:
        self._last += 1
        if small:
            self._apart.add(self._last)
        else:
            self._short[self._last] = self._loop.time()
        return self._last

    def _admit(self) -> None:
        for waiting, small in ((self._waiting, False), (self._small_waiting, True)):
            while waiting and self._has_room(small=small):
                turn = waiting.popleft()
                if not turn.done():  # cancelled
                    turn.set_result(self._begin(small=small))
        self._watch()

    def _watch(self) -> None:
        """Look again when the oldest short one is long, if somebody waits for that."""
        if self._timer is None and self._waiting and self._short:
            oldest = next(iter(self._short.values()))
            long = oldest + self._long_seconds - self._loop.time()
            self._timer = self._loop.call_later(max(long, _LEAST_SECONDS), self._look)

    def _look(self) -> None:
        self._timer = None
        until = self._loop.time() - self._long_seconds
        for turn in [turn for turn, began in self._short.items() if began <= until]:
            del self._short[turn]
            self._apart.add(turn)
        self._admit()
