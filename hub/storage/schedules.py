"""Schedules without a leader: whoever moves `next_at` forward writes the job with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from sqlalchemy import select, update

from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import Schedule
from hub.storage.upsert import insert_once


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A cron expression in an IANA time zone that adds `job`; ticks missed while down fire once."""

    name: str
    cron: str
    zone: str
    job: Job
    args: dict[str, Any] = field(default_factory=dict)


def next_tick(spec: ScheduleSpec, after: datetime) -> datetime:
    """The first tick after `after` (aware), in UTC terms of the schedule's own zone."""
    return next(CronSim(spec.cron, after.astimezone(ZoneInfo(spec.zone)))).astimezone(after.tzinfo)


def tick(session: ScopedSession, specs: Sequence[ScheduleSpec], *, now: datetime) -> list[int]:
    """Register unknown schedules and fire those due; returns the ids of the jobs added."""
    added = []
    for spec in specs:
        row = session.scalar(select(Schedule).where(Schedule.name == spec.name))
        if row is None:
            values = {"name": spec.name, "spec": spec.cron, "zone": spec.zone}
            insert_once(session, Schedule, {**values, "next_at": next_tick(spec, now)})
            continue
        if row.spec != spec.cron or row.zone != spec.zone:
            row.spec, row.zone, row.next_at = spec.cron, spec.zone, next_tick(spec, now)
            session.flush()
        if row.next_at <= now and _move(session, spec, row.next_at, now):
            key = f"{spec.name}@{row.next_at.isoformat()}"
            added.append(queue.add(session, spec.job, spec.args, now=now, unique_key=key))
    return added


def _move(session: ScopedSession, spec: ScheduleSpec, old: datetime, now: datetime) -> bool:
    statement = (
        update(Schedule)
        .where(Schedule.name == spec.name, Schedule.next_at == old)
        .values(next_at=next_tick(spec, now), last_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(session.execute(statement).rowcount == 1)  # type: ignore[attr-defined]
