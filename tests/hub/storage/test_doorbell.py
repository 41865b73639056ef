"""The bell: heard by all who wait, across processes on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.session import Database

ALL = unrestricted_scope("test")
SOON = 10.0


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """The same database in another process, as far as the bell can tell."""
    opened = Database(database.url)
    yield opened
    opened.close()


def test_a_ring_is_heard_by_all_who_wait(database: Database) -> None:
    waiters = [database.bell.waiter() for _ in range(2)]
    for waiter in waiters:
        waiter.clear()
    database.bell.set()
    assert [waiter.wait(SOON) for waiter in waiters] == [True, True]


def test_a_commit_that_added_a_job_rings(database: Database, now: datetime) -> None:
    waiter = database.bell.waiter()
    waiter.wait(0.2 if database.is_sqlite else SOON)  # the ring of who begins to listen
    waiter.clear()
    database.transaction(ALL, lambda s: None)
    assert not waiter.is_set()
    database.transaction(ALL, lambda s: queue.add(s, Job.PRUNE, {}, now=now))
    assert waiter.wait(SOON)


def test_other_processes_hear_it_too(database: Database, other: Database, now: datetime) -> None:
    if database.is_sqlite:  # has one process
        return
    waiter = other.bell.waiter()
    assert waiter.wait(SOON)
    waiter.clear()
    database.transaction(ALL, lambda s: queue.add(s, Job.PRUNE, {}, now=now))
    assert waiter.wait(SOON)


def test_a_ring_is_for_the_queues_that_got_a_job(
    database: Database, other: Database, now: datetime
) -> None:
    listening = database if database.is_sqlite else other
    theirs, ours = (listening.bell.waiter(name) for name in ("sending", "default"))
    theirs.wait(0.2 if database.is_sqlite else SOON)
    theirs.clear()
    ours.clear()
    database.transaction(ALL, lambda s: queue.add(s, Job.PRUNE, {}, now=now, queue="default"))
    assert ours.wait(SOON)
    assert not theirs.is_set()


def test_a_rollback_rings_nobody(database: Database, now: datetime) -> None:
    waiter = database.bell.waiter()
    waiter.wait(0.2 if database.is_sqlite else SOON)
    waiter.clear()

    def work(session: object) -> None:
        queue.add(session, Job.PRUNE, {}, now=now)  # type: ignore[arg-type]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.transaction(ALL, work)
    assert not waiter.wait(0.2)
