"""The shared fill of each principal's cost bucket."""

from __future__ import annotations

from datetime import datetime

from hub.storage.session import ScopedSession
from hub.storage.tables import CostBucket
from hub.storage.upsert import insert_once


def level(session: ScopedSession, principal_id: str, *, rate: float, now: datetime) -> float:
    """How full the bucket is at `now`, having leaked `rate` points a second."""
    row = session.get(CostBucket, principal_id)
    return 0.0 if row is None else _leaked(row, rate, now)


def add(
    session: ScopedSession, principal_id: str, spent: float, *, rate: float, now: datetime
) -> float:
    """Add what a process spent to the bucket, which leaks `rate` points a second; returns its level
    at `now`. A negative amount gives back."""
    row = session.get(CostBucket, principal_id, with_for_update=True)
    if row is None:
        empty = {"principal_id": principal_id, "level": 0.0, "updated_at": now}
        insert_once(session, CostBucket, empty)
        row = session.get_one(CostBucket, principal_id, with_for_update=True)
    row.level = max(0.0, _leaked(row, rate, now) + spent)
    row.updated_at = max(now, row.updated_at)
    session.flush()
    return row.level


def _leaked(row: CostBucket, rate: float, now: datetime) -> float:
    elapsed = max(0.0, (now - row.updated_at).total_seconds())
    return max(0.0, row.level - elapsed * rate)
