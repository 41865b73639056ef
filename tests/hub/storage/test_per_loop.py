"""What event loops have of their own: one each, let go of once its loop has ended."""

from __future__ import annotations

import asyncio

from hub.storage.per_loop import PerLoop


def test_each_loop_has_one_and_that_of_an_ended_loop_is_let_go_of() -> None:
    ended: list[object] = []
    things = PerLoop(object, ended.append)

    async def asked() -> object:
        assert things.get() is things.get()
        return things.get()

    with asyncio.Runner() as long:
        first = long.run(asked())
        with asyncio.Runner() as short:
            second = short.run(asked())
        assert second is not first
        assert (things.values(), ended) == ([first, second], [])
        with asyncio.Runner() as other:
            third = other.run(asked())
        assert (things.values(), ended) == ([first, third], [second])
        assert long.run(asked()) is first
