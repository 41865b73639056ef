"""The durable queue: job rows, leases, lanes and schedules.

A job is a row written in the transaction that made it necessary. A worker claims it with a token
and a lease; its effects and ``done`` are one transaction, fenced by the token, so that a worker
that lost its lease changes nothing. Jobs of one lane run one after another in the order of their
ids; a job with two lanes (a patient merge) runs only as the head of both.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Update, delete, func, or_, select, update

from hub.domain.jobs import Job, JobState
from hub.errors import LeaseLost
from hub.storage.session import ScopedSession
from hub.storage.tables import JobRow, Lane, new_id
from hub.storage.upsert import insert_or_update

LIVE = (JobState.READY, JobState.RUNNING)
DEFAULT_QUEUE = "default"
LANE_BUSY_DELAY = timedelta(milliseconds=100)
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

    `lanes` are at most two order keys (already digests where made from identifiers). With
    `unique_key` a ready or running job of the same key is returned instead of a second one.
    """
    if unique_key is not None:
        existing = session.scalar(
            select(JobRow.id).where(JobRow.unique_key == unique_key, JobRow.state.in_(LIVE))
        )
        if existing is not None:
            return existing
    due = run_at or now
    for lane in sorted(set(lanes)):
        # Touching the lane first locks its row: ids follow commit order within a lane.
        insert_or_update(
            session,
            Lane,
            {"key": lane, "queue": queue, "ready_at": due},
            key=["key"],
            update={"ready_at": due},
            where=Lane.ready_at.is_(None) & Lane.token.is_(None),
        )
    row = JobRow(
        practice_id=practice_id,
        kind=kind,
        queue=queue,
        lane=lanes[0] if lanes else None,
        lane2=lanes[1] if len(lanes) > 1 and lanes[1] != lanes[0] else None,
        priority=priority,
        run_at=due,
        state=JobState.READY,
        max_attempts=max_attempts,
        unique_key=unique_key,
        args=dict(args),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def claim(
    session: ScopedSession,
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    queue: str = DEFAULT_QUEUE,
) -> list[ClaimedJob]:
    """Lease up to `limit` due jobs: heads of due lanes first, then jobs without a lane."""
    claimed = _claim_lanes(session, limit, lease, now, queue)
    room = limit - len(claimed)
    if room > 0:
        free = session.scalars(
            select(JobRow)
            .where(
                JobRow.queue == queue,
                JobRow.state == JobState.READY,
                JobRow.lane.is_(None),
                JobRow.run_at <= now,
            )
            .order_by(JobRow.priority, JobRow.run_at, JobRow.id)
            .limit(room)
            .with_for_update(skip_locked=True)
        ).all()
        claimed.extend(_lease_job(job, lease, now) for job in free)
    session.flush()
    return claimed


def _claim_lanes(
    session: ScopedSession, limit: int, lease: timedelta, now: datetime, queue: str
) -> list[ClaimedJob]:
    lanes = session.scalars(
        select(Lane)
        .where(Lane.queue == queue, Lane.ready_at <= now)
        .order_by(Lane.ready_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    claimed: list[ClaimedJob] = []
    for lane in lanes:
        if lane.ready_at is None:  # leased a moment ago as the second lane of another job
            continue
        head = lane_head(session, lane.key)
        if head is None:
            lane.ready_at = None
        elif head.run_at > now:
            lane.ready_at = head.run_at
        elif (held := _hold_lanes(session, head, lane, now)) is None:
            lane.ready_at = now + LANE_BUSY_DELAY
        else:
            job = _lease_job(head, lease, now)
            for each in held:
                each.ready_at, each.token, each.lease_until = None, job.token, job.lease_until
            claimed.append(job)
        session.flush()
    return claimed


def lane_head(session: ScopedSession, key: str) -> JobRow | None:
    """The oldest live job of a lane."""
    return session.scalar(
        select(JobRow)
        .where(or_(JobRow.lane == key, JobRow.lane2 == key), JobRow.state.in_(LIVE))
        .order_by(JobRow.id)
        .limit(1)
    )


def _hold_lanes(
    session: ScopedSession, head: JobRow, lane: Lane, now: datetime
) -> list[Lane] | None:
    """The lanes the job needs, if all are free and it heads each; None if it must wait."""
    if head.state != JobState.READY:
        return None
    held = [lane]
    for key in (head.lane, head.lane2):
        if key is None or key == lane.key:
            continue
        other = session.scalar(
            select(Lane).where(Lane.key == key).with_for_update(skip_locked=True)
        )
        if other is None or other.token is not None:
            return None
        first = lane_head(session, key)
        if first is None or first.id != head.id:
            return None
        held.append(other)
    return held


def _lease_job(job: JobRow, lease: timedelta, now: datetime) -> ClaimedJob:
    job.state = JobState.RUNNING
    job.token = new_id()
    job.lease_until = now + lease
    job.attempt += 1
    return ClaimedJob(
        job.id,
        Job(job.kind),
        job.token,
        job.practice_id,
        job.args,
        job.attempt,
        job.max_attempts,
        job.lease_until,
    )


def heartbeat(
    session: ScopedSession, tokens: Sequence[str], *, lease: timedelta, now: datetime
) -> set[str]:
    """Extend the leases of `tokens`; returns those whose job was asked to stop."""
    if not tokens:
        return set()
    for table in (JobRow, Lane):
        session.execute(
            update(table).where(table.token.in_(tokens)).values(lease_until=now + lease)
        )
    return set(
        session.scalars(
            select(JobRow.token).where(JobRow.token.in_(tokens), JobRow.cancel_at.is_not(None))
        )
    ) - {None}  # type: ignore[return-value]


def finish(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> None:
    """Mark the job done in the transaction of its effects; LeaseLost rolls all of it back."""
    _settle(
        session, job, {"state": JobState.DONE, "done_at": now, "error_code": "", "error_text": ""}
    )
    _release_lanes(session, job.token, now)


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
    used up. `counts=False` gives the attempt back (a rate limit is nobody's fault)."""
    again = retry_at is not None and (not counts or job.attempt < job.max_attempts)
    state = JobState.READY if again else JobState.DEAD
    values: dict[str, Any] = {"state": state, "error_code": code, "error_text": text}
    if again:
        values["run_at"] = retry_at
        values["attempt"] = job.attempt if counts else job.attempt - 1
    else:
        values["done_at"] = now
    _settle(session, job, values)
    _release_lanes(session, job.token, now)
    return state


def end_cancelled(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> None:
    """A running job stopped because it was asked to."""
    _settle(session, job, {"state": JobState.CANCELLED, "done_at": now})
    _release_lanes(session, job.token, now)


def release(session: ScopedSession, job: ClaimedJob, *, now: datetime) -> None:
    """Give back a job that was claimed and not begun (shutdown); costs no attempt."""
    _settle(session, job, {"state": JobState.READY, "attempt": job.attempt - 1})
    _release_lanes(session, job.token, now)


def _settle(session: ScopedSession, job: ClaimedJob, values: Mapping[str, Any]) -> None:
    statement = (
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.token == job.token, JobRow.state == JobState.RUNNING)
        .values(token=None, lease_until=None, **values)
    )
    if _affected(session, statement) != 1:
        raise LeaseLost("Another worker holds this job now.")


def _release_lanes(session: ScopedSession, token: str, now: datetime) -> None:
    """Free the lanes of a token, then look for more work in a new statement: read in the same one,
    PostgreSQL would miss a job inserted while it waited for the lane's lock."""
    lanes = session.scalars(
        select(Lane).where(Lane.token == token).order_by(Lane.key).with_for_update()
    ).all()
    for lane in lanes:
        lane.token, lane.lease_until = None, None
    session.flush()
    for lane in lanes:
        head = lane_head(session, lane.key)
        lane.ready_at = None if head is None else max(head.run_at, now)
    session.flush()


def rescue(session: ScopedSession, *, now: datetime) -> int:
    """Free jobs whose lease ran out: ready again, or dead when the attempts are used up."""
    expired = session.scalars(
        select(JobRow)
        .where(JobRow.state == JobState.RUNNING, JobRow.lease_until < now)
        .with_for_update(skip_locked=True)
    ).all()
    for job in expired:
        token = job.token
        dead = job.attempt >= job.max_attempts
        job.state = JobState.DEAD if dead else JobState.READY
        if dead:
            job.done_at, job.error_code = now, "worker_lost"
            job.error_text = "The worker died or hung on every attempt."
        job.token = job.lease_until = None
        session.flush()
        if token is not None:
            _release_lanes(session, token, now)
    return len(expired)


def retry_at(attempt: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again: full jitter over a doubling window, or the vendor's Retry-After if
    later."""
    window = min(RETRY_CAP, RETRY_BASE * 2 ** max(0, min(attempt, 20) - 1))
    delay = timedelta(seconds=1 + random.uniform(0, window.total_seconds()))  # noqa: S311 - jitter
    return now + max(delay, timedelta(seconds=retry_after or 0))


def cancel(session: ScopedSession, job_id: int, *, now: datetime) -> bool:
    """Cancel a ready job, or ask a running one to stop; False if it is over already."""
    ready = update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.READY)
    if _affected(session, ready.values(state=JobState.CANCELLED, done_at=now)) == 1:
        return True
    running = update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.RUNNING)
    return _affected(session, running.values(cancel_at=now)) == 1


def retry_dead(session: ScopedSession, job_id: int, *, now: datetime) -> bool:
    """Make a dead job ready again under the same id, so that its key and its place in the lane
    hold."""
    job = session.scalar(
        select(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.DEAD).with_for_update()
    )
    if job is None:
        return False
    job.state, job.attempt, job.run_at, job.done_at = JobState.READY, 0, now, None
    for key in sorted(filter(None, (job.lane, job.lane2))):
        insert_or_update(
            session,
            Lane,
            {"key": key, "queue": job.queue, "ready_at": now},
            key=["key"],
            update={"ready_at": now},
            where=Lane.token.is_(None),
        )
    session.flush()
    return True


def wake(session: ScopedSession, code: str, *, now: datetime) -> int:
    """Make jobs that wait after the error `code` due now, in the order of their ids; returns how
    many."""
    waiting = (JobRow.state == JobState.READY, JobRow.error_code == code)
    lanes = {
        key
        for pair in session.execute(select(JobRow.lane, JobRow.lane2).where(*waiting))
        for key in pair
        if key is not None
    }
    woken = _affected(session, update(JobRow).where(*waiting).values(run_at=now))
    for key in sorted(lanes):
        session.execute(
            update(Lane).where(Lane.key == key, Lane.token.is_(None)).values(ready_at=now)
        )
    return woken


def set_progress(session: ScopedSession, job: ClaimedJob, progress: Mapping[str, Any]) -> None:
    """Publish progress of a running job, outside its effects."""
    session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.token == job.token)
        .values(progress=dict(progress))
    )


def prune(session: ScopedSession, *, before: datetime) -> None:
    """Delete finished jobs older than `before` and lanes nothing waits in."""
    over = (JobState.DONE, JobState.CANCELLED)
    session.execute(delete(JobRow).where(JobRow.state.in_(over), JobRow.done_at < before))
    session.execute(delete(Lane).where(Lane.ready_at.is_(None), Lane.token.is_(None)))


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
