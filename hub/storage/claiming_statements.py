"""The statements of claiming, for both databases. Their parameters are named where they are run.

PostgreSQL looks at a lane's jobs in a statement after the one that locked the lane: in the same one
it would miss a job inserted while it waited for the lock.

SQLite answers with all rows in one value: its driver gives up the interpreter's lock at each row,
and beside busy threads waits to get it back each time.
"""

# ruff: noqa: S608 - put together from constants

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from hub.storage import bulk

LIVE = "state IN ('ready', 'running')"
_ARGS = "jobs.args"


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


_COLUMNS = [f"jobs.{column}" for column in JobAsStored._fields]


def _rows(dialect: str, columns: Sequence[str], body: str) -> str:
    """A statement whose rows `Round.ask` reads; `body` is what follows the columns."""
    if dialect == "postgresql":
        return _placed(dialect, f"SELECT {', '.join(columns)} {body}")
    named = ", ".join(f"{column} AS c{place}" for place, column in enumerate(columns))
    values = ", ".join(
        f"json(c{place})" if column == _ARGS else f"c{place}"
        for place, column in enumerate(columns)
    )
    return f"SELECT json_group_array(json_array({values})) FROM (SELECT {named} {body})"


@cache
def due(dialect: str, *, but: bool) -> str:
    """Lock due jobs without a lane. Parameters: queue, now, [kinds to leave,] how many. Rows: jobs
    in the order they are to be run."""
    body = f"""
        FROM jobs WHERE queue = ? AND state = 'ready' AND lane IS NULL
        AND run_at <= ? {f"AND NOT kind {bulk.among(dialect)}" if but else ""}
        ORDER BY priority, run_at, id LIMIT ? {_locked(dialect)}
    """
    return _rows(dialect, _COLUMNS, body)


@cache
def due_lanes(dialect: str) -> str:
    """Lock due lanes. Parameters: queue, now, how many. Rows: key."""
    body = (
        f"FROM lanes WHERE queue = ? AND ready_at <= ? ORDER BY ready_at LIMIT ? {_locked(dialect)}"
    )
    return _rows(dialect, ["key"], body)


def _locked(dialect: str) -> str:
    """SQLite has one writer, who needs no lock."""
    return "FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""


@cache
def heads(dialect: str) -> str:
    """The oldest live job of each lane. Parameters: now, keys as JSON. Rows: key, the oldest live
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
    columns = ["due.key", f"({second})", "jobs.state = 'ready'", "jobs.run_at <= ?"]
    return _rows(dialect, [*columns, *_COLUMNS], f"FROM {due} LEFT JOIN {joined}")


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
    may_follow = (
        "jobs.state = 'ready' AND jobs.lane2 IS NULL AND jobs.attempt = 0 AND jobs.run_at <= ?"
    )
    columns = ["heads.id", may_follow, *_COLUMNS]
    return _rows(dialect, columns, f"FROM {given} {joined} ORDER BY jobs.id")


@cache
def lease(dialect: str, *, returning: bool = False) -> str:
    """Lease jobs that are ready; their tokens are the given text and their id. Parameters: text,
    lease_until, begun_at, attempts to add, ids. `returning` for jobs that are not locked: the rows
    are the ids of those that were still ready. As when jobs end, no partial index is to be read
    for it."""
    statement = f"""
        UPDATE jobs SET state = 'running', token = CAST(? AS text) || CAST(id AS text),
            lease_until = ?, begun_at = ?, attempt = attempt + ?
        WHERE id {bulk.among(dialect)} AND state || '' = 'ready' {"RETURNING id" * returning}
    """
    return _placed(dialect, statement)


@cache
def postpone(dialect: str) -> str:
    """Parameters: until when, ids."""
    return _placed(dialect, f"UPDATE jobs SET run_at = ? WHERE id {bulk.among(dialect)}")


@cache
def put_back(dialect: str) -> str:
    """Undo leases of this transaction. Parameters: attempts to take off, ids."""
    statement = f"""
        UPDATE jobs SET state = 'ready', token = NULL, lease_until = NULL, begun_at = NULL,
        attempt = attempt - ? WHERE id {bulk.among(dialect)}
    """
    return _placed(dialect, statement)


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
