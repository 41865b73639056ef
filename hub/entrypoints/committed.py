"""Waiting in an event loop for what another thread commits."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Committed:
    """Futures of other threads, awaited in one event loop, which is woken once for all that are
    settled together: a wake-up costs more than many messages."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._settled: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()

    async def wait(self, future: Future[T], seconds: float) -> T:
        """The result, or TimeoutError after `seconds`; the future itself is never cancelled, since
        what it stands for may still succeed."""
        if future.done():
            return future.result()
        waiter: asyncio.Future[T] = self._loop.create_future()
        late = self._loop.call_later(seconds, _give_up, waiter)
        future.add_done_callback(lambda done: self._settle(waiter, done))
        try:
            return await waiter
        finally:
            late.cancel()

    def _settle(self, waiter: asyncio.Future[Any], done: Future[Any]) -> None:
        """Called by any thread. Only the first of many wakes the loop."""
        woken = bool(self._settled)
        self._settled.append((waiter, done))
        if not woken:
            try:
                self._loop.call_soon_threadsafe(self._resolve)
            except RuntimeError:  # the loop is closed, nobody waits
                self._settled.clear()

    def _resolve(self) -> None:
        while self._settled:
            waiter, done = self._settled.popleft()
            if waiter.done():
                continue
            if (error := done.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())


def _give_up(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
