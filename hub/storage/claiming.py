"""Claiming: which due jobs a worker takes next, and the rows that say so."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Select, bindparam, select, update

from hub import log
from hub.domain.jobs import Job, JobState
from hub.storage import lanes as lane_rows
from hub.storage.lanes import JOBS, LANES, READY, lanes_of
from hub.storage.queue import DEFAULT_QUEUE, ClaimedJob
from hub.storage.session import ScopedSession
from hub.storage.tables import new_id

logger = log.get(__name__)

LANE_BUSY_DELAY = timedelta(milliseconds=100)
UNKNOWN_KIND_DELAY = timedelta(seconds=30)
_KINDS = frozenset(Job)


@dataclass(slots=True)
class _Claim:
    """One round of claiming: what was taken and the rows to be written for it at the end."""

    lease_until: datetime
    now: datetime
    jobs: list[ClaimedJob] = field(default_factory=list)
    lanes: dict[str, dict[str, Any]] = field(default_factory=dict)
    postponed: list[int] = field(default_factory=list)

    def take(self, row: Any) -> None:
        lanes = lanes_of(row)
        job = ClaimedJob(
            row.id,
            Job(row.kind),
            new_id(),
            row.practice_id,
            row.args,
            row.attempt + 1,
            row.max_attempts,
            self.lease_until,
            lanes,
        )
        self.jobs.append(job)
        for lane in lanes:
            self.lanes[lane] = {"lane": lane, "due": None, "holder": job.token}

    def wait(self, lane: str, until: datetime | None) -> None:
        self.lanes[lane] = {"lane": lane, "due": until, "holder": None}

    def postpone(self, row: Any) -> None:
        """A job of a kind this version does not know: newer code may be running elsewhere."""
        logger.warning("job of an unknown kind waits", job_id=row.id)
        self.postponed.append(row.id)


def claim(
    session: ScopedSession,
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    queue: str = DEFAULT_QUEUE,
    long: Collection[Job] = (),
    long_limit: int = 0,
) -> list[ClaimedJob]:
    """Lease up to `limit` due jobs. Jobs without a lane get half of the places at most while heads
    of lanes are due, so that neither starves the other; of the `long` kinds at most `long_limit`.
    """
    round_ = _Claim(now + lease, now)
    if long and long_limit > 0:
        _take_free(session, round_, _LONG, min(long_limit, limit), queue, long)
    half = (limit + random.getrandbits(1)) // 2
    _take_free(session, round_, _SHORT, min(half, limit - len(round_.jobs)), queue, long)
    may_be_more = len(round_.jobs) >= half
    _take_lanes(session, round_, queue, limit - len(round_.jobs))
    _write_claim(session, round_)
    room = limit - len(round_.jobs)
    if may_be_more and room > 0:
        rest = _Claim(now + lease, now)
        _take_free(session, rest, _SHORT, room, queue, long)
        _write_claim(session, rest)
        return round_.jobs + rest.jobs
    return round_.jobs


_COLUMNS = (
    JOBS.c.id,
    JOBS.c.kind,
    JOBS.c.practice_id,
    JOBS.c.args,
    JOBS.c.attempt,
    JOBS.c.max_attempts,
    JOBS.c.run_at,
    JOBS.c.lane,
    JOBS.c.lane2,
)


_IS_LONG = JOBS.c.kind.in_(bindparam("long", expanding=True))
_FREE = (
    select(*_COLUMNS)
    .where(
        JOBS.c.queue == bindparam("queue"),
        READY,
        JOBS.c.lane.is_(None),
        JOBS.c.run_at <= bindparam("now"),
    )
    .order_by(JOBS.c.priority, JOBS.c.run_at, JOBS.c.id)
    .limit(bindparam("room", type_=Integer))
    .with_for_update(skip_locked=True)
)
_LONG = _FREE.where(_IS_LONG)
_SHORT = _FREE.where(~_IS_LONG)


def _take_free(
    session: ScopedSession,
    round_: _Claim,
    due: Select[Any],
    limit: int,
    queue: str,
    long: Collection[Job],
) -> None:
    if limit <= 0:
        return
    parameters = {"queue": queue, "now": round_.now, "room": limit, "long": sorted(long)}
    for row in session.connection().execute(due, parameters).all():
        if row.kind in _KINDS:
            round_.take(row)
        else:
            round_.postpone(row)


_DUE_LANES = (
    select(LANES.c.key)
    .where(LANES.c.queue == bindparam("queue"), LANES.c.ready_at <= bindparam("now"))
    .order_by(LANES.c.ready_at)
    .limit(bindparam("room", type_=Integer))
    .with_for_update(skip_locked=True)
)
_READY_HEADS = (
    select(*_COLUMNS)
    .where(JOBS.c.id.in_(bindparam("heads", expanding=True)), READY)
    .with_for_update(skip_locked=True)
)


def _take_lanes(session: ScopedSession, round_: _Claim, queue: str, limit: int) -> None:
    if limit <= 0:
        return
    connection, now = session.connection(), round_.now
    room = {"queue": queue, "now": now, "room": limit}
    keys = list(connection.execute(_DUE_LANES, room).scalars())
    heads = lane_rows.heads(session, keys) if keys else {}
    wanted = {"heads": sorted(set(heads.values()))}
    jobs = {row.id: row for row in connection.execute(_READY_HEADS, wanted)} if heads else {}
    for key in keys:
        if key in round_.lanes:  # taken a moment ago as the second lane of another job
            continue
        head = jobs.get(heads.get(key, 0))
        if key not in heads:
            round_.wait(key, None)
        elif head is None or not _holds_all(session, round_, head, key):
            round_.wait(key, now + LANE_BUSY_DELAY)
        elif head.run_at > now:
            round_.wait(key, head.run_at)
        elif head.kind not in _KINDS:
            round_.postpone(head)
            round_.wait(key, now + UNKNOWN_KIND_DELAY)
        else:
            round_.take(head)


def _holds_all(session: ScopedSession, round_: _Claim, head: Any, leased: str) -> bool:
    """Lock the other lane the job needs; False if it is busy or the job does not head it."""
    for key in lanes_of(head):
        if key == leased:
            continue
        if key in round_.lanes and round_.lanes[key]["holder"] is not None:
            return False
        free = select(LANES.c.key).where(LANES.c.key == key, LANES.c.token.is_(None))
        if session.connection().execute(free.with_for_update(skip_locked=True)).first() is None:
            return False
        if lane_rows.heads(session, [key]).get(key) != head.id:
            return False
    return True


_LEASE = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"))
    .values(
        state=JobState.RUNNING.value,
        token=bindparam("holder"),
        lease_until=bindparam("until"),
        attempt=JOBS.c.attempt + 1,
    )
)
_SET_LANE = (
    update(LANES)
    .where(LANES.c.key == bindparam("lane"))
    .values(ready_at=bindparam("due"), token=bindparam("holder"))
)


def _write_claim(session: ScopedSession, round_: _Claim) -> None:
    connection = session.connection()
    if round_.jobs:
        until = round_.lease_until
        connection.execute(
            _LEASE, [{"job": job.id, "holder": job.token, "until": until} for job in round_.jobs]
        )
    if round_.lanes:
        connection.execute(_SET_LANE, list(round_.lanes.values()))
    if round_.postponed:
        later = update(JOBS).where(JOBS.c.id.in_(round_.postponed))
        connection.execute(later.values(run_at=round_.now + UNKNOWN_KIND_DELAY))
