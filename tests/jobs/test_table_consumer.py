"""Turns: many jobs marked done and claimed in one transaction, none of them for another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import PriorityQueue
from typing import Any

import pytest
from dramatiq.broker import MessageProxy
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import Conflict
from hub.settings import Settings
from hub.storage import finishing, leases, queue
from hub.storage.crypto import Crypto
from hub.storage.queue import NewJob
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow
from jobs import table_consumer
from jobs.broker import TableBroker
from jobs.context import JobContext
from jobs.table_consumer import TableConsumer

SCOPE = unrestricted_scope("test")
STARTED = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Desk:
    """A consumer whose messages the test runs itself, on a clock the test moves."""

    def __init__(self, database: Database, crypto: Crypto, directory: Path) -> None:
        self.database = database
        self.now = STARTED
        settings = Settings(data_dir=directory, worker_threads=8)
        self.broker = TableBroker(JobContext(database, crypto, settings, lambda: self.now))
        self.broker.declare_queue(queue.DEFAULT_QUEUE)
        self.broker.waiting[queue.DEFAULT_QUEUE] = PriorityQueue()
        self.consumer = self.open()

    def open(self) -> TableConsumer:
        consumer = self.broker.consume(queue.DEFAULT_QUEUE, prefetch=16, timeout=1)
        assert isinstance(consumer, TableConsumer)
        return consumer

    def add(self, count: int = 16, **options: Any) -> None:
        jobs = [NewJob(Job.PRUNE, {"n": n}, **options) for n in range(count)]
        self.database.transaction(SCOPE, lambda s: queue.add_many(s, jobs, now=self.now))

    def take(self) -> list[MessageProxy]:
        """All messages there are, as threads that are called would take them."""
        found: list[MessageProxy] = []
        while True:
            call = next(self.consumer)
            found += iter(self.consumer.waiting.take, None)
            if call is None:
                return found

    def end(self, message: MessageProxy, failure: Exception | None = None) -> None:
        """As a thread does when the actor is over."""
        self.broker.outcome.after_process_message(self.broker, message, exception=failure)
        self.consumer.ack(message)

    def states(self) -> list[str]:
        with self.database.read(SCOPE) as session:
            return [job.state for job in session.query(JobRow).order_by(JobRow.id)]

    def write(self, **values: Any) -> None:
        """Change the row of the job that was added fourth."""
        rows = update(JobRow).where(JobRow.args["n"].as_integer() == 3).values(**values)
        self.database.transaction(SCOPE, lambda s: s.execute(rows))


@pytest.fixture
def desk(database: Database, crypto: Crypto, tmp_path: Path) -> Desk:
    return Desk(database, crypto, tmp_path)


def finishes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs each statement marks done."""
    sizes: list[int] = []
    original = finishing.send_finish

    def counted(session: ScopedSession, jobs: Any, *, now: datetime) -> Any:
        sizes.append(len(jobs))
        return original(session, jobs, now=now)

    monkeypatch.setattr(finishing, "send_finish", counted)
    return sizes


def test_jobs_that_ended_are_marked_done_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = finishes(monkeypatch)
    desk.add()
    for message in desk.take():
        desk.end(message)
    assert set(desk.states()) == {"running"}
    desk.add(4)
    assert len(desk.take()) == 4
    assert sizes == [16]
    assert desk.states() == ["done"] * 16 + ["running"] * 4
    assert len(desk.broker.held) == 4


def test_one_of_sixteen_that_fails_takes_nobody_with_it(desk: Desk) -> None:
    desk.add()
    for number, message in enumerate(desk.take()):
        desk.end(message, Conflict("No.") if number == 3 else None)
    desk.take()
    assert sorted(desk.states()) == ["dead"] + ["done"] * 15
    assert desk.broker.held == {}


def test_one_whose_token_was_lost_is_left_to_who_has_it(desk: Desk) -> None:
    desk.add(3, lanes=["a lane"])
    desk.add()
    messages = desk.take()
    for message in messages:
        desk.end(message)
    desk.write(token="another worker's")
    desk.take()
    assert desk.states().count("done") == len(messages) - 1
    with desk.database.read(SCOPE) as session:
        (theirs,) = session.query(JobRow).filter(JobRow.token == "another worker's")
        assert (theirs.state, theirs.done_at) == ("running", None)
    assert not desk.broker.held.keys() & {message.args[0] for message in messages}


def test_killed_before_the_commit_they_are_run_again(desk: Desk) -> None:
    desk.add()
    frozen = desk.consumer
    for message in desk.take():
        desk.end(message)
    desk.now += timedelta(seconds=61)
    assert len(desk.database.transaction(SCOPE, lambda s: leases.rescue(s, now=desk.now))) == 16
    desk.consumer = desk.open()
    again = desk.take()
    assert len(again) == 16
    next(frozen)  # it wakes up and would mark them done
    assert desk.states() == ["running"] * 16
    for message in again:
        desk.end(message)
    desk.take()
    assert desk.states() == ["done"] * 16
    with desk.database.read(SCOPE) as session:
        assert {job.attempt for job in session.query(JobRow)} == {2}


def test_a_commit_that_fails_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add()
    for message in desk.take():
        desk.end(message)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("the database is away"))

    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", away)
        assert desk.take() == []
    assert desk.states() == ["running"] * 16
    desk.take()
    assert desk.states() == ["done"] * 16


def test_what_ended_last_is_marked_done_when_the_worker_stops(desk: Desk) -> None:
    desk.add()
    first, *rest = desk.take()
    desk.end(first)
    desk.broker.stop()
    desk.consumer.requeue(rest)
    desk.consumer.close()
    assert sorted(desk.states()) == ["done"] + ["ready"] * 15


def test_short_jobs_are_claimed_further_ahead_and_slow_ones_are_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_consumer, "SOON", 60.0)
    monkeypatch.setattr(table_consumer, "LATE", 60.0)
    desk.add(900)
    sizes = []
    for _ in range(5):
        messages = desk.take()
        sizes.append(len(messages))
        for message in messages:
            desk.end(message)
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (16, table_consumer.MOST_AHEAD)
    waiting = desk.consumer.waiting
    waiting.add(desk.take())
    assert len(waiting) == table_consumer.MOST_AHEAD
    monkeypatch.setattr(waiting, "_threads", 0)  # all are at work
    next(desk.consumer)  # a poll during which nothing ends
    assert len(waiting) == desk.consumer.least
    with desk.database.read(SCOPE) as session:
        states = [(job.state, job.attempt) for job in session.query(JobRow)]
    assert states.count(("running", 1)) == desk.consumer.least
    assert states.count(("ready", 0)) == 900 - sum(sizes) - desk.consumer.least
