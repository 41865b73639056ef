"""Shared reads: one for all who ask at the same time, and never one that began before they did."""

from __future__ import annotations

import asyncio

import pytest

from hub.storage.reads.shared import SharedReads


class Source:
    """Something to read; a reading takes what is there when it begins, and ends when let go."""

    def __init__(self) -> None:
        self.value = self.begun = 0
        self.ready = asyncio.Event()

    async def read(self) -> int:
        self.begun += 1
        value = self.value
        await self.ready.wait()
        if value < 0:
            raise ValueError(value)
        return value


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_asks_at_the_same_time_is_answered_by_one_read():
    async def ask() -> None:
        source, reads = Source(), SharedReads[int]()
        asking = [asyncio.create_task(reads.get("key", source.read)) for _ in range(16)]
        other = asyncio.create_task(reads.get("other", source.read))
        await turns()
        assert source.begun == 2
        source.ready.set()
        assert await asyncio.gather(*asking, other) == [0] * 17

    asyncio.run(ask())


def test_who_asks_while_a_read_is_under_way_is_answered_by_a_later_one():
    async def ask() -> None:
        source, reads = Source(), SharedReads[int]()
        first = asyncio.create_task(reads.get("key", source.read))
        await turns()
        source.value = 1
        later = [asyncio.create_task(reads.get("key", source.read)) for _ in range(3)]
        await turns()
        assert source.begun == 1
        source.ready.set()
        assert await first == 0
        assert await asyncio.gather(*later) == [1] * 3
        assert source.begun == 2
        source.value = 2
        assert await reads.get("key", source.read) == 2

    asyncio.run(ask())


def test_a_read_that_fails_fails_for_those_who_waited_for_it_alone():
    async def ask() -> None:
        source, reads = Source(), SharedReads[int]()
        source.value = -1
        failing = [asyncio.create_task(reads.get("key", source.read)) for _ in range(2)]
        await turns()
        source.value = 1
        later = asyncio.create_task(reads.get("key", source.read))
        source.ready.set()
        for each in failing:
            with pytest.raises(ValueError, match="-1"):
                await each
        assert await later == 1

    asyncio.run(ask())


def test_who_gives_up_takes_the_answer_from_nobody():
    async def ask() -> None:
        source, reads = Source(), SharedReads[int]()
        asking = [asyncio.create_task(reads.get("key", source.read)) for _ in range(2)]
        await turns()
        asking[0].cancel()
        await turns()
        source.ready.set()
        assert await asking[1] == 0
        assert asking[0].cancelled()

    asyncio.run(ask())
