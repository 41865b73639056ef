"""The statements of claiming, for both databases. Their parameters are named where they are run.

PostgreSQL looks at a lane's jobs in a statement after the one that locked the lane: in the same one
it would miss a job inserted while it waited for the lock.
"""

# ruff: noqa: S608 - put together from constants

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson

from hub.storage import bulk

LIVE = "state IN ('ready', 'running')"
_COLUMNS = "id, kind, practice_id, args, attempt, max_attempts, run_at, lane, lane2, envelope"


class JobAsStored(NamedTuple):
    """What claiming looks at of a job's row; `run_at` in the database's own form."""

    id: int
    kind: str
    practice_id: str | None
    args: Any
    attempt: int
    max_attempts: int
    run_at: Any
    lane: str | None
    lane2: str | None
    envelope: str

    @property
    def lanes(self) -> tuple[str, ...]:
        """Its order keys, none to two."""
        return tuple(lane for lane in (self.lane, self.lane2) if lane is not None)


def job_of(row: Sequence[Any], *, leased: bool = False) -> JobAsStored:
    """From the driver's row, `leased` a moment ago, as it was before: SQLite keeps arguments as
    text."""
    job_id, kind, practice_id, args, attempt, *rest = row
    if isinstance(args, str):
        args = orjson.loads(args)
    return JobAsStored(job_id, kind, practice_id, args, attempt - leased, *rest)


def _token(dialect: str) -> str:
    """A new one for each row."""
    return "gen_random_uuid()::text" if dialect == "postgresql" else "lower(hex(randomblob(16)))"


def _of_jobs(columns: str) -> str:
    return ", ".join(f"jobs.{column}" for column in columns.split(", "))


@cache
def lease_free(dialect: str, *, but: bool) -> str:
    """Lease due jobs without a lane. Parameters: queue, now, [kinds to leave,] how many, until,
    begun_at, attempts to add. Rows: token, priority and a job."""
    postgresql = dialect == "postgresql"
    statement = f"""
        WITH due AS (
            SELECT id FROM jobs WHERE queue = ? AND state = 'ready' AND lane IS NULL
            AND run_at <= ? {f"AND NOT kind {bulk.among(dialect)}" if but else ""}
            ORDER BY priority, run_at, id LIMIT ? {"FOR UPDATE SKIP LOCKED" * postgresql})
        UPDATE jobs SET state = 'running', token = {_token(dialect)}, lease_until = ?, begun_at = ?,
            attempt = attempt + ?
        FROM due WHERE jobs.id = due.id
        RETURNING jobs.token, jobs.priority, {_of_jobs(_COLUMNS)}
    """
    return _placed(dialect, statement)


@cache
def lock_due_lanes(dialect: str) -> str:
    """Parameters: queue, now, how many. Rows: key."""
    return _placed(
        dialect,
        f"""
        SELECT key FROM lanes WHERE queue = ? AND ready_at <= ? ORDER BY ready_at LIMIT ?
        {"FOR UPDATE SKIP LOCKED" * (dialect == "postgresql")}
    """,
    )


@cache
def heads(dialect: str) -> str:
    """The oldest live job of each lane. Parameters: keys as JSON, now. Rows: key, the oldest live
    job that has it as its second lane, whether the head is ready, whether it is due, and the head;
    all NULL but the key where nothing lives."""
    due = bulk.given(dialect, "due", {"key": "text"})
    first, second = (
        f"SELECT id FROM jobs WHERE {lane} = due.key AND {LIVE} ORDER BY id LIMIT 1"
        for lane in ("lane", "lane2")
    )
    head = f"""jobs.id = (SELECT min(id) FROM (
        SELECT * FROM ({first}) AS a UNION ALL SELECT * FROM ({second}) AS b) AS oldest)"""
    joined = f"jobs ON {head}"
    if dialect == "postgresql":  # else it reads the whole table while that is small
        joined = f"LATERAL (SELECT * FROM jobs WHERE {head} LIMIT 1) AS jobs ON true"
    statement = f"""
        SELECT due.key, ({second}), jobs.state = 'ready', jobs.run_at <= ?, {_of_jobs(_COLUMNS)}
        FROM {due} LEFT JOIN {joined}
    """
    return _placed(dialect, statement)


@cache
def behind(dialect: str, most: int) -> str:
    """Live jobs behind heads, in their order. Parameters: now, heads as JSON (id, lane). Rows: id
    of the head, whether the job may follow one of its own kind and practice, and the job."""
    given = bulk.given(dialect, "heads", {"id": "bigint", "lane": "text"})
    next_ones = f"lane = heads.lane AND {LIVE} AND id > heads.id ORDER BY id LIMIT {most}"
    if dialect == "postgresql":
        joined = f"CROSS JOIN LATERAL (SELECT * FROM jobs WHERE {next_ones}) AS jobs"
    else:
        joined = f"JOIN jobs ON jobs.id IN (SELECT id FROM jobs WHERE {next_ones})"
    statement = f"""
        SELECT heads.id, jobs.state = 'ready' AND jobs.lane2 IS NULL AND jobs.attempt = 0
            AND jobs.run_at <= ?, {_of_jobs(_COLUMNS)}
        FROM {given} {joined} ORDER BY jobs.id
    """
    return _placed(dialect, statement)


@cache
def lease(dialect: str) -> str:
    """Lease jobs of lanes. Parameters: lease_until, begun_at, attempts to add, ids. Rows: id and
    token of each that was still ready; as when jobs end, no partial index is to be read for it."""
    statement = f"""
        UPDATE jobs SET state = 'running', token = {_token(dialect)}, lease_until = ?, begun_at = ?,
            attempt = attempt + ?
        WHERE id {bulk.among(dialect)} AND state || '' = 'ready' RETURNING id, token
    """
    return _placed(dialect, statement)


@cache
def put_back(dialect: str) -> str:
    """Undo leases of this transaction. Parameters: the rows as JSON; `later` NULL leaves `run_at`
    as it is."""
    columns = {"id": "bigint", "begun": "bigint", "later": "timestamptz"}
    taken = bulk.given(dialect, "taken", columns)
    return f"""
        UPDATE jobs SET state = 'ready', token = NULL, lease_until = NULL, begun_at = NULL,
        attempt = attempt - taken.begun, run_at = coalesce(taken.later, run_at)
        FROM {taken} WHERE jobs.id = taken.id
    """


@cache
def set_lanes(dialect: str) -> str:
    """Who holds a lane, or when it is looked at next. Parameters: the rows as JSON."""
    given = bulk.given(dialect, "given", {"lane": "text", "due": "timestamptz", "holder": "text"})
    return f"""
        UPDATE lanes SET ready_at = given.due, token = given.holder
        FROM {given} WHERE lanes.key = given.lane
    """


def _placed(dialect: str, statement: str) -> str:
    """With the driver's own sign for a parameter."""
    return statement.replace("?", bulk.parameter(dialect))
