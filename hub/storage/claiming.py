"""Claiming: which due jobs a worker takes next, and the rows that say so."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select, update

from hub import log
from hub.domain.jobs import Job, JobState
from hub.storage import bulk
from hub.storage import lanes as lane_rows
from hub.storage.lanes import JOBS, LANES, LIVE, READY, lanes_of
from hub.storage.queue import DEFAULT_QUEUE, ClaimedJob
from hub.storage.session import ScopedSession
from hub.storage.tables import new_id
from hub.storage.upsert import dialect_of

logger = log.get(__name__)

LANE_BUSY_DELAY = timedelta(milliseconds=100)
UNKNOWN_KIND_DELAY = timedelta(seconds=30)
MOST_OF_A_LANE = 16
"""Jobs of one lane that are run in one transaction."""
_KINDS = frozenset(Job)


@dataclass(slots=True)
class _Claim:
    """One round of claiming: what was taken and the rows to be written for it at the end."""

    lease_until: datetime
    now: datetime
    begun: datetime | None
    together: frozenset[str] = frozenset()
    in_lane: frozenset[str] = frozenset()
    jobs: list[ClaimedJob] = field(default_factory=list)
    lanes: dict[str, dict[str, Any]] = field(default_factory=dict)
    postponed: list[int] = field(default_factory=list)
    alone: int = 0
    """How many were taken that are run by themselves."""

    def take(self, row: Any, *, follows: bool = False) -> None:
        lanes = () if follows else lanes_of(row)
        self.alone += not self.runs_together(row) and not follows
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
            follows,
            row.envelope,
        )
        self.jobs.append(job)
        for lane in lanes:
            self.lanes[lane] = {"lane": lane, "due": None, "holder": job.token}

    def runs_together(self, row: Any) -> bool:
        """What was tried before runs by itself: it may be what ended the others' transaction."""
        return row.kind in self.together and row.attempt == 0

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
    together: Collection[Job] = (),
    together_limit: int = 0,
    begin: bool = True,
    in_lane: Collection[Job] = (),
) -> list[ClaimedJob]:
    """Lease up to `limit` due jobs. Jobs without a lane get half of the places at most while heads
    of lanes are due, so that neither starves the other; of the `long` kinds at most `long_limit`.

    Of the kinds `together`, which are run many in a transaction, up to `together_limit` are taken,
    and behind the head of a lane those that may follow it, which may be a few more. Of the kinds
    `in_lane` each head counts against `limit`, with those that follow it.

    Without `begin` no attempt is counted yet: whoever gets the pointer calls `pointers.begin`.
    """
    begun = now if begin else None
    round_ = _Claim(now + lease, now, begun, frozenset(together), frozenset(in_lane))
    if long and long_limit > 0:
        _take_free(session, round_, _LONG, min(long_limit, limit), limit, queue, long)
    odd, most = random.getrandbits(1), max(limit, together_limit)
    half = (most + odd) // 2
    room = min(half, most - len(round_.jobs))
    _take_free(session, round_, _SHORT, room, (limit + odd) // 2, queue, long)
    may_be_more = len(round_.jobs) >= min(half, (limit + odd) // 2)
    _take_lanes(session, round_, queue, most - len(round_.jobs), limit)
    _write_claim(session, round_)
    room = most - len(round_.jobs)
    if may_be_more and room > 0:
        rest = _Claim(now + lease, now, begun, round_.together, alone=round_.alone)
        _take_free(session, rest, _SHORT, room, limit, queue, long)
        _write_claim(session, rest)
        return round_.jobs + rest.jobs
    return round_.jobs


_COLUMNS = (
    JOBS.c.id,
    JOBS.c.kind,
    JOBS.c.practice_id,
    JOBS.c.args,
    JOBS.c.envelope,
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
    room: int,
    alone: int,
    queue: str,
    long: Collection[Job],
) -> None:
    """Take up to `room` jobs without a lane, until `alone` are taken that run by themselves."""
    if room <= 0:
        return
    parameters = {"queue": queue, "now": round_.now, "room": room, "long": sorted(long)}
    for row in session.connection().execute(due, parameters).all():
        if row.kind not in _KINDS:
            round_.postpone(row)
        elif round_.runs_together(row) or round_.alone < alone:
            round_.take(row)


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


def _take_lanes(session: ScopedSession, round_: _Claim, queue: str, room: int, alone: int) -> None:
    if room <= 0:
        return
    connection, now = session.connection(), round_.now
    keys = list(
        connection.execute(_DUE_LANES, {"queue": queue, "now": now, "room": room}).scalars()
    )
    heads = lane_rows.heads(session, keys) if keys else {}
    wanted = {"heads": sorted(set(heads.values()))}
    jobs = {row.id: row for row in connection.execute(_READY_HEADS, wanted)} if heads else {}
    several = round_.together | round_.in_lane
    followed = _followed(session, [row for row in jobs.values() if row.kind in several])
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
        elif round_.runs_together(head) or round_.alone < alone:
            round_.take(head)
            if head.id in followed:
                _take_followers(session, round_, head)


_FOLLOWERS = (
    select(*_COLUMNS, JOBS.c.state)
    .where(JOBS.c.lane == bindparam("lane"), LIVE, JOBS.c.id > bindparam("head"))
    .order_by(JOBS.c.id)
    .limit(MOST_OF_A_LANE - 1)
    .with_for_update()
)
_SECOND = select(func.min(JOBS.c.id)).where(JOBS.c.lane2 == bindparam("lane"), LIVE)


def _followed(session: ScopedSession, heads: Sequence[Any]) -> set[int]:
    """Those of `heads` behind which another job waits, as few do."""
    rows = [{"id": head.id, "lane": head.lane} for head in heads if head.lane is not None]
    if not rows:
        return set()
    found = bulk.run(session, _following(dialect_of(session)), [bulk.as_json(session, rows)])
    return {head_id for (head_id,) in found.fetchall()}


@cache
def _following(dialect: str) -> str:
    heads = bulk.given(dialect, "heads", {"id": "bigint", "lane": "text"})
    return f"""
        SELECT heads.id FROM {heads} WHERE EXISTS (SELECT 1 FROM jobs
        WHERE jobs.lane = heads.lane AND jobs.state IN ('ready', 'running') AND jobs.id > heads.id)
    """  # noqa: S608 - constants


def _take_followers(session: ScopedSession, round_: _Claim, head: Any) -> None:
    """The jobs behind a head that may run with it, in their order. While a head is tried again its
    lane goes on one by one: what ends the process costs its neighbours one attempt at most."""
    if head.attempt > 0 or head.lane2 is not None or head.lane is None:
        return
    connection, lane = session.connection(), {"lane": head.lane}
    found = connection.execute(_FOLLOWERS, {**lane, "head": head.id}).all()
    if not found:
        return
    other = connection.execute(_SECOND, lane).scalar()
    for row in found:
        if (
            row.state != JobState.READY
            or row.lane2 is not None
            or row.attempt > 0
            or row.run_at > round_.now
            or (row.kind, row.practice_id) != (head.kind, head.practice_id)
            or (other is not None and other < row.id)
        ):
            return
        round_.take(row, follows=True)


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


def _write_claim(session: ScopedSession, round_: _Claim) -> None:
    dialect = dialect_of(session)
    with bulk.pipelined(session):
        if round_.jobs:
            jobs = [
                {"id": job.id, "token": job.token, "until": job.lease_until, "begun": round_.begun}
                for job in round_.jobs
            ]
            bulk.run(session, _leasing(dialect), [bulk.as_json(session, jobs)])
        if round_.lanes:
            lanes = list(round_.lanes.values())
            bulk.run(session, _setting_lanes(dialect), [bulk.as_json(session, lanes)])
    if round_.postponed:
        later = update(JOBS).where(JOBS.c.id.in_(round_.postponed))
        session.connection().execute(later.values(run_at=round_.now + UNKNOWN_KIND_DELAY))


@cache
def _leasing(dialect: str) -> str:
    columns = {"id": "bigint", "token": "text", "until": "timestamptz", "begun": "timestamptz"}
    taken = bulk.given(dialect, "taken", columns)
    return f"""
        UPDATE jobs SET state = 'running', token = taken.token, lease_until = taken.until,
        begun_at = taken.begun,
        attempt = attempt + CASE WHEN taken.begun IS NULL THEN 0 ELSE 1 END
        FROM {taken} WHERE jobs.id = taken.id
    """  # noqa: S608 - constants


@cache
def _setting_lanes(dialect: str) -> str:
    given = bulk.given(dialect, "given", {"lane": "text", "due": "timestamptz", "holder": "text"})
    return f"""
        UPDATE lanes SET ready_at = given.due, token = given.holder
        FROM {given} WHERE lanes.key = given.lane
    """  # noqa: S608 - constants
