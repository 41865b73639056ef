"""Checks of connections: asked for as a job, the report kept for whoever asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import delete, select

from hub.domain.jobs import Job
from hub.errors import NotFound
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, ConnectionCheck, ConnectionProbe, new_id

ATTEMPTS = 3
KEPT = timedelta(days=30)


class Probe(Protocol):
    """One finding of a check, as a connector reports it."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def error(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def milliseconds(self) -> int: ...


def request_check(session: ScopedSession, *, connection_id: str, now: datetime) -> int:
    """Add the job that checks a connection; a second request joins the first."""
    connection = session.get(Connection, connection_id)
    if connection is None:
        raise NotFound(sought=connection_id)
    return queue.add(
        session,
        Job.CHECK_CONNECTION,
        {"connection_id": connection_id},
        now=now,
        practice_id=connection.practice_id,
        unique_key=f"check:{connection_id}",
        max_attempts=ATTEMPTS,
    )


def store_report(
    session: ScopedSession,
    *,
    connection_id: str,
    job_id: int,
    probes: Sequence[Probe],
    now: datetime,
) -> str:
    """Keep what a check found; the texts name settings and rules, never values."""
    connection = session.get(Connection, connection_id)
    if connection is None:
        raise NotFound("The connection no longer exists.")
    check = ConnectionCheck(
        id=new_id(),
        connection_id=connection_id,
        practice_id=connection.practice_id,
        job_id=job_id,
        ok=all(probe.ok for probe in probes),
        checked_at=now,
    )
    session.add(check)
    session.flush()
    session.add_all(
        ConnectionProbe(
            check_id=check.id,
            practice_id=connection.practice_id,
            position=position,
            name=probe.name,
            ok=probe.ok,
            error=probe.error,
            hint=probe.hint,
            milliseconds=probe.milliseconds,
        )
        for position, probe in enumerate(probes, start=1)
    )
    session.flush()
    return check.id


def prune(session: ScopedSession, *, now: datetime) -> None:
    """Delete reports older than 30 days."""
    old = select(ConnectionCheck.id).where(ConnectionCheck.checked_at < now - KEPT)
    session.execute(delete(ConnectionProbe).where(ConnectionProbe.check_id.in_(old)))
    session.execute(delete(ConnectionCheck).where(ConnectionCheck.checked_at < now - KEPT))
