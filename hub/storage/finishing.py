"""How a claimed job ends: done, ready for another attempt, given back, cancelled or dead.

Its effects and ``done`` are one transaction, fenced by the token of its claim, so that a worker
that lost its lease changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import bindparam, case, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from hub.domain.jobs import JobState
from hub.errors import LeaseLost
from hub.storage import bulk
from hub.storage import lanes as lane_rows
from hub.storage.lanes import JOBS, RUNNING
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from hub.storage.upsert import dialect_of

RETRY_BASE = timedelta(seconds=5)
RETRY_CAP = timedelta(hours=1)


def require_lease(session: ScopedSession, job: ClaimedJob) -> None:
    """Raise LeaseLost unless this worker still holds the job, and keep it so until the commit."""
    mine = select(JOBS.c.id).where(JOBS.c.id == job.id, JOBS.c.token == job.token, RUNNING)
    if session.connection().execute(mine.with_for_update(read=True)).first() is None:
        raise LeaseLost("Another worker holds this job now.")


def finish(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> None:
    """Mark the job done in the transaction of its effects; LeaseLost rolls all of it back."""
    finish_many(session, [job], now=now)


def finish_many(session: ScopedSession, jobs: Sequence[ClaimedJob], *, now: datetime) -> None:
    """Mark jobs done, all or, with LeaseLost, none of them."""
    with bulk.pipelined(session):
        done = _send_done(session, jobs, now)
        # Taken back with everything else if one was lost.
        _release_lanes(session, jobs, now)
    if len(done()) < len(jobs):
        raise LeaseLost("Another worker holds this job now.")


def send_finish(
    session: ScopedSession, jobs: Sequence[ClaimedJob], *, now: datetime
) -> Callable[[], list[ClaimedJob]]:
    """Mark those jobs done that this worker still holds; the result, asked for when a pipeline is
    over, gives the others, of which nothing is written. For jobs without effects of their own."""
    done = _send_done(session, jobs, now)

    def finish() -> list[ClaimedJob]:
        ids = done()
        _release_lanes(session, [job for job in jobs if job.id in ids], now)
        return [job for job in jobs if job.id not in ids]

    return finish


def _release_lanes(session: ScopedSession, jobs: Sequence[ClaimedJob], now: datetime) -> None:
    lane_rows.release(session, [(lane, job.token) for job in jobs for lane in job.lanes], now)


def _send_done(
    session: ScopedSession, jobs: Sequence[ClaimedJob], now: datetime
) -> Callable[[], Collection[int]]:
    """Mark those jobs done that are still held; calling the result gives their ids."""
    dialect = dialect_of(session)
    ids = bulk.values(dialect, sorted([job.id for job in jobs]))
    tokens = bulk.values(dialect, [job.token for job in jobs])
    moment = bulk.moment(session, now)
    if dialect == "sqlite":
        (held,) = bulk.run(session, _HELD_IDS, [ids, tokens]).fetchone()
        bulk.run(session, _FINISHING["sqlite"], [moment, held])
        return lambda: set(orjson.loads(held))
    found = bulk.run(session, _FINISHING["postgresql"], [moment, ids, tokens])
    return lambda: {job_id for (job_id,) in found.fetchall()}


_DONE = (
    "UPDATE jobs SET state = 'done', token = NULL, lease_until = NULL, error_code = '', "
    "error_text = '',"
)
_FINISHING = {
    "sqlite": f"{_DONE} done_at = ? WHERE id {bulk.among('sqlite')}",
    "postgresql": f"{_DONE} done_at = %s WHERE id {bulk.among('postgresql')} "
    f"AND token {bulk.among('postgresql')} AND state || '' = 'running' RETURNING id",
}
"""A token is given once, so that no job can match another's. PostgreSQL must not take the condition
on the state for one of a partial index and read all of it."""
_HELD_IDS = (
    "SELECT json_group_array(id) FROM jobs "  # noqa: S608 - constants
    f"WHERE id {bulk.among('sqlite')} AND token {bulk.among('sqlite')} AND state || '' = 'running'"
)
"""SQLite's driver gives up the interpreter's lock at each row: ids come as one value, before the
update, which returns none."""


def fail(
    session: ScopedSession,
    job: ClaimedJob,
    *,
    code: str,
    text: str,
    now: datetime,
    retry_at: datetime | None,
    counts: bool = True,
) -> JobState:
    """Record a failed attempt: ready again at `retry_at`, or dead when it is None or attempts are
    used up; cancelled instead of ready if that was asked for. `counts=False` gives the attempt back
    (a rate limit is nobody's fault)."""
    values: dict[str, Any] = {"error_code": code, "error_text": text}
    if retry_at is not None and (not counts or job.attempt < job.max_attempts):
        values |= again(now) | {"run_at": retry_at}
        values["attempt"] = job.attempt if counts else job.attempt - 1
    else:
        values |= {"state": JobState.DEAD.value, "done_at": now}
    return _settle(session, job, _HELD.values(**values), now)


def again(now: datetime) -> dict[str, Any]:
    """Ready, or cancelled where someone asked the running job to stop."""
    asked = JOBS.c.cancel_at.is_not(None)
    return {
        "state": case((asked, JobState.CANCELLED.value), else_=JobState.READY.value),
        "done_at": case((asked, now)),
    }


def end_cancelled(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> None:
    """A running job stopped because it was asked to."""
    ended = _HELD.values(state=JobState.CANCELLED.value, done_at=bindparam("now"))
    _settle(session, job, ended, now)


def release(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> JobState:
    """Give back a job that was claimed and not begun (shutdown); costs no attempt. It is ready, or
    cancelled where that was asked for."""
    return _settle(session, job, _HELD.values(**again(now), attempt=job.attempt - 1), now)


_HELD = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"), JOBS.c.token == bindparam("holder"), RUNNING)
    .values(token=None, lease_until=None)
    .returning(JOBS.c.state)
)


def _settle(
    session: ScopedSession, job: ClaimedJob, statement: ReturningUpdate[Any], now: datetime
) -> JobState:
    """Run `statement`, made from `_HELD`, if this worker still holds the job."""
    held = {"job": job.id, "holder": job.token, "now": now}
    state = session.connection().execute(statement, held).scalar()
    if state is None:
        raise LeaseLost("Another worker holds this job now.")
    lane_rows.release(session, ((lane, job.token) for lane in job.lanes), now)
    return JobState(state)


def retry_at(attempt: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again: full jitter over a doubling window, or the vendor's Retry-After if
    later."""
    window = min(RETRY_CAP, RETRY_BASE * 2 ** max(0, min(attempt, 20) - 1))
    delay = timedelta(seconds=1 + random.uniform(0, window.total_seconds()))  # noqa: S311 - jitter
    return now + max(delay, timedelta(seconds=retry_after or 0))
