"""Time limits that are looked at together end what they should, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.entrypoints.time_limits import LOOK_SECONDS, TimeLimit

LONG = 60.0


async def held(seconds: float, work: Callable[[], Awaitable[object]]) -> object:
    with TimeLimit(seconds):
        return await work()


def test_each_of_many_limits_ends_by_itself() -> None:
    async def all_of_them() -> list[object]:
        waits = [held(seconds, lambda: asyncio.sleep(0.3, "there")) for seconds in (0.1, LONG)]
        return await asyncio.gather(*waits, return_exceptions=True)

    short, long = asyncio.run(all_of_them())
    assert isinstance(short, TimeoutError)
    assert long == "there"


def test_a_limit_inside_another_ends_alone() -> None:
    async def outer() -> str:
        with TimeLimit(LONG):
            with pytest.raises(TimeoutError):
                await held(0.01, lambda: asyncio.sleep(LONG))
            await asyncio.sleep(0)
            return "goes on"

    assert asyncio.run(outer()) == "goes on"


def test_who_is_cancelled_by_others_is_not_out_of_time() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(held(LONG, lambda: asyncio.sleep(LONG)))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_only_what_lasts_is_told_so() -> None:
    told = []

    class Told(TimeLimit):
        def grown_long(self) -> None:
            told.append(self)

    async def both() -> Told:
        with Told(LONG):
            await asyncio.sleep(0)
        with Told(LONG) as long:
            await asyncio.sleep(LOOK_SECONDS * 4)
        assert isinstance(long, Told)
        return long

    assert told == [asyncio.run(both())]
