"""The durable queue: leases, fencing, lanes, retries."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import LeaseLost
from hub.storage import claiming, leases, queue, schedules
from hub.storage.session import Database
from hub.storage.tables import JobRow, Lane

SCOPE = unrestricted_scope("test")
LEASE = timedelta(seconds=60)


def add(database: Database, now: datetime, **options: object) -> int:
    return database.transaction(
        SCOPE,
        lambda s: queue.add(s, Job.PRUNE, {"n": 1}, now=now, **options),  # type: ignore[arg-type]
    )


def claim(database: Database, now: datetime, limit: int = 10) -> list[queue.ClaimedJob]:
    return database.transaction(
        SCOPE, lambda s: claiming.claim(s, limit=limit, lease=LEASE, now=now)
    )


def finish(database: Database, job: queue.ClaimedJob, now: datetime) -> None:
    database.transaction(SCOPE, lambda s: queue.finish(s, job, now=now))


def state(database: Database, job_id: int) -> JobRow:
    with database.read(SCOPE) as session:
        row = session.get(JobRow, job_id)
        assert row is not None
        return row


def test_a_job_is_claimed_once_and_done_once(database: Database, now: datetime) -> None:
    job_id = add(database, now)
    (job,) = claim(database, now)
    assert claim(database, now) == []
    finish(database, job, now)
    assert state(database, job_id).state == "done"
    with pytest.raises(LeaseLost):
        finish(database, job, now)


def test_a_worker_that_lost_its_lease_changes_nothing(database: Database, now: datetime) -> None:
    job_id = add(database, now)
    (frozen,) = claim(database, now)
    later = now + LEASE + timedelta(seconds=1)
    assert database.transaction(SCOPE, lambda s: leases.rescue(s, now=later)) == 1
    (second,) = claim(database, later)

    def effects(session: object) -> None:
        session.add(Lane(key="effect of the frozen worker", queue="x"))  # type: ignore[attr-defined]
        queue.finish(session, frozen, now=later)  # type: ignore[arg-type]

    with pytest.raises(LeaseLost):
        database.transaction(SCOPE, effects)
    with database.read(SCOPE) as session:
        assert session.get(Lane, "effect of the frozen worker") is None
    finish(database, second, later)
    assert state(database, job_id).attempt == 2


def test_jobs_of_a_lane_run_in_order_and_one_at_a_time(database: Database, now: datetime) -> None:
    ids = [add(database, now, lanes=["patient"]) for _ in range(3)]
    seen = []
    for _ in range(3):
        (job,) = claim(database, now)
        assert claim(database, now) == []
        seen.append(job.id)
        finish(database, job, now)
    assert seen == ids


def test_a_failing_head_holds_its_own_lane_only(database: Database, now: datetime) -> None:
    stuck = add(database, now, lanes=["a"])
    behind = add(database, now, lanes=["a"])
    other = add(database, now, lanes=["b"])
    jobs = {job.id: job for job in claim(database, now)}
    assert set(jobs) == {stuck, other}
    retry = now + timedelta(minutes=5)
    database.transaction(
        SCOPE,
        lambda s: queue.fail(s, jobs[stuck], code="x", text="x", now=now, retry_at=retry),
    )
    assert claim(database, now + timedelta(minutes=1)) == []
    (again,) = claim(database, retry)
    assert again.id == stuck
    database.transaction(
        SCOPE, lambda s: queue.fail(s, again, code="x", text="x", now=retry, retry_at=None)
    )
    assert state(database, stuck).state == "dead"
    (next_job,) = claim(database, retry)
    assert next_job.id == behind


def test_a_merge_waits_until_it_heads_both_lanes(database: Database, now: datetime) -> None:
    first_a = add(database, now, lanes=["a"])
    first_b = add(database, now, lanes=["b"])
    merge = add(database, now, lanes=["a", "b"])
    after_b = add(database, now, lanes=["b"])
    jobs = {job.id: job for job in claim(database, now)}
    assert set(jobs) == {first_a, first_b}
    finish(database, jobs[first_a], now)
    assert claim(database, now) == []
    finish(database, jobs[first_b], now)
    later = now + timedelta(seconds=1)
    (merging,) = claim(database, later)
    assert merging.id == merge
    assert claim(database, later) == []
    finish(database, merging, later)
    (last,) = claim(database, later)
    assert last.id == after_b


def test_a_unique_key_gives_the_job_that_is_there(database: Database, now: datetime) -> None:
    first = add(database, now, unique_key="sync:1")
    assert add(database, now, unique_key="sync:1") == first
    (job,) = claim(database, now)
    assert add(database, now, unique_key="sync:1") == first
    finish(database, job, now)
    assert add(database, now, unique_key="sync:1") != first


def test_attempts_run_out_into_a_dead_letter_that_can_be_retried(
    database: Database, now: datetime
) -> None:
    job_id = add(database, now, max_attempts=2, lanes=["a"])
    for _ in range(2):
        (job,) = claim(database, now)
        database.transaction(
            SCOPE, lambda s, job=job: queue.fail(s, job, code="x", text="x", now=now, retry_at=now)
        )
    assert state(database, job_id).state == "dead"
    assert claim(database, now) == []
    assert database.transaction(SCOPE, lambda s: queue.retry_dead(s, job_id, now=now))
    (job,) = claim(database, now)
    assert (job.id, job.attempt) == (job_id, 1)


def test_a_rate_limit_costs_no_attempt(database: Database, now: datetime) -> None:
    job_id = add(database, now, max_attempts=1)
    (job,) = claim(database, now)
    database.transaction(
        SCOPE,
        lambda s: queue.fail(s, job, code="x", text="x", now=now, retry_at=now, counts=False),
    )
    row = state(database, job_id)
    assert (row.state, row.attempt) == ("ready", 0)


def test_a_job_that_kills_its_worker_every_time_dies(database: Database, now: datetime) -> None:
    job_id = add(database, now, max_attempts=2)
    for attempt in range(2):
        at = now + attempt * 2 * LEASE
        assert len(claim(database, at)) == 1
        database.transaction(SCOPE, lambda s, at=at: leases.rescue(s, now=at + 1.5 * LEASE))
    assert state(database, job_id).state == "dead"


def test_retries_spread_out_and_respect_retry_after(now: datetime) -> None:
    delays = [(queue.retry_at(1, now) - now).total_seconds() for _ in range(200)]
    assert min(delays) >= 1
    assert max(delays) <= 6
    assert len(set(delays)) > 100
    assert queue.retry_at(1, now, retry_after=500) == now + timedelta(seconds=500)


def test_a_schedule_fires_once_per_tick(database: Database, now: datetime) -> None:
    spec = schedules.ScheduleSpec("nightly", "0 3 * * *", "America/Chicago", Job.PRUNE)

    def tick(at: datetime) -> list[int]:
        return database.transaction(SCOPE, lambda s: schedules.tick(s, [spec], now=at))

    assert tick(now) == []
    due = schedules.next_tick(spec, now)
    assert due.astimezone(now.tzinfo).hour == 9  # 03:00 in Chicago, standard time
    assert len(tick(due)) == 1
    assert tick(due) == []
    assert tick(due + timedelta(minutes=1)) == []
    assert len(tick(due + timedelta(days=3))) == 1
