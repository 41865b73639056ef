"""Lanes: order keys of jobs. A lane is leased as a whole, and its head is its oldest live job.

Lanes are always locked in the order of their keys, so that two transactions never wait for each
other. Statements go to the tables directly: the queue is the hub's hottest path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam, select, text, update
from sqlalchemy.sql import ColumnElement

from hub.storage import bulk
from hub.storage.session import ScopedSession
from hub.storage.tables import JobRow, Lane
from hub.storage.upsert import dialect_of

JOBS: Table = JobRow.__table__  # type: ignore[assignment]
LANES: Table = Lane.__table__  # type: ignore[assignment]


READY = text("jobs.state = 'ready'")
RUNNING = text("jobs.state = 'running'")
LIVE = text("jobs.state IN ('ready', 'running')")
FINISHED = text("jobs.state IN ('done', 'cancelled')")
DEAD = text("jobs.state = 'dead'")
"""Conditions in the words of the partial indexes: SQLite uses such an index for no others."""


def lanes_of(row: Any) -> tuple[str, ...]:
    """The order keys of a job, none to two."""
    return tuple(lane for lane in (row.lane, row.lane2) if lane is not None)


def touch(session: ScopedSession, due: Mapping[str, datetime], *, queue: str) -> None:
    """Lock lanes and make the idle ones due. Done before their jobs are inserted, so that within a
    lane ids follow the order of commits."""
    if due:
        rows = [{"key": key, "queue": queue, "ready_at": due[key]} for key in sorted(due)]
        bulk.insert_rows(session, LANES, rows, conflict=_MAKE_DUE)


_MAKE_DUE = (
    "ON CONFLICT (key) DO UPDATE SET ready_at = excluded.ready_at "
    "WHERE lanes.ready_at IS NULL AND lanes.token IS NULL"
)


def make_due(session: ScopedSession, keys: Iterable[str], now: datetime) -> None:
    """Have idle lanes looked at now, whatever they wait for."""
    statement = update(LANES).where(LANES.c.key == bindparam("lane"), LANES.c.token.is_(None))
    rows = [{"lane": key} for key in sorted(set(keys))]
    if rows:
        session.connection().execute(statement.values(ready_at=now), rows)


def _head_in(column: ColumnElement[Any]) -> Any:
    oldest = select(JOBS.c.id).where(column == LANES.c.key, LIVE).order_by(JOBS.c.id).limit(1)
    return oldest.scalar_subquery()


_HEADS = select(LANES.c.key, _head_in(JOBS.c.lane), _head_in(JOBS.c.lane2)).where(
    LANES.c.key.in_(bindparam("keys", expanding=True))
)


def heads(session: ScopedSession, keys: Collection[str]) -> dict[str, int]:
    """Lane -> id of its oldest live job; lanes without one are missing."""
    found = session.connection().execute(_HEADS, {"keys": list(keys)})
    return {
        key: min(job for job in (first, second) if job is not None)
        for key, first, second in found
        if first is not None or second is not None
    }


def release(session: ScopedSession, held: Iterable[tuple[str, str]], now: datetime) -> None:
    """Free lanes (key and the token that holds it), then look for more work in a new statement:
    read in the same one, PostgreSQL would miss a job inserted while it waited for the lane's lock.
    """
    pairs = sorted(set(held))
    if not pairs:
        return
    dialect = dialect_of(session)
    lock, look = _releasing(dialect)
    keys = bulk.values(dialect, [key for key, _ in pairs])
    tokens = bulk.values(dialect, [token for _, token in pairs])
    with bulk.pipelined(session):
        if lock:
            bulk.run(session, lock, [keys])
        bulk.run(session, look, [bulk.moment(session, now), keys, tokens])


@cache
def _releasing(dialect: str) -> tuple[str, str]:
    """The lock, which SQLite needs none of, and the release. A token holds the lanes of one job."""
    among = bulk.among(dialect)
    lock = f"SELECT key FROM lanes WHERE key {among} ORDER BY key FOR UPDATE"  # noqa: S608 - constants
    oldest = """
        SELECT jobs.run_at FROM jobs WHERE jobs.id = (SELECT min(id) FROM (
            SELECT * FROM (SELECT id FROM jobs WHERE jobs.lane = lanes.key AND
                jobs.state IN ('ready', 'running') ORDER BY id LIMIT 1) AS first
            UNION ALL
            SELECT * FROM (SELECT id FROM jobs WHERE jobs.lane2 = lanes.key AND
                jobs.state IN ('ready', 'running') ORDER BY id LIMIT 1) AS second) AS heads)
    """
    later = "max" if dialect == "sqlite" else "greatest"
    look = f"""
        UPDATE lanes SET token = NULL, lease_until = NULL,
        ready_at = (SELECT {later}(due.run_at, {bulk.parameter(dialect)}) FROM ({oldest}) AS due)
        WHERE key {among} AND token {among}
    """  # noqa: S608 - constants
    return ("" if dialect == "sqlite" else lock), look
