"""Answers in time: what takes too long, or what nobody waits for, is ended in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from starlette.concurrency import run_in_threadpool

from hub.entrypoints.graphql_answer import Answer, failed
from hub.entrypoints.time_limits import TimeLimit
from hub.errors import TooSlow
from hub.storage.running import Running

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
    running, limit = Running(), _Watched(seconds, gone)
    try:
        with limit:
            return await work(running)
    except TimeoutError:
        await run_in_threadpool(running.stop)
        return None if limit.left else failed(TooSlow(_TOO_SLOW))
    except asyncio.CancelledError:
        await run_in_threadpool(running.stop)
        raise


class _Watched(TimeLimit):
    """A time limit that ends as soon as the client is gone. Most answers are there before anybody
    could tire of waiting: only of those that are not the client is watched."""

    __slots__ = ("_gone", "_watch", "left")

    def __init__(self, seconds: float, gone: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(seconds)
        self.left = False
        self._gone = gone
        self._watch: asyncio.Task[None] | None = None

    def grown_long(self) -> None:
        if self._gone is not None:
            self._watch = asyncio.ensure_future(self._wait(self._gone))

    async def _wait(self, gone: Callable[[], Awaitable[None]]) -> None:
        await gone()
        self.left = True
        self.end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().__exit__(kind, error, trace)
