"""Pointers through Redis and RabbitMQ: lost, doubled, late and forged ones change nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dramatiq
import pika
import pytest
import redis
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import BadSetting
from hub.settings import Settings
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import JobRow
from jobs import actors
from jobs.actors import ActorSpec
from jobs.context import JobContext, RunningJob
from jobs.pointers import PointerBroker
from jobs.transport_facts import transport_facts
from jobs.worker import JobWorker
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")
Message = dramatiq.Message[None]


class Shop:
    """Workers on one database and one transport, and how often each job was run."""

    def __init__(self, database: Database, crypto: Crypto, settings: Settings) -> None:
        self.database = database
        self.context = JobContext(database, crypto, settings, lambda: datetime.now(UTC))
        self.workers: list[JobWorker] = []
        self.runs: Counter[int] = Counter()
        self.lock = threading.Lock()

    def run(self, job: RunningJob) -> None:
        with self.lock:
            self.runs[job.claimed.id] += 1
        job.finish(SCOPE, lambda session: None)

    def start(self) -> JobWorker:
        worker = JobWorker(self.context, run_schedules=False, poll_milliseconds=100)
        self.workers.append(worker)
        worker.start()
        return worker

    def add(self, count: int = 1, **options: Any) -> list[int]:
        def work(session: Any) -> list[int]:
            now = self.context.now()
            return [queue.add(session, Job.PRUNE, {}, now=now, **options) for _ in range(count)]

        return self.database.transaction(SCOPE, work)

    def rows(self) -> list[JobRow]:
        with self.database.read(SCOPE) as session:
            return list(session.scalars(select(JobRow).order_by(JobRow.id)))

    def drain(self) -> None:
        wait_until(lambda: {row.state for row in self.rows()} == {"done"})


@pytest.fixture
def shop(
    database: Database,
    crypto: Crypto,
    tmp_path: Path,
    pointers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    settings = Settings(data_dir=tmp_path, worker_threads=2, job_lease_seconds=2, **pointers)
    opened = Shop(database, crypto, settings)
    monkeypatch.setitem(actors.ACTORS, Job.PRUNE, ActorSpec(opened.run, 60_000))
    yield opened
    for worker in opened.workers:
        worker.stop()


@pytest.fixture
def settings(shop: Shop) -> Settings:
    return shop.context.settings


def sending(monkeypatch: pytest.MonkeyPatch, send: Callable[..., None]) -> None:
    """Has pointers pass through `send(broker, message, forward)`."""
    original = PointerBroker.publish

    def replaced(broker: PointerBroker, message: Message) -> None:
        send(broker, message, lambda each: original(broker, each))

    monkeypatch.setattr(PointerBroker, "publish", replaced)


def test_a_pointer_that_arrives_three_times_begins_one_attempt(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thrice(_: PointerBroker, message: Message, forward: Callable[[Message], None]) -> None:
        for _n in range(3):
            forward(message)

    sending(monkeypatch, thrice)
    shop.start()
    ids = shop.add(10)
    shop.drain()
    shop.workers.pop().stop()
    assert shop.runs == dict.fromkeys(ids, 1)
    assert {row.attempt for row in shop.rows()} == {1}


def test_a_lost_pointer_is_sent_anew_when_its_lease_ends_and_costs_no_attempt(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Message] = []

    def lossy(_: PointerBroker, message: Message, forward: Callable[[Message], None]) -> None:
        lost.append(message) if len(lost) < 3 else forward(message)

    sending(monkeypatch, lossy)
    shop.start()
    ids = shop.add(3)
    shop.drain()
    assert len(lost) == 3
    assert shop.runs == dict.fromkeys(ids, 1)
    assert {row.attempt for row in shop.rows()} == {1}


def test_a_pointer_from_before_a_restart_is_stale(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Message] = []

    def keep(_: PointerBroker, message: Message, forward: Callable[[Message], None]) -> None:
        kept.append(message)

    with monkeypatch.context() as patched:
        sending(patched, keep)
        shop.start()
        ids = shop.add(2)
        wait_until(lambda: len(kept) >= 2)
        shop.workers.pop().stop()
    assert {(row.state, row.attempt, row.token) for row in shop.rows()} == {("ready", 0, None)}
    worker = shop.start()
    for message in kept:
        worker.broker.enqueue(message)
    shop.drain()
    assert shop.runs == dict.fromkeys(ids, 1)


def test_a_pointer_that_names_another_kind_of_job_begins_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    monkeypatch.setitem(actors.ACTORS, Job.SYNC_ALL, ActorSpec(lambda job: ran.append(1), 60_000))

    def forge(_: PointerBroker, message: Message, forward: Callable[[Message], None]) -> None:
        forward(message._replace(actor_name=Job.SYNC_ALL.value))
        forward(message)

    sending(monkeypatch, forge)
    shop.start()
    shop.add(4)
    shop.drain()
    assert ran == []


def test_a_server_that_is_away_costs_no_attempt_and_no_job(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def away(_: PointerBroker, message: Message, forward: Callable[[Message], None]) -> None:
        if len(failed) < 2:
            failed.append(True)
            raise ConnectionError
        forward(message)

    sending(monkeypatch, away)
    shop.start()
    ids = shop.add(4)
    shop.drain()
    assert shop.runs == dict.fromkeys(ids, 1)
    assert {row.attempt for row in shop.rows()} == {1}


def test_two_workers_share_a_transport_and_run_each_job_once_in_the_order_of_its_lane(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []

    def note(job: RunningJob) -> None:
        if job.claimed.lanes:
            order.append(job.claimed.id)
        shop.run(job)

    monkeypatch.setitem(actors.ACTORS, Job.PRUNE, ActorSpec(note, 60_000))
    shop.start()
    shop.start()
    ids = shop.add(40)
    in_lane = shop.add(10, lanes=["one patient"])
    shop.drain()
    assert shop.runs == dict.fromkeys(ids + in_lane, 1)
    assert order == in_lane


def test_a_server_that_forgets_everything_loses_no_job(shop: Shop) -> None:
    shop.start()
    ids = shop.add(20)
    for _ in range(5):
        forget(shop.context.settings)
        ids += shop.add(20)
    shop.drain()
    assert shop.runs == dict.fromkeys(ids, 1)


def forget(settings: Settings) -> None:
    """What a flushed Redis or a purged queue does to pointers."""
    if settings.broker_url.startswith("redis"):
        with redis.Redis.from_url(settings.broker_url) as client:
            for key in client.scan_iter(f"{settings.broker_namespace}*", count=1000):
                client.delete(key)
        return
    with pika.BlockingConnection(pika.URLParameters(settings.broker_url)) as connection:
        connection.channel().queue_purge(f"{settings.broker_namespace}.default")


def test_doctor_is_told_of_a_server_that_answers_and_of_one_that_does_not(
    settings: Settings,
) -> None:
    assert " answers" in transport_facts(settings)
    scheme, _ = settings.broker_url.split("://")
    closed = settings.model_copy(update={"broker_url": f"{scheme}://127.0.0.1:9"})
    with pytest.raises(BadSetting, match=r"does not answer at HUB_BROKER_URL"):
        transport_facts(closed)


def test_what_rabbitmq_keeps_are_quorum_queues(shop: Shop, settings: Settings) -> None:
    if settings.broker_url.startswith("redis"):
        return
    name = f"{settings.broker_namespace}.default"
    with pika.BlockingConnection(pika.URLParameters(settings.broker_url)) as connection:
        connection.channel().queue_declare(name, durable=True)
    with pytest.raises(BadSetting, match=f"{name} is not a quorum queue"):
        transport_facts(settings)
    with pika.BlockingConnection(pika.URLParameters(settings.broker_url)) as connection:
        connection.channel().queue_delete(name)
    shop.start()
    shop.add()
    shop.drain()
    assert "quorum" in transport_facts(settings)
