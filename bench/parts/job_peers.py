"""What the durable queue is compared with: Dramatiq's own brokers, and a bare loop of a driver that
writes an effect and "done" with a commit each."""

from __future__ import annotations

import sqlite3
import time
import uuid
from typing import Any

import dramatiq
import psycopg
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from hub.storage.session import Database

THREADS = 4
PREFETCH = 256


def stub_rate(count: int) -> float:
    """Jobs that do nothing, per second, through the broker in memory, which keeps nothing."""
    broker = StubBroker()
    return _rate(broker, count)


def redis_rate(url: str, count: int) -> float | None:
    """The same through Redis, 256 messages ahead; None where there is no Redis."""
    broker = RedisBroker(url=url, namespace=f"bench-{uuid.uuid4().hex}")
    try:
        broker.client.ping()
    except redis.exceptions.ConnectionError:
        return None
    try:
        return _rate(broker, count)
    finally:
        broker.flush_all()
        broker.close()


def _rate(broker: Any, count: int) -> float:
    actor = dramatiq.actor(lambda number: None, actor_name="nothing", broker=broker)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.queue_prefetch = PREFETCH
    for number in range(count):
        actor.send(number)
    started = time.perf_counter()
    worker.start()
    broker.join("default")
    spent = time.perf_counter() - started
    worker.stop()
    return count / spent


def bare_rate(database: Database, count: int) -> float:
    """Effects per second of one connection: insert a row, mark a job done, commit."""
    run = f"bare{uuid.uuid4().hex}"
    effect = "INSERT INTO lanes (key, queue) VALUES (?, 'bare')"
    done = "UPDATE jobs SET state = 'done' WHERE id = ?"
    connection: Any
    if database.is_sqlite:
        connection = sqlite3.connect(database.write_engine.url.database or "", timeout=30)
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")
        begin = "BEGIN IMMEDIATE"
    else:
        url = database.write_engine.url.set(drivername="postgresql")
        connection = psycopg.connect(url.render_as_string(False), autocommit=True)
        effect, done, begin = effect.replace("?", "%s"), done.replace("?", "%s"), "BEGIN"
    started = time.perf_counter()
    for number in range(count):
        connection.execute(begin)
        connection.execute(effect, (f"{run}{number}",))
        connection.execute(done, (number + 1,))
        connection.execute("COMMIT")
    spent = time.perf_counter() - started
    connection.close()
    return count / spent
