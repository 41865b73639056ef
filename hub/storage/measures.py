"""What the database says of the work that waits, for whoever watches from outside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Select, func, select, text
from sqlalchemy.engine import make_url

from hub.errors import Halted
from hub.storage.lanes import READY
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    AuditHead,
    Connection,
    InboundMessage,
    JobRow,
    Lane,
    OutboundMessage,
)


def live_jobs(session: ScopedSession) -> list[tuple[str, str, int, datetime]]:
    """Queue, state, count and earliest due time of the jobs that are not over."""
    rows = [
        row
        for part in (_READY_ALONE, _RUNNING_ALONE, _IN_LANES)
        for row in session.execute(_COUNTED.where(part).group_by(JobRow.queue, JobRow.state))
    ]
    found: dict[tuple[str, str], tuple[int, datetime]] = {}
    for queue, state, count, earliest in rows:
        before, since = found.get((queue, state), (0, earliest))
        found[queue, state] = before + count, min(since, earliest)
    return [(*key, *value) for key, value in found.items()]


_COUNTED = select(JobRow.queue, JobRow.state, func.count(), func.min(JobRow.run_at))
_READY_ALONE = text("jobs.state = 'ready' AND jobs.lane IS NULL")
_RUNNING_ALONE = text("jobs.state = 'running' AND jobs.lane IS NULL")
_IN_LANES = text("jobs.lane IS NOT NULL AND jobs.state IN ('ready', 'running')")
"""Each in the words of a partial index: what is over is many times as much and is not looked at."""


def dead_jobs(session: ScopedSession) -> int:
    """How many jobs were given up and wait for a person."""
    dead = select(func.count()).select_from(JobRow).where(text("jobs.state = 'dead'"))
    return session.scalar(dead) or 0


def halted_lanes(session: ScopedSession) -> int:
    """How many messages hold what follows them."""
    of_a_lane = select(func.count()).select_from(JobRow).where(_IN_LANES)
    return session.scalar(of_a_lane.where(READY, JobRow.error_code == Halted.code)) or 0


def due_lanes(session: ScopedSession) -> dict[str, datetime]:
    """Queue -> since when the lane that waits longest is due; lanes in hand do not wait."""
    rows = session.execute(
        select(Lane.queue, func.min(Lane.ready_at))
        .where(text("lanes.ready_at IS NOT NULL"), Lane.token.is_(None))
        .group_by(Lane.queue)
    )
    return {queue: since for queue, since in rows if since is not None}


def unread(session: ScopedSession) -> tuple[int, datetime | None]:
    """How many messages are stored and not read yet, and since when the oldest."""
    waiting = select(func.count(), func.min(InboundMessage.received_at)).where(
        InboundMessage.state == "received"
    )
    count, oldest = session.execute(waiting).one()
    return count, oldest


def unsent(session: ScopedSession) -> dict[str, int]:
    """Messages to other systems that are not settled, by state."""
    return {state: session.scalar(_unsent_in(state)) or 0 for state in ("queued", "parked")}


def _unsent_in(state: str) -> Select[tuple[int]]:
    """Counted for each connection, as the index is: settled messages are many."""
    of_one = select(func.count()).where(
        OutboundMessage.connection_id == Connection.id, OutboundMessage.state == state
    )
    return select(func.sum(of_one.scalar_subquery())).select_from(Connection)


def audit_events(session: ScopedSession) -> int:
    """How many events the audit trail has."""
    return session.scalar(select(func.sum(AuditHead.count))) or 0


def log_bytes(session: ScopedSession, url: str) -> int:
    """Bytes of the write-ahead log: of SQLite those not yet copied into the database, of PostgreSQL
    all ever written."""
    if session.get_bind().dialect.name == "sqlite":
        file = Path(f"{make_url(url).database}-wal")
        return file.stat().st_size if file.exists() else 0
    written = text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
    return int(session.execute(written).scalar_one())
