"""Answers in time: what takes too long, or what nobody waits for, is ended in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool

from hub.entrypoints.graphql_answer import Answer, failed
from hub.errors import TooSlow
from hub.storage.running import Running

WATCH_SECONDS = 0.05
"""Most answers are there before anybody could tire of waiting; only then the client is watched."""
_TOO_SLOW = (
    "The operation took too long. Ask for less or try again; a mutation may still take effect, so "
    "repeat it with its idempotency key."
)


async def in_time(
    work: Callable[[Running], Awaitable[Answer]],
    seconds: float,
    gone: Callable[[], Awaitable[None]] | None = None,
) -> Answer | None:
    """What `work` gives, a failure after `seconds`, or None once the client is `gone`."""
    running, watch = Running(), None
    try:
        async with asyncio.timeout(seconds) as limit:
            watch = _Watch(gone, limit) if gone is not None else None
            try:
                return await work(running)
            finally:
                if watch is not None:
                    watch.end()
    except TimeoutError:
        await run_in_threadpool(running.stop)
        return None if watch is not None and watch.left else failed(TooSlow(_TOO_SLOW))
    except asyncio.CancelledError:
        await run_in_threadpool(running.stop)
        raise


class _Watch:
    """Ends a time limit as soon as the client is gone."""

    def __init__(self, gone: Callable[[], Awaitable[None]], limit: asyncio.Timeout) -> None:
        self.left = False
        self._gone = gone
        self._limit = limit
        self._task: asyncio.Task[None] | None = None
        self._start = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._wait())

    async def _wait(self) -> None:
        await self._gone()
        self.left = True
        self._limit.reschedule(asyncio.get_running_loop().time())

    def end(self) -> None:
        self._start.cancel()
        if self._task is not None:
            self._task.cancel()
