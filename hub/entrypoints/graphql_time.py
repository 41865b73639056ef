"""Answers in time: what takes too long, or what nobody waits for, is ended in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from hub.entrypoints.graphql_answer import Answer, failed
from hub.errors import TooSlow
from hub.storage.running import Running

_TOO_SLOW = (
    "The operation took too long. Ask for less or try again; a mutation may still take effect, so "
    "repeat it with its idempotency key."
)
_left_running: set[asyncio.Future[Any]] = set()


async def in_time(
    work: Callable[[Running], Answer], seconds: float, gone: Awaitable[None]
) -> Answer | None:
    """What `work` gives, a failure after `seconds`, or None as soon as the client is `gone`."""
    running = Running()
    answer = asyncio.ensure_future(run_in_threadpool(work, running))
    left = asyncio.ensure_future(gone)
    try:
        done, _ = await asyncio.wait(
            {answer, left}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    except asyncio.CancelledError:
        await _end(running, answer)
        raise
    finally:
        left.cancel()
    if answer in done:
        return answer.result()
    await _end(running, answer)
    return None if left in done else failed(TooSlow(_TOO_SLOW))


async def _end(running: Running, answer: asyncio.Future[Answer]) -> None:
    _left_running.add(answer)
    answer.add_done_callback(_left_running.discard)
    await run_in_threadpool(running.stop)
