"""Waking jobs that wait after one error code, alone and in lanes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow, Lane

SCOPE = unrestricted_scope("test")
HOUR = timedelta(hours=1)


def waiting(database: Database, now: datetime, code: str, *lanes: str, state: str = "ready") -> int:
    """A job that waits for an hour after `code`, with its lanes."""

    def work(session: ScopedSession) -> int:
        job_id = queue.add(session, Job.PRUNE, {}, now=now, lanes=lanes, run_at=now + HOUR)
        row = session.get_one(JobRow, job_id)
        row.error_code, row.state = code, state
        return job_id

    return database.transaction(SCOPE, work)


def wake(database: Database, now: datetime) -> int:
    return database.transaction(SCOPE, lambda session: queue.wake(session, "HELD", now=now))


def due(database: Database, now: datetime) -> tuple[set[int], set[str]]:
    """Jobs and lanes that are due."""
    with database.read(SCOPE) as session:
        jobs = session.scalars(select(JobRow.id).where(JobRow.run_at <= now))
        lanes = session.scalars(select(Lane.key).where(Lane.ready_at <= now))
        return set(jobs), set(lanes)


def test_what_waits_after_the_code_is_due_at_once_with_its_lanes(
    database: Database, now: datetime
) -> None:
    held = {waiting(database, now, "HELD"), waiting(database, now, "HELD", "a", "b")}
    waiting(database, now, "UPSTREAM")
    waiting(database, now, "UPSTREAM", "c")
    waiting(database, now, "HELD", state="dead")
    assert due(database, now) == (set(), set())
    assert wake(database, now) == 2
    assert due(database, now) == (held, {"a", "b"})


def test_nothing_waits(database: Database, now: datetime) -> None:
    assert wake(database, now) == 0
