"""Keeping leases alive, freeing those of dead workers, and deleting what is long over."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from hub.domain.jobs import JobState
from hub.errors import Halted
from hub.storage import lanes as lane_rows
from hub.storage.finishing import again
from hub.storage.lanes import FINISHED, JOBS, LANES, RUNNING, lanes_of
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession

RESCUE_LIMIT = 500
PRUNE_LIMIT = 5_000
APART_SECONDS = 5.0
"""Over which jobs of a lost worker come back, for each attempt after the first: far longer than one
of them runs, also where the machine is busy."""
MOST_APART_SECONDS = 30.0


def heartbeat(
    session: ScopedSession, jobs: Iterable[ClaimedJob], *, lease: timedelta, now: datetime
) -> set[str]:
    """Extend the leases of `jobs`; returns the tokens of those that were asked to stop."""
    held = sorted(jobs, key=lambda job: job.id)
    if not held:
        return set()
    mine = JOBS.c.id.in_([job.id for job in held]) & JOBS.c.token.in_([job.token for job in held])
    connection = session.connection()
    connection.execute(update(JOBS).where(mine).values(lease_until=now + lease))
    asked = select(JOBS.c.token).where(mine, JOBS.c.cancel_at.is_not(None))
    return {str(token) for token in connection.scalars(asked)}


CANCELLED = "The job was cancelled."
LOST = "The worker died or hung on every attempt."
LOST_CODE = "worker_lost"

_HELD = (
    JOBS.c.id,
    JOBS.c.kind,
    JOBS.c.args,
    JOBS.c.cancel_at,
    JOBS.c.token,
    JOBS.c.attempt,
    JOBS.c.max_attempts,
    JOBS.c.lane,
    JOBS.c.lane2,
)


@dataclass(frozen=True, slots=True)
class Rescued:
    """A job taken from a worker that died or hung, and what it is now; `over` says why it is not
    tried again soon, if so."""

    id: int
    kind: str
    args: Mapping[str, Any]
    attempt: int
    state: JobState
    over: str


def _never(kind: str, args: Mapping[str, Any]) -> datetime | None:
    """No job holds its lane."""
    return None


def rescue(
    session: ScopedSession,
    *,
    now: datetime,
    held_until: Callable[[str, Mapping[str, Any]], datetime | None] = _never,
) -> list[Rescued]:
    """Free jobs whose lease ran out: ready again, cancelled where that was asked for, or dead when
    the attempts are used up. Where `held_until` names a moment for one in a lane, that one stays
    at the head of its lane instead of being dead, and looks again then.

    Those that lost a worker before come back each at a moment of its own, so that the one that ends
    its worker does not meet the same neighbours every time.
    """
    connection = session.connection()
    expired = (
        select(*_HELD)
        .where(RUNNING, JOBS.c.lease_until < now)
        .order_by(JOBS.c.lease_until)
        .limit(RESCUE_LIMIT)
    )
    jobs = connection.execute(expired.with_for_update(skip_locked=True)).all()
    held: list[tuple[str, str]] = []
    rescued = []
    for job in jobs:
        until = None
        if job.attempt >= job.max_attempts and job.lane and job.cancel_at is None:
            until = held_until(job.kind, job.args)
        values, over = _after_loss(job, now, until)
        freed = update(JOBS).where(JOBS.c.id == job.id).returning(JOBS.c.state)
        state = connection.execute(
            freed.values(token=None, lease_until=None, **values)
        ).scalar_one()
        held += [(lane, job.token) for lane in lanes_of(job)]
        rescued.append(Rescued(job.id, job.kind, job.args, job.attempt, JobState(state), over))
    lane_rows.release(session, held, now)
    return rescued


def _after_loss(job: Any, now: datetime, until: datetime | None) -> tuple[dict[str, Any], str]:
    """What is written of a job whose worker is lost, and why it is over, if it is."""
    values = again(now)
    if job.attempt >= job.max_attempts:
        values |= {"error_code": LOST_CODE, "error_text": LOST}
        if until is None:
            return values | {"state": JobState.DEAD.value, "done_at": now}, LOST
        waits = {"error_code": Halted.code, "run_at": until, "attempt": job.attempt - 1}
        return values | waits, LOST
    if job.attempt > 1:
        spread = min(APART_SECONDS * (job.attempt - 1), MOST_APART_SECONDS)
        values["run_at"] = now + timedelta(seconds=random.uniform(0, spread))  # noqa: S311
    return values, "" if job.cancel_at is None else CANCELLED


def prune(session: ScopedSession, *, before: datetime) -> int:
    """Delete some of the jobs finished before a moment and of the lanes nothing waits in; returns
    how many rows. A few thousand at a time: whoever is arriving does not wait for long."""
    finished = select(JOBS.c.id).where(
        FINISHED, JOBS.c.created_at < before, JOBS.c.done_at < before
    )
    idle = select(LANES.c.key).where(LANES.c.ready_at.is_(None), LANES.c.token.is_(None))
    jobs = finished.order_by(JOBS.c.created_at, JOBS.c.id).limit(PRUNE_LIMIT)
    lanes = idle.order_by(LANES.c.key).limit(PRUNE_LIMIT).with_for_update(skip_locked=True)
    connection = session.connection()
    gone = [delete(JOBS).where(JOBS.c.id.in_(jobs)), delete(LANES).where(LANES.c.key.in_(lanes))]
    return sum(connection.execute(statement).rowcount for statement in gone)
