"""The durable queue: leases, fencing, lanes, retries."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import LeaseLost
from hub.storage import claiming, claiming_lanes, finishing, lanes, leases, queue, schedules
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base, JobRow, Lane, new_id

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
    database.transaction(SCOPE, lambda s: finishing.finish(s, job, now=now))


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


def test_jobs_are_added_after_transactions_that_failed(database: Database, now: datetime) -> None:
    def fail(session: ScopedSession) -> None:
        queue.add(session, Job.PRUNE, {"n": 0}, now=now)
        raise LeaseLost("test")

    for _ in range(12):  # longer than a driver waits before it prepares a statement
        add(database, now)
        with pytest.raises(LeaseLost):
            database.transaction(SCOPE, fail)
    assert len(claim(database, now, limit=50)) == 12


def test_a_worker_that_lost_its_lease_changes_nothing(database: Database, now: datetime) -> None:
    job_id = add(database, now)
    (frozen,) = claim(database, now)
    later = now + LEASE + timedelta(seconds=1)
    assert len(database.transaction(SCOPE, lambda s: leases.rescue(s, now=later))) == 1
    (second,) = claim(database, later)

    def effects(session: object) -> None:
        session.add(Lane(key="effect of the frozen worker", queue="x"))  # type: ignore[attr-defined]
        finishing.finish(session, frozen, now=later)  # type: ignore[arg-type]

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
        lambda s: finishing.fail(s, jobs[stuck], code="x", text="x", now=now, retry_at=retry),
    )
    assert claim(database, now + timedelta(minutes=1)) == []
    (again,) = claim(database, retry)
    assert again.id == stuck
    database.transaction(
        SCOPE, lambda s: finishing.fail(s, again, code="x", text="x", now=retry, retry_at=None)
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
            SCOPE,
            lambda s, job=job: finishing.fail(s, job, code="x", text="x", now=now, retry_at=now),
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
        lambda s: finishing.fail(s, job, code="x", text="x", now=now, retry_at=now, counts=False),
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


def test_jobs_of_a_lost_worker_come_back_at_once_and_from_then_on_apart(
    database: Database, now: datetime
) -> None:
    ids = [add(database, now) for _ in range(3)]
    first = claim(database, now, limit=3)
    lost = now + 2 * LEASE
    database.transaction(SCOPE, lambda s: leases.rescue(s, now=lost))
    second = claim(database, lost, limit=3)
    assert [job.id for job in second] == [job.id for job in first]
    lost += 2 * LEASE
    database.transaction(SCOPE, lambda s: leases.rescue(s, now=lost))
    assert claim(database, lost, limit=3) == []
    with database.read(SCOPE) as session:
        due = [session.get_one(JobRow, job_id).run_at for job_id in ids]
    assert len(set(due)) == 3
    assert max(due) <= lost + timedelta(seconds=leases.APART_SECONDS)


def test_retries_spread_out_and_respect_retry_after(now: datetime) -> None:
    delays = [(finishing.retry_at(1, now) - now).total_seconds() for _ in range(200)]
    assert min(delays) >= 1
    assert max(delays) <= 6
    assert len(set(delays)) > 100
    assert finishing.retry_at(1, now, retry_after=500) == now + timedelta(seconds=500)


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


def test_a_kind_this_version_does_not_know_holds_up_its_own_lane_only(
    database: Database, now: datetime
) -> None:
    unknown = [add(database, now), add(database, now, lanes=["a"])]
    behind = add(database, now, lanes=["a"])
    known = [add(database, now), add(database, now, lanes=["b"])]
    database.transaction(
        SCOPE,
        lambda s: s.execute(
            update(JobRow).where(JobRow.id.in_(unknown)).values(kind="of.a.newer.version")
        ),
    )
    assert {job.id for job in claim(database, now)} == set(known)
    assert claim(database, now) == []
    later = now + timedelta(seconds=31)
    database.transaction(
        SCOPE,
        lambda s: s.execute(
            update(JobRow).where(JobRow.id.in_(unknown)).values(kind=Job.PRUNE.value)
        ),
    )
    assert {job.id for job in claim(database, later)} == set(unknown)
    assert [state(database, job_id).attempt for job_id in (*unknown, behind)] == [1, 1, 0]


def test_cancelling_a_head_that_waits_lets_its_lane_go_on(
    database: Database, now: datetime
) -> None:
    head = add(database, now, lanes=["a"], run_at=now + timedelta(hours=1))
    behind = add(database, now, lanes=["a"])
    assert claim(database, now) == []
    assert database.transaction(SCOPE, lambda s: queue.cancel(s, head, now=now))
    (job,) = claim(database, now)
    assert job.id == behind


@pytest.mark.parametrize("end", ["fail", "rescue", "release"])
def test_a_job_asked_to_stop_is_not_tried_again(
    database: Database, now: datetime, end: str
) -> None:
    job_id = add(database, now, lanes=["a"])
    (job,) = claim(database, now)
    assert database.transaction(SCOPE, lambda s: queue.cancel(s, job_id, now=now))

    def work(session: ScopedSession) -> None:
        if end == "fail":
            finishing.fail(session, job, code="x", text="x", now=now, retry_at=now)
        elif end == "rescue":
            leases.rescue(session, now=now + 2 * LEASE)
        else:
            finishing.release(session, job, now=now)

    database.transaction(SCOPE, work)
    assert state(database, job_id).state == "cancelled"
    assert claim(database, now + 3 * LEASE) == []


def test_a_dead_job_asked_to_stop_once_runs_when_it_is_retried(
    database: Database, now: datetime
) -> None:
    job_id = add(database, now)
    (job,) = claim(database, now)
    database.transaction(SCOPE, lambda s: queue.cancel(s, job_id, now=now))
    database.transaction(
        SCOPE, lambda s: finishing.fail(s, job, code="x", text="x", now=now, retry_at=None)
    )
    assert database.transaction(SCOPE, lambda s: queue.retry_dead(s, job_id, now=now))
    (again,) = claim(database, now)
    beat = database.transaction(SCOPE, lambda s: leases.heartbeat(s, [again], lease=LEASE, now=now))
    assert beat == set()


def test_a_dead_job_is_not_retried_beside_a_live_one_of_its_key(
    database: Database, now: datetime
) -> None:
    dead = add(database, now, unique_key="k")
    (job,) = claim(database, now)
    database.transaction(
        SCOPE, lambda s: finishing.fail(s, job, code="x", text="x", now=now, retry_at=None)
    )
    assert add(database, now, unique_key="k") != dead
    assert not database.transaction(SCOPE, lambda s: queue.retry_dead(s, dead, now=now))


def test_a_unique_key_added_by_two_transactions_at_once_gives_one_job(
    database: Database, now: datetime
) -> None:
    begun = threading.Barrier(2, timeout=10)

    def work(session: ScopedSession) -> int:
        with suppress(threading.BrokenBarrierError):
            begun.wait(0.2 if database.is_sqlite else 5)
        job_id = queue.add(session, Job.PRUNE, {}, now=now, unique_key="k", lanes=["a"])
        session.add(Lane(key=new_id(), queue="x"))
        return job_id

    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(lambda _: database.transaction(SCOPE, work), range(2)))
    assert ids[0] == ids[1]


def test_long_jobs_take_their_share_and_no_more(database: Database, now: datetime) -> None:
    def take(long_limit: int) -> list[Job]:
        jobs = database.transaction(
            SCOPE,
            lambda s: claiming.claim(
                s, limit=4, lease=LEASE, now=now, long=[Job.SYNC_STREAMS], long_limit=long_limit
            ),
        )
        return [job.kind for job in jobs]

    def fill(session: ScopedSession) -> None:
        for kind in (Job.SYNC_STREAMS, Job.PRUNE):
            for _ in range(6):
                queue.add(session, kind, {}, now=now)

    database.transaction(SCOPE, fill)
    assert Counter(take(2)) == {Job.SYNC_STREAMS: 2, Job.PRUNE: 2}
    assert Counter(take(0)) == {Job.PRUNE: 4}


def test_neither_lanes_nor_jobs_without_one_starve(database: Database, now: datetime) -> None:
    free = {add(database, now) for _ in range(8)}
    laned = {add(database, now, lanes=[f"l{number}"]) for number in range(8)}
    taken = {job.id for job in claim(database, now, limit=4)}
    assert len(taken & free) == len(taken & laned) == 2
    assert len(claim(database, now, limit=99)) == 12


def test_two_transactions_in_each_others_way_both_succeed(
    database: Database, now: datetime
) -> None:
    """Each locks a lane the other one wants next: PostgreSQL ends one, which is run again."""
    if database.is_sqlite:
        return
    begun = threading.Barrier(2, timeout=10)

    def work(keys: str) -> None:
        def locked(session: ScopedSession) -> None:
            lanes.touch(session, {keys[0]: now}, queue="x")
            with suppress(threading.BrokenBarrierError):
                begun.wait(5)
            begun.abort()
            lanes.touch(session, {keys[1]: now}, queue="x")

        database.transaction(SCOPE, locked)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["ab", "ba"]))


def test_pruning_takes_what_is_long_over_and_leaves_the_rest(
    database: Database, now: datetime
) -> None:
    ids = [add(database, now, lanes=[f"l{number}"]) for number in range(4)]
    done, dead, waiting, late = claim(database, now)
    finish(database, done, now)
    finish(database, late, now + timedelta(days=2))
    for job, again in ((dead, None), (waiting, now + LEASE)):
        database.transaction(
            SCOPE,
            lambda s, job=job, again=again: finishing.fail(
                s, job, code="x", text="x", now=now, retry_at=again
            ),
        )
    before = now + timedelta(days=1)
    assert database.transaction(SCOPE, lambda s: leases.prune(s, before=before)) == 4
    with database.read(SCOPE) as session:
        assert set(session.scalars(select(JobRow.id))) == set(ids) - {done.id}
        assert session.scalars(select(Lane.key)).all() == [waiting.lanes[0]]


def test_no_step_of_a_job_reads_the_whole_table(tmp_path: Path, now: datetime) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with database.write_engine.begin() as connection:
        Base.metadata.create_all(connection)
    seen: list[str] = []
    writer = database.submit(SCOPE, lambda s: s.connection().connection.driver_connection).result()
    assert writer is not None
    database.submit(SCOPE, lambda _: writer.set_trace_callback(seen.append)).result()
    add(database, now, unique_key="k", lanes=["a", "b"])
    add(database, now, unique_key="k")
    jobs = claim(database, now)
    database.transaction(SCOPE, lambda s: leases.heartbeat(s, jobs, lease=LEASE, now=now))
    database.transaction(SCOPE, lambda s: leases.rescue(s, now=now))
    finish(database, jobs[0], now)
    plans = []
    with database.write_engine.connect() as connection:
        for statement in seen:
            if statement.lstrip().startswith(("SELECT", "UPDATE", "WITH")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
                plans += [row.detail for row in plan]
    database.close()
    assert len(plans) > 8
    assert [plan for plan in plans if plan.startswith(("SCAN jobs", "SCAN lanes"))] == []


TOGETHER = frozenset({Job.PRUNE})


def claim_together(database: Database, now: datetime) -> list[queue.ClaimedJob]:
    return database.transaction(
        SCOPE,
        lambda s: claiming.claim(
            s, limit=4, lease=LEASE, now=now, together=TOGETHER, together_limit=64
        ),
    )


def test_jobs_behind_a_head_are_claimed_with_it_in_their_order(
    database: Database, now: datetime
) -> None:
    ids = [add(database, now, lanes=["a"]) for _ in range(20)]
    jobs = claim_together(database, now)
    assert [job.id for job in jobs] == ids[: claiming_lanes.MOST_OF_A_LANE]
    assert [job.follows for job in jobs] == [False] + [True] * (len(jobs) - 1)
    assert claim_together(database, now) == []
    database.transaction(SCOPE, lambda s: finishing.finish_many(s, jobs, now=now))
    assert [job.id for job in claim_together(database, now)] == ids[claiming_lanes.MOST_OF_A_LANE :]


def test_what_may_not_run_with_the_head_ends_what_follows_it(
    database: Database, now: datetime
) -> None:
    first = [add(database, now, lanes=["a"]) for _ in range(2)]
    merge = add(database, now, lanes=["b", "a"])
    add(database, now, lanes=["a"])
    other = add(database, now, lanes=["c"])
    add(database, now, lanes=["c"], run_at=now + LEASE)
    assert {job.id for job in claim_together(database, now)} == {*first, other}
    assert merge not in first


def test_while_a_head_is_tried_again_its_lane_goes_on_one_by_one(
    database: Database, now: datetime
) -> None:
    ids = [add(database, now, lanes=["a"]) for _ in range(3)]
    jobs = claim_together(database, now)
    assert [job.id for job in jobs] == ids
    later = now + LEASE + timedelta(seconds=1)
    assert len(database.transaction(SCOPE, lambda s: leases.rescue(s, now=later))) == 3
    (head,) = claim_together(database, later)
    assert (head.id, head.attempt) == (ids[0], 2)
    with pytest.raises(LeaseLost):
        database.transaction(SCOPE, lambda s: finishing.finish_many(s, jobs, now=later))
    assert state(database, ids[1]).state == "ready"


def test_what_was_tried_before_takes_a_place_of_its_own(database: Database, now: datetime) -> None:
    for _ in range(6):
        add(database, now)
    assert len(claim_together(database, now)) == 6
    later = now + LEASE + timedelta(seconds=1)
    database.transaction(SCOPE, lambda s: leases.rescue(s, now=later))
    again = claim_together(database, later)
    assert [job.attempt for job in again] == [2] * 4


def test_of_several_jobs_all_end_or_none(database: Database, now: datetime) -> None:
    ids = [add(database, now) for _ in range(3)]
    jobs = claim_together(database, now)
    finish(database, jobs[1], now)
    with pytest.raises(LeaseLost):
        database.transaction(SCOPE, lambda s: finishing.finish_many(s, jobs, now=now))
    assert Counter(state(database, job_id).state for job_id in ids) == {"done": 1, "running": 2}
