"""A process that ticks one schedule by a clock that is wrong: J17."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.hub import open_hub
from hub.settings import load
from hub.storage import schedules
from hub.storage.schedules import ScheduleSpec

SPEC = ScheduleSpec("faults.tick", "* * * * *", "America/Chicago", Job.PRUNE)
BEGIN = datetime(2026, 3, 8, 6, tzinfo=UTC)
"""Two hours before Chicago changes to summer time."""
STEP = timedelta(seconds=20)


def tick(count: int, number: int) -> None:
    """`count` looks at a clock that is up to an hour off, and jumps."""
    scope = unrestricted_scope("campaign")
    with closing(open_hub(load())) as hub:
        for step in range(count):
            wrong = timedelta(minutes=(number * 17 + step * 7) % 120 - 60)
            now = BEGIN + step * STEP + wrong
            hub.database.transaction(
                scope, lambda session, now=now: schedules.tick(session, [SPEC], now=now)
            )
