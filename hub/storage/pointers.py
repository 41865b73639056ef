"""Jobs sent by pointer: claimed by a dispatcher, begun by whichever worker takes the pointer first.

A pointer is worth nothing by itself. It may be lost, arrive twice or arrive late: only the first
one that names the row's present token begins it, and what nobody began is free again when its
lease ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update

from hub.domain.jobs import Job
from hub.errors import LeaseLost
from hub.storage import lanes as lane_rows
from hub.storage.finishing import again
from hub.storage.lanes import JOBS, RUNNING, lanes_of
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession

_UNBEGUN = RUNNING & JOBS.c.begun_at.is_(None)


def begin(
    session: ScopedSession,
    kind: Job,
    pointers: Mapping[str, int],
    followers: Iterable[str],
    *,
    lease: timedelta,
    now: datetime,
) -> list[ClaimedJob]:
    """Count an attempt of each job and hold it for `lease`, in the order of `pointers` (token to
    job id); `followers` are the tokens of jobs that run behind the head of their lane.

    Raises LeaseLost, nothing begun, unless all of them wait to be begun and are of that kind.
    """
    behind = frozenset(followers)
    until = now + lease
    began = (
        update(JOBS)
        .where(
            JOBS.c.id.in_(pointers.values()),
            JOBS.c.token.in_(pointers),
            JOBS.c.kind == kind.value,
            _UNBEGUN,
        )
        .values(attempt=JOBS.c.attempt + 1, begun_at=now, lease_until=until)
        .returning(JOBS)
    )
    rows = {row.token: row for row in session.connection().execute(began)}
    if len(rows) != len(pointers):
        raise LeaseLost("This pointer is stale, or another worker came first.")
    return [
        ClaimedJob(
            row.id,
            kind,
            token,
            row.practice_id,
            row.args,
            row.attempt,
            row.max_attempts,
            until,
            () if token in behind else lanes_of(row),
            token in behind,
            row.envelope,
        )
        for token, row in ((token, rows[token]) for token in pointers)
    ]


def waiting(session: ScopedSession, jobs: Sequence[ClaimedJob]) -> set[str]:
    """The tokens of those `jobs` that nobody has begun."""
    if not jobs:
        return set()
    found = select(JOBS.c.token).where(
        JOBS.c.id.in_([job.id for job in jobs]),
        JOBS.c.token.in_([job.token for job in jobs]),
        _UNBEGUN,
    )
    return set(session.connection().scalars(found))


def withdraw(session: ScopedSession, jobs: Sequence[ClaimedJob], *, now: datetime) -> int:
    """Make those `jobs` ready again that nobody has begun; returns how many. Their pointers are
    stale from then on."""
    if not jobs:
        return 0
    free = (
        update(JOBS)
        .where(
            JOBS.c.id.in_([job.id for job in jobs]),
            JOBS.c.token.in_([job.token for job in jobs]),
            _UNBEGUN,
        )
        .values(token=None, lease_until=None, **again(now))
        .returning(JOBS.c.id)
    )
    freed = set(session.connection().scalars(free))
    held = ((lane, job.token) for job in jobs if job.id in freed for lane in job.lanes)
    lane_rows.release(session, held, now)
    return len(freed)
