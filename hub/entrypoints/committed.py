"""Waiting in an event loop for what another thread commits."""

from __future__ import annotations

import asyncio
import threading
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
    """What other threads settle, awaited in one event loop for at most `seconds`. The loop is woken
    once for all that is settled together: a wake-up costs more than many messages. Nothing is
    cancelled, since what is waited for may still succeed.

    Made in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._settled: deque[tuple[_Waiting, Any, BaseException | None]] = deque()
        self._looking = self._woken = False

    def teller(self, told: Told) -> Told:
        """What any thread calls with the outcome; then `told` is called with it in the loop, at
        once where that is the thread. After the first outcome, or too long, it does nothing."""
        waiting = _Waiting(told, self._loop.time() + self._seconds)
        self._waiting.append(waiting)
        if not self._looking:
            self._looking = True
            self._loop.call_later(min(self._seconds, _LOOK_SECONDS), self._look)
        return partial(self._settle, waiting)

    def then(self, future: Future[Any], told: Told) -> None:
        """Call `told` in the loop when the future is settled."""
        tell_when_done(future, self.teller(told))

    async def wait(self, future: Future[T]) -> T:
        """The result, or TimeoutError."""
        found: T = await self.told_by(partial(tell_when_done, future))
        return found

    async def told_by(self, ask: Callable[[Told], None]) -> Any:
        """What `ask` has its argument called with: the result, or the error raised. TimeoutError
        if it is not called."""
        waiter: asyncio.Future[Any] = self._loop.create_future()

        def told(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

        tell = self.teller(told)
        try:
            ask(tell)
        except Exception as error:
            tell(None, error)
        return await waiter

    def _settle(self, waiting: _Waiting, result: Any, error: BaseException | None) -> None:
        """Called by any thread. Only the first of many wakes the loop."""
        if threading.get_ident() == self._thread:
            _tell(waiting, result, error)
            return
        self._settled.append((waiting, result, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._resolve)
            except RuntimeError:  # the loop is closed, nobody waits
                self._settled.clear()

    def _resolve(self) -> None:
        self._woken = False  # first: what is settled from here on wakes the loop again
        while self._settled:
            _tell(*self._settled.popleft())
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
            _tell(waiting, None, TimeoutError())
        self._forget()
        self._looking = bool(self._waiting)
        if self._looking:
            self._loop.call_later(min(self._seconds, _LOOK_SECONDS), self._look)


def tell_when_done(future: Future[Any], told: Told) -> None:
    """Call `told` with how the future ends, in whose thread that happens."""

    def done(future: Future[Any]) -> None:
        error = future.exception()
        told(None if error is not None else future.result(), error)

    future.add_done_callback(done)


def _tell(waiting: _Waiting, result: Any, error: BaseException | None) -> None:
    """What one of many does with it must not keep the others from hearing."""
    told, waiting.told = waiting.told, None
    if told is None:
        return
    try:
        told(result, error)
    except Exception as failure:
        _log.error("told_of_a_commit", error_type=type(failure).__name__)
