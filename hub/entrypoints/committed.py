"""Waiting in an event loop for what another thread commits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from hub import log

T = TypeVar("T")
Told = Callable[[Any, BaseException | None], None]
"""Called with the result, or with why there is none."""

_LOOK_SECONDS = 1.0

_log = log.get(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """Who waits until when; `told` is None once they were told."""

    told: Told | None
    until: float


class Committed:
    """Futures of other threads, awaited in one event loop for at most `seconds`. The loop is woken
    once for all that are settled together: a wake-up costs more than many messages. A future is
    never cancelled, since what it stands for may still succeed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._settled: deque[tuple[_Waiting, Future[Any]]] = deque()
        self._looking = False

    async def wait(self, future: Future[T]) -> T:
        """The result, or TimeoutError."""
        waiter: asyncio.Future[T] = self._loop.create_future()

        def told(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

        self.then(future, told)
        return await waiter

    def then(self, future: Future[Any], told: Told) -> None:
        """Call `told` in the loop, at once where the future is settled already."""
        if future.done():
            _tell(told, future)
            return
        waiting = _Waiting(told, self._loop.time() + self._seconds)
        self._waiting.append(waiting)
        if not self._looking:
            self._looking = True
            self._loop.call_later(min(self._seconds, _LOOK_SECONDS), self._look)
        future.add_done_callback(partial(self._settle, waiting))

    def _settle(self, waiting: _Waiting, done: Future[Any]) -> None:
        """Called by any thread. Only the first of many wakes the loop."""
        woken = bool(self._settled)
        self._settled.append((waiting, done))
        if not woken:
            try:
                self._loop.call_soon_threadsafe(self._resolve)
            except RuntimeError:  # the loop is closed, nobody waits
                self._settled.clear()

    def _resolve(self) -> None:
        while self._settled:
            waiting, done = self._settled.popleft()
            told, waiting.told = waiting.told, None
            if told is not None:
                _tell(told, done)
        self._forget()

    def _forget(self) -> None:
        """Drop from the front who was told; nearly all are, in their order."""
        while self._waiting and self._waiting[0].told is None:
            self._waiting.popleft()

    def _look(self) -> None:
        """Give up on who has waited too long."""
        now = self._loop.time()
        for waiting in self._waiting:
            if waiting.until > now:
                break
            told, waiting.told = waiting.told, None
            if told is not None:
                _call(told, None, TimeoutError())
        self._forget()
        self._looking = bool(self._waiting)
        if self._looking:
            self._loop.call_later(min(self._seconds, _LOOK_SECONDS), self._look)


def _tell(told: Told, done: Future[Any]) -> None:
    error = done.exception()
    _call(told, None if error is not None else done.result(), error)


def _call(told: Told, result: Any, error: BaseException | None) -> None:
    """What one of many does with it must not keep the others from hearing."""
    try:
        told(result, error)
    except Exception as failure:
        _log.error("told_of_a_commit", error_type=type(failure).__name__)
