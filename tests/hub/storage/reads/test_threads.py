"""Threads that read for event loops: each piece of work comes to an end, whatever it comes to."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from hub.storage.reads.threads import Threads


class Own:
    """What a thread has for itself."""

    def __init__(self) -> None:
        self.closed = False
        self.thread = threading.current_thread()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Own]:
    return []


@pytest.fixture
def threads(made: list[Own]) -> Threads[Own]:
    def make() -> Own:
        made.append(Own())
        return made[-1]

    return Threads("test", 2, make)


def test_works_share_as_many_threads_as_there_may_be(threads, made):
    def work(own: Own) -> Own:
        assert own.thread is threading.current_thread()
        time.sleep(0.05)
        return own

    async def five() -> list[Own]:
        return await asyncio.gather(*(threads.run(work) for _ in range(5)))

    assert set(map(id, asyncio.run(five()))) == set(map(id, made))
    assert len(made) == 2
    threads.close()
    assert all(own.closed for own in made)


def test_one_after_the_other_needs_one_thread(threads, made):
    async def three() -> None:
        for _ in range(3):
            assert await threads.run(lambda own: own) is made[0]

    asyncio.run(three())
    threads.close()


def test_who_waits_is_told_what_went_wrong_and_the_thread_goes_on(threads):
    def fail(_: Own) -> None:
        raise ValueError("no")

    async def both() -> str:
        with pytest.raises(ValueError, match="no"):
            await threads.run(fail)
        return await threads.run(lambda _: "there")

    assert asyncio.run(both()) == "there"
    threads.close()


def test_a_thread_that_gets_nothing_of_its_own_tries_again(made):
    away = [True]

    def make() -> Own:
        if away:
            raise OSError("away")
        return Own()

    threads = Threads("test", 1, make)

    async def both() -> str:
        with pytest.raises(OSError, match="away"):
            await threads.run(lambda _: "never")
        away.clear()
        return await threads.run(lambda _: "there")

    assert asyncio.run(both()) == "there"
    threads.close()


class Interrupted(BaseException):
    """What no handler of failures catches."""


def test_a_thread_outlives_whatever_its_work_raises(threads, made):
    def fail(_: Own) -> None:
        raise Interrupted

    async def several() -> str:
        for _ in range(3):  # more than there may be threads
            with pytest.raises(Interrupted):
                await asyncio.wait_for(threads.run(fail), 10)
        return await asyncio.wait_for(threads.run(lambda _: "there"), 10)

    assert asyncio.run(several()) == "there"
    assert len(made) == 1
    threads.close()


def test_a_thread_that_cannot_be_started_is_not_counted_on(threads, monkeypatch):
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def both() -> str:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", full)
            with pytest.raises(RuntimeError, match="can't start"):
                await threads.run(lambda _: "never")
        return await asyncio.wait_for(threads.run(lambda _: "there"), 10)

    assert asyncio.run(both()) == "there"
    threads.close()


def test_nobody_has_to_wait_for_what_was_begun(threads):
    begun, release = threading.Event(), threading.Event()

    def long(_: Own) -> None:
        begun.set()
        release.wait(10)

    async def left() -> None:
        task = asyncio.create_task(threads.run(long))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(left())  # its loop is closed before the work ends
    release.set()
    assert asyncio.run(threads.run(lambda _: "there")) == "there"
    threads.close()


def test_nothing_is_begun_once_they_are_closed(threads):
    threads.close()
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(threads.run(lambda _: "never"))
