"""The durable queue: job rows, leases, lanes and schedules.

A job is a row written in the transaction that made it necessary. A worker claims it (`claiming`)
with a token and a lease and ends it (`finishing`). Jobs of one lane run one after another in the
order of their ids; a job with two lanes (a patient merge) runs only as the head of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    Update,
    bindparam,
    func,
    or_,
    select,
    update,
)

from hub import tracing
from hub.domain.agreements import PrincipalKind
from hub.domain.jobs import Job, JobState
from hub.storage import bulk, policy
from hub.storage import lanes as lane_rows
from hub.storage.envelopes import Envelope
from hub.storage.lanes import DEAD, FINISHED, JOBS, LIVE, READY
from hub.storage.session import ScopedSession
from hub.storage.tables import JobRow

DEFAULT_QUEUE = "default"
SENDING_QUEUE = "sending"
"""Jobs that wait for other systems' answers have threads of their own, so that a receiver that is
slow to answer never holds up what arrives."""


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


def of_keys(session: ScopedSession, keys: Sequence[str], *, added_at: datetime) -> list[JobRow]:
    """The jobs of some unique keys in the order they were added, the first of them at `added_at`:
    those that wait, run or are dead, and of those that are over the ones added then. An index by
    key holds live jobs alone, since each more would be written with every job that ends."""
    mine = select(JobRow).where(JobRow.unique_key.in_(keys))
    found = [
        *session.scalars(mine.where(LIVE)),
        *session.scalars(mine.where(DEAD, JobRow.created_at >= added_at)),
        *session.scalars(mine.where(FINISHED, JobRow.created_at == added_at)),
    ]
    return sorted(found, key=lambda job: job.id)


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
