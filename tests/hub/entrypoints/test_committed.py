"""Waiting for commits in an event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from hub.entrypoints.committed import Committed


def test_those_settled_by_another_thread_are_told_in_the_loop() -> None:
    async def waits() -> tuple[list[int], set[int]]:
        committed = Committed(asyncio.get_running_loop(), 5.0)
        futures: list[Future[int]] = [Future() for _ in range(20)]
        threads: set[int] = set()
        for future in futures:
            committed.then(future, lambda *_: threads.add(threading.get_ident()))

        def settle() -> None:
            for number, future in enumerate(futures):
                future.set_result(number)

        threading.Thread(target=settle).start()
        found = await asyncio.gather(*(committed.wait(future) for future in futures))
        return found, threads

    found, threads = asyncio.run(waits())
    assert found == list(range(20))
    assert threads == {threading.get_ident()}


def test_whoever_waits_too_long_is_told_once_and_the_future_is_not_cancelled() -> None:
    async def waits() -> tuple[list[BaseException | None], bool]:
        loop = asyncio.get_running_loop()
        committed = Committed(loop, 0.01)
        late: Future[int] = Future()
        told: list[BaseException | None] = []
        committed.then(late, lambda _, error: told.append(error))
        with pytest.raises(TimeoutError):
            await committed.wait(late)
        late.set_result(1)
        await loop.run_in_executor(None, lambda: None)
        return told, late.cancelled()

    told, cancelled = asyncio.run(waits())
    assert [type(error) for error in told] == [TimeoutError]
    assert not cancelled


def test_one_who_fails_on_hearing_does_not_keep_the_others_from_it() -> None:
    async def waits() -> int:
        committed = Committed(asyncio.get_running_loop(), 5.0)
        future: Future[int] = Future()

        def fails(*_: object) -> None:
            raise RuntimeError

        committed.then(future, fails)
        waiting = asyncio.ensure_future(committed.wait(future))
        await asyncio.sleep(0)
        future.set_result(7)
        return await waiting

    assert asyncio.run(waits()) == 7


def test_what_a_commit_failed_with_is_raised() -> None:
    async def waits() -> None:
        future: Future[int] = Future()
        future.set_exception(OSError("disk"))
        await Committed(asyncio.get_running_loop(), 5.0).wait(future)

    with pytest.raises(OSError, match="disk"):
        asyncio.run(waits())
