"""From a frame to applied records: what a message costs a core from its first byte to its last row,
and what it costs with other libraries and one row of a patient."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from bench.parts.hub import CRYPTO, SCOPE, now
from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.domain.jobs import JobState
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage.session import Database
from hub.storage.tables import JobRow
from jobs.context import JobContext
from jobs.worker import JobWorker

_PEER = Peer("127.0.0.1")


async def received(database: Database, routes: Routes, contents: list[bytes]) -> None:
    """Every message acknowledged, as 64 connections would send them."""
    receiver = Receiver(Intake(database, CRYPTO, now), lambda: routes, now)
    left = iter(contents)

    async def connection() -> None:
        framer = Framer()
        for content in left:
            (frame,) = framer.feed(wrap(content))
            assert b"MSA|AA|" in (await receiver.receive(frame, _PEER)).ack

    await asyncio.gather(*(connection() for _ in range(64)))


def applied(database: Database, directory: Path) -> None:
    """Everything received is read and applied by a worker of this process."""
    settings = Settings(data_dir=directory, worker_threads=2)
    context = JobContext(database, CRYPTO, settings, now)
    worker = JobWorker(context, run_schedules=False)
    worker.start()
    while _count(database, JobState.READY, JobState.RUNNING):
        time.sleep(0.2)  # asking costs what is measured
    worker.stop()
    assert not _count(database, JobState.DEAD), "a message was not applied"


def _count(database: Database, *states: JobState) -> int:
    """How many jobs are in one of these states."""
    found = select(func.count()).select_from(JobRow).where(JobRow.state.in_(states))
    with database.read(SCOPE) as session:
        return session.scalar(found) or 0


def rival(directory: Path, name: str, read: Callable[[bytes], list[Any]]) -> Callable[..., None]:
    """What a first own receiver does: read the values, insert one row, commit, acknowledge."""
    database = sqlite3.connect(directory / f"{name}.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    columns = ", ".join(f"value{number}" for number in range(15))
    database.execute(f"CREATE TABLE patient ({columns})")

    def each(contents: list[bytes]) -> None:
        marks = ", ".join("?" * 15)
        for content in contents:
            database.execute(f"INSERT INTO patient VALUES ({marks})", read(content))
            database.commit()

    return each


def cpu_each(count: int, work: Callable[[], Any], database: Database | None = None) -> float:
    """Microseconds of CPU of this process, all threads, and of PostgreSQL's for `database`, per
    message."""
    started = time.process_time() + backends(database)
    work()
    return (time.process_time() + backends(database) - started) / count * 1e6


def backends(database: Database | None) -> float:
    """Seconds of CPU of the server processes that the pool's connections have so far; of a server
    elsewhere nothing is known, and nothing is counted."""
    if database is None or database.is_sqlite:
        return 0.0
    query = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    with database.read(SCOPE) as session:
        spent = [Path(f"/proc/{pid}/schedstat") for pid in session.scalars(query)]
    return sum(int(each.read_text().split()[0]) for each in spent if each.exists()) / 1e9
