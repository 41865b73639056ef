"""Who may read at the same time, and who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.storage.reads.turns import Turns

LONG = 0.05


def run(work: Callable[[Turns], Awaitable[None]], short: int = 2, most: int = 3) -> None:
    async def with_turns() -> None:
        await work(Turns(short, LONG, most))

    asyncio.run(with_turns())


async def some_turns_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def waiting_for(turns: Turns, count: int) -> list[asyncio.Task[int]]:
    return [asyncio.ensure_future(turns.take()) for _ in range(count)]


def test_few_have_a_turn_and_who_asked_first_is_next():
    async def work(turns: Turns) -> None:
        tasks = waiting_for(turns, 4)
        await some_turns_of_the_loop()
        assert [task.done() for task in tasks] == [True, True, False, False]
        turns.give_back(tasks[1].result())
        await some_turns_of_the_loop()
        assert [task.done() for task in tasks] == [True, True, True, False]
        turns.give_back(tasks[0].result())
        for task in tasks[2:]:
            turns.give_back(await task)
        assert turns.under_way == 0

    run(work)


def test_who_turns_out_to_be_long_makes_room_up_to_the_most_there_are():
    async def work(turns: Turns) -> None:
        tasks = waiting_for(turns, 4)
        await asyncio.sleep(LONG * 4)
        assert [task.done() for task in tasks] == [True, True, True, False]
        turns.give_back(tasks[0].result())
        turns.give_back(await tasks[3])
        for task in tasks[1:3]:
            turns.give_back(task.result())
        assert turns.under_way == 0
        assert await turns.take()

    run(work)


def test_who_asks_when_the_others_are_long_already_does_not_wait_long():
    async def work(turns: Turns) -> None:
        await turns.take()
        await turns.take()
        await asyncio.sleep(LONG * 2)
        await asyncio.wait_for(turns.take(), LONG)

    run(work)


def test_a_small_one_waits_for_no_short_one_and_keeps_to_the_most():
    async def work(turns: Turns) -> None:
        await turns.take()
        waiting = asyncio.ensure_future(turns.take())
        await some_turns_of_the_loop()
        small = [await asyncio.wait_for(turns.take(small=True), LONG) for _ in "ab"]
        third = asyncio.ensure_future(turns.take(small=True))
        await some_turns_of_the_loop()
        assert (turns.under_way, waiting.done(), third.done()) == (3, False, False)
        turns.give_back(small[0])
        await some_turns_of_the_loop()
        assert (turns.under_way, waiting.done(), third.done()) == (3, False, True)
        turns.give_back(small[1])
        await asyncio.sleep(LONG * 2)
        assert waiting.done()

    run(work, short=1)


@pytest.mark.parametrize("given_back_first", [True, False])
def test_who_is_cancelled_while_waiting_keeps_nobody_from_a_turn(given_back_first: bool):
    async def work(turns: Turns) -> None:
        held = await turns.take()
        gone, next_one = waiting_for(turns, 2)
        await some_turns_of_the_loop()
        if given_back_first:
            turns.give_back(held)
        gone.cancel()
        if not given_back_first:
            turns.give_back(held)
        turn = await asyncio.wait_for(next_one, 1)
        assert gone.cancelled()
        turns.give_back(turn)
        assert turns.under_way == 0

    run(work, short=1)


def test_a_turn_is_given_back_once():
    async def work(turns: Turns) -> None:
        turn = await turns.take()
        turns.give_back(turn)
        with pytest.raises(KeyError):
            turns.give_back(turn)

    run(work)
