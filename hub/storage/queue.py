"""The durable queue: job rows, leases, lanes and schedules.

A job is a row written in the transaction that made it necessary. A worker claims it with a token
and a lease; its effects and ``done`` are one transaction, fenced by the token, so that a worker
that lost its lease changes nothing. Jobs of one lane run one after another in the order of their
ids; a job with two lanes (a patient merge) runs only as the head of both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from sqlalchemy import (
    CursorResult,
    Update,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from hub import tracing
from hub.domain.agreements import PrincipalKind
from hub.domain.jobs import Job, JobState
from hub.errors import LeaseLost
from hub.storage import bulk, policy
from hub.storage import lanes as lane_rows
from hub.storage.envelopes import Envelope
from hub.storage.lanes import JOBS, LIVE, READY, RUNNING
from hub.storage.session import ScopedSession
from hub.storage.tables import JobRow
from hub.storage.upsert import dialect_of

DEFAULT_QUEUE = "default"
SENDING_QUEUE = "sending"
"""Jobs that wait for other systems' answers have threads of their own, so that a receiver that is
slow to answer never holds up what arrives."""
RETRY_BASE = timedelta(seconds=5)
RETRY_CAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job this worker holds until `lease_until`; `args` are ids only."""

    id: int
    kind: Job
    token: str
    practice_id: str | None
    args: Mapping[str, Any]
    attempt: int
    max_attempts: int
    lease_until: datetime
    lanes: tuple[str, ...] = ()
    """The lanes it holds."""
    follows: bool = False
    """Claimed behind the head of its lane, which holds the lane for it: it is run after the head in
    the same transaction, or given back."""
    envelope: str = ""
    """On whose behalf it runs, signed; see envelopes.py."""


@dataclass(slots=True)
class NewJob:
    """A job to be added; `lanes` are at most two order keys (already digests where made from
    identifiers)."""

    kind: Job
    args: Mapping[str, Any]
    practice_id: str | None = None
    lanes: Sequence[str] = ()
    priority: int = 100
    run_at: datetime | None = None
    unique_key: str | None = None
    max_attempts: int = 12
    queue: str = DEFAULT_QUEUE
    trace: str = ""
    """The trace it belongs to, if not that of now; see hub/tracing.py."""


def add(
    session: ScopedSession,
    kind: Job,
    args: Mapping[str, Any],
    *,
    now: datetime,
    practice_id: str | None = None,
    lanes: Sequence[str] = (),
    priority: int = 100,
    run_at: datetime | None = None,
    unique_key: str | None = None,
    max_attempts: int = 12,
    queue: str = DEFAULT_QUEUE,
) -> int:
    """Write a job in the caller's transaction and return its id.

    With `unique_key` a ready or running job of the same key is returned instead of a second one,
    also when two transactions add it at once.
    """
    job = NewJob(kind, args, practice_id, lanes, priority, run_at, unique_key, max_attempts, queue)
    session.added_to.add(queue)
    lane_rows.touch(session, dict.fromkeys(job.lanes, job.run_at or now), queue=job.queue)
    (values,) = _values(session, [job], now)
    while True:  # the job in the way may end between the two statements
        found = bulk.insert_one(session, JOBS, values, conflict=_ONE_OF_A_KEY)
        if found is None:
            found = session.connection().execute(_LIVE_TWIN, values).scalar()
        if found is not None:
            return int(found)


_ONE_OF_A_KEY = (
    "ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state IN ('ready', 'running') "
    "DO NOTHING"
)
"""In the words of the partial index `uq_jobs_unique_key`."""
_LIVE_TWIN = select(JOBS.c.id).where(JOBS.c.unique_key == bindparam("unique_key"), LIVE)


def add_many(
    session: ScopedSession,
    jobs: Sequence[NewJob],
    *,
    now: datetime,
    envelope: Envelope | None = None,
) -> None:
    """Write many jobs of one queue at once, in their order; their unique keys must be new. With the
    `envelope` of the session nothing is read, as a pipeline asks."""
    if not jobs:
        return
    session.added_to.add(jobs[0].queue)
    due: dict[str, datetime] = {}
    for job in jobs:
        for lane in job.lanes:
            due[lane] = min(due.get(lane, job.run_at or now), job.run_at or now)
    lane_rows.touch(session, due, queue=jobs[0].queue)
    bulk.insert_rows(session, JOBS, _values(session, jobs, now, envelope))


def envelope_of(session: ScopedSession) -> Envelope:
    """On whose behalf this session adds jobs. The hub's own work has no rights that may change."""
    own = session.scope.kind is PrincipalKind.SYSTEM
    return Envelope.of(session.scope, 0 if own else policy.version(session))


def _values(
    session: ScopedSession,
    jobs: Sequence[NewJob],
    now: datetime,
    envelope: Envelope | None = None,
) -> list[dict[str, Any]]:
    envelope, seal = envelope or envelope_of(session), session.envelopes.seal
    trace = tracing.carried()
    return [
        _row(job, now, seal(envelope, job.kind, job.practice_id, job.args, job.trace or trace))
        for job in jobs
    ]


def _row(job: NewJob, now: datetime, envelope: str) -> dict[str, Any]:
    first, second = (*job.lanes, None, None)[:2]
    return {
        "practice_id": job.practice_id,
        "kind": job.kind.value,
        "queue": job.queue,
        "lane": first,
        "lane2": second if second != first else None,
        "priority": job.priority,
        "run_at": job.run_at or now,
        "state": JobState.READY.value,
        "attempt": 0,
        "max_attempts": job.max_attempts,
        "unique_key": job.unique_key,
        "args": dict(job.args),
        "error_code": "",
        "error_text": "",
        "created_at": now,
        "envelope": envelope,
    }


def sign_waiting(session: ScopedSession) -> None:
    """Sign jobs that were added before jobs were signed, as the hub's own; once, at the upgrade."""
    envelope = envelope_of(session)
    unsigned = select(JobRow).where(JobRow.envelope == "", JobRow.state != JobState.DONE)
    for row in session.scalars(unsigned):
        row.envelope = session.envelopes.seal(envelope, row.kind, row.practice_id, row.args)


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


def finish_held(
    session: ScopedSession, jobs: Sequence[ClaimedJob], *, now: datetime
) -> list[ClaimedJob]:
    """Mark those jobs done that this worker still holds; returns the others, of which nothing is
    written. For jobs without effects of their own."""
    return send_finish(session, jobs, now=now)()


def send_finish(
    session: ScopedSession, jobs: Sequence[ClaimedJob], *, now: datetime
) -> Callable[[], list[ClaimedJob]]:
    """Like `finish_held`, whose result is asked for when a pipeline is over."""
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


def cancel(session: ScopedSession, job_id: int, *, now: datetime) -> bool:
    """Cancel a ready job, or ask a running one to stop; False if it is over already."""
    # Locked first: where another transaction is about to end or give back the job, what it was
    # before fits neither of the updates, and PostgreSQL would not wait for what it will be.
    locked = select(JobRow.state).where(JobRow.id == job_id).with_for_update()
    state = session.scalar(locked)
    mine = update(JobRow).where(JobRow.id == job_id)
    if state == JobState.READY:
        session.execute(mine.values(state=JobState.CANCELLED, done_at=now))
        row = session.get_one(JobRow, job_id)
        lane_rows.make_due(session, filter(None, (row.lane, row.lane2)), now)
    elif state == JobState.RUNNING:
        session.execute(mine.values(cancel_at=now))
    return state in {JobState.READY, JobState.RUNNING}


def ask_to_stop(
    session: ScopedSession, unique_key: str, *, now: datetime
) -> tuple[int | None, bool]:
    """Cancel the live job of a key: its id (None without one), and whether it runs and stops at its
    next check; one that did not run is cancelled at once."""
    live = session.scalar(select(JobRow.id).where(JobRow.unique_key == unique_key, LIVE))
    if live is None or not cancel(session, live, now=now):
        return live, False
    state = select(JobRow.state).where(JobRow.id == live)
    return live, session.scalar(state) == JobState.RUNNING


def retry_dead(session: ScopedSession, job_id: int, *, now: datetime) -> bool:
    """Make a dead job ready again under the same id, so that its key and its place in the lane
    hold. False if it is not dead, or a live job of its unique key does the work already."""
    job = session.scalar(
        select(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.DEAD).with_for_update()
    )
    if job is None:
        return False
    if job.unique_key is not None and session.scalar(
        select(JobRow.id).where(JobRow.unique_key == job.unique_key, LIVE)
    ):
        return False
    due = dict.fromkeys(filter(None, (job.lane, job.lane2)), now)
    lane_rows.touch(session, due, queue=job.queue)
    job.state, job.attempt, job.run_at = JobState.READY, 0, now
    job.done_at = job.cancel_at = None
    session.flush()
    lane_rows.make_due(session, due, now)
    return True


def wake(session: ScopedSession, code: str, *, now: datetime) -> int:
    """Make jobs that wait after the error `code` due now, in the order of their ids; returns how
    many."""
    waiting = (READY, JobRow.error_code == code)
    lanes = {
        key
        for pair in session.execute(select(JobRow.lane, JobRow.lane2).where(*waiting))
        for key in pair
        if key is not None
    }
    woken = _affected(session, update(JobRow).where(*waiting).values(run_at=now))
    lane_rows.make_due(session, lanes, now)
    return woken


def hasten(
    session: ScopedSession, unique_key: str, *, now: datetime, code: str | None = None
) -> None:
    """Make the ready job of a unique key due now, if there is one; with `code` only one that waits
    after that error."""
    found = select(JobRow).where(READY, JobRow.unique_key == unique_key)
    if code is not None:
        found = found.where(JobRow.error_code == code)
    job = session.scalar(found.with_for_update())
    if job is not None:
        job.run_at = now
        session.flush()
        lane_rows.make_due(session, filter(None, (job.lane, job.lane2)), now)


def set_progress(session: ScopedSession, job: ClaimedJob, progress: Mapping[str, Any]) -> None:
    """Publish progress of a running job, outside its effects."""
    session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.token == job.token)
        .values(progress=dict(progress))
    )


def counts(session: ScopedSession) -> dict[str, int]:
    """Jobs by state."""
    rows = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
    return {state: number for state, number in rows}  # noqa: C416 - rows are no tuples to mypy


def due_count(session: ScopedSession, *, now: datetime) -> int:
    """Jobs running or due now: zero means the queue is idle until the next retry or schedule."""
    statement = select(func.count()).where(
        or_(
            JobRow.state == JobState.RUNNING,
            (JobRow.state == JobState.READY) & (JobRow.run_at <= now),
        )
    )
    return session.scalar(statement) or 0


def _affected(session: ScopedSession, statement: Update) -> int:
    result = cast("CursorResult[Any]", session.execute(statement))
    return result.rowcount
