"""The worker: jobs through real Dramatiq threads, failures, order, limits, shutdown."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import Conflict, LeaseLost, RateLimited, Transient
from hub.settings import Settings
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow, Lane
from jobs import actors
from jobs.actors import ActorSpec
from jobs.context import JobContext, RunningJob
from jobs.niceness import BEHIND, MOST
from jobs.worker import JobWorker
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")
MINUTE = 60_000


@pytest.fixture
def context(
    database: Database, crypto: Crypto, tmp_path: Path, transport: dict[str, Any]
) -> JobContext:
    settings = Settings(data_dir=tmp_path, worker_threads=4, job_lease_seconds=2, **transport)
    return JobContext(database, crypto, settings, lambda: datetime.now(UTC))


@pytest.fixture
def run(context: JobContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., JobWorker]]:
    """Starts a worker whose PRUNE actor is the function given."""
    started: list[JobWorker] = []

    def start(
        actor: Callable[[RunningJob], None], time_limit: int = MINUTE, **options: Any
    ) -> JobWorker:
        monkeypatch.setitem(actors.ACTORS, Job.PRUNE, ActorSpec(actor, time_limit))
        worker = JobWorker(context, run_schedules=False, poll_milliseconds=100, **options)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()


def add(context: JobContext, **options: Any) -> int:
    def work(session: ScopedSession) -> int:
        session.after_commit.append(context.database.bell.set)
        args = options.pop("args", {})
        return queue.add(session, Job.PRUNE, args, now=context.now(), **options)

    return context.database.transaction(SCOPE, work)


def row(context: JobContext, job_id: int) -> JobRow:
    with context.database.read(SCOPE) as session:
        return session.get_one(JobRow, job_id)


def wait_for(context: JobContext, job_id: int, *states: str) -> JobRow:
    wait_until(lambda: row(context, job_id).state in states)
    return row(context, job_id)


def test_a_job_runs_and_its_effect_is_there_once_it_is_done(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    def actor(job: RunningJob) -> None:
        job.finish(SCOPE, lambda s: s.add(Lane(key=f"effect {job.args['n']}", queue="x")))

    run(actor)
    job_id = add(context, args={"n": 7})
    wait_for(context, job_id, "done")
    with context.database.read(SCOPE) as session:
        assert session.get(Lane, "effect 7") is not None


def test_an_actor_that_returns_is_done(context: JobContext, run: Callable[..., JobWorker]) -> None:
    run(lambda job: None)
    assert wait_for(context, add(context), "done").attempt == 1


@pytest.mark.parametrize("gives_way", [True, False])
def test_threads_that_run_jobs_go_behind_others_where_they_are_told_to(
    context: JobContext, run: Callable[..., JobWorker], gives_way: bool
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    seen: list[int] = []
    run(lambda job: seen.append(os.getpriority(os.PRIO_PROCESS, 0)), gives_way=gives_way)
    for _ in range(8):
        wait_for(context, add(context), "done")
    assert set(seen) == {min(own + BEHIND, MOST) if gives_way else own}
    beside = [thread for thread in threading.enumerate() if thread.name == "job-heartbeat"]
    assert [os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) for thread in beside] == [own]


def test_a_vendor_that_is_down_is_tried_again_later(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    def actor(job: RunningJob) -> None:
        raise Transient("The vendor did not answer in time.")

    run(actor)
    job_id = add(context)
    wait_until(lambda: row(context, job_id).error_code)
    found = row(context, job_id)
    assert (found.state, found.error_code) == ("ready", "UPSTREAM")
    assert found.run_at > found.created_at + timedelta(seconds=0.9)


def test_a_rate_limit_parks_the_job_until_the_vendor_says(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    later = datetime(2099, 1, 1, tzinfo=UTC)

    def actor(job: RunningJob) -> None:
        raise RateLimited("Too many requests.", retry_at=later)

    run(actor)
    job_id = add(context, max_attempts=1)
    wait_until(lambda: row(context, job_id).error_code)
    found = row(context, job_id)
    assert (found.state, found.attempt, found.run_at) == ("ready", 0, later)


def test_what_no_retry_can_mend_dies_at_once_with_its_sentence(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    def actor(job: RunningJob) -> None:
        raise Conflict("The round is locked.")

    run(actor)
    dead = wait_for(context, add(context), "dead")
    assert (dead.error_code, dead.error_text) == ("CONFLICT", "The round is locked.")


def test_a_bug_is_recorded_without_its_message(
    context: JobContext, run: Callable[..., JobWorker], capfd: pytest.CaptureFixture[str]
) -> None:
    def actor(job: RunningJob) -> None:
        raise KeyError("patient Jane Sample 1970-01-01")

    run(actor)
    dead = wait_for(context, add(context, max_attempts=1), "dead")
    assert "KeyError" in dead.error_text
    assert "Sample" not in dead.error_text
    out, err = capfd.readouterr()
    assert "Sample" not in out + err


def test_the_effects_of_a_failing_finish_are_rolled_back(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    def actor(job: RunningJob) -> None:
        def effects(session: ScopedSession) -> None:
            session.add(Lane(key="half an effect", queue="x"))
            session.flush()
            raise Conflict("No.")

        job.finish(SCOPE, effects)

    run(actor)
    wait_for(context, add(context), "dead")
    with context.database.read(SCOPE) as session:
        assert session.get(Lane, "half an effect") is None


def test_jobs_of_one_lane_run_in_order_on_many_threads(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    seen: list[tuple[str, int]] = []
    lock = threading.Lock()

    def actor(job: RunningJob) -> None:
        with lock:
            seen.append((job.args["lane"], job.args["n"]))

    ids = [
        add(context, args={"lane": lane, "n": n}, lanes=[lane])
        for n in range(6)
        for lane in ("a", "b", "c")
    ]
    run(actor)
    for job_id in ids:
        wait_for(context, job_id, "done")
    for lane in ("a", "b", "c"):
        assert [n for name, n in seen if name == lane] == list(range(6))


def test_a_job_over_its_time_limit_is_interrupted(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    def actor(job: RunningJob) -> None:
        while True:
            time.sleep(0.01)

    run(actor, time_limit=200)
    dead = wait_for(context, add(context, max_attempts=1), "dead")
    assert dead.error_code == "TIME_LIMIT"


def test_a_long_job_keeps_its_lease(context: JobContext, run: Callable[..., JobWorker]) -> None:
    runs: list[int] = []

    def actor(job: RunningJob) -> None:
        runs.append(1)
        time.sleep(3)  # longer than the lease of two seconds

    run(actor)
    assert wait_for(context, add(context), "done").attempt == 1
    assert runs == [1]


def test_a_running_job_stops_when_it_is_cancelled(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    begun = threading.Event()

    def actor(job: RunningJob) -> None:
        begun.set()
        while True:
            job.check()
            time.sleep(0.02)

    run(actor)
    job_id = add(context)
    assert begun.wait(10)
    assert context.database.transaction(SCOPE, lambda s: queue.cancel(s, job_id, now=context.now()))
    wait_for(context, job_id, "cancelled")


def test_stopping_gives_back_at_once_what_was_not_begun(
    context: JobContext, run: Callable[..., JobWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.worker.SHUTDOWN_MILLISECONDS", 600_000)
    begun, release = threading.Semaphore(0), threading.Event()

    def actor(job: RunningJob) -> None:
        begun.release()
        release.wait(240)

    def fill(session: ScopedSession) -> list[int]:
        return [queue.add(session, Job.PRUNE, {}, now=context.now()) for _ in range(8)]

    def found() -> Counter[tuple[str, int]]:
        rows = [row(context, job_id) for job_id in ids]
        return Counter((each.state, each.attempt) for each in rows)

    worker = run(actor)
    worker.broker.lease = timedelta(minutes=5)
    ids = context.database.transaction(SCOPE, fill)
    assert all(begun.acquire(timeout=60) for _ in range(4))
    wait_until(lambda: {state for state, _ in found()} == {"running"})
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    try:
        wait_until(lambda: found()["ready", 0] == 4)  # while the others are still at work
    finally:
        release.set()
        stopping.join()
    assert found() == {("done", 1): 4, ("ready", 0): 4}


def test_what_a_job_writes_on_its_way_is_fenced_too(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    lost: list[bool] = []

    def actor(job: RunningJob) -> None:
        job.transaction(SCOPE, lambda s: s.add(Lane(key="page one", queue="x")))
        context.database.transaction(
            SCOPE, lambda s: s.execute(update(JobRow).values(token="another worker's"))
        )
        with pytest.raises(LeaseLost):
            job.transaction(SCOPE, lambda s: s.add(Lane(key="page two", queue="x")))
        lost.append(True)

    run(actor)
    job_id = add(context)
    wait_until(lambda: bool(lost))
    with context.database.read(SCOPE) as session:
        assert session.scalars(select(Lane.key)).all() == ["page one"]
    assert row(context, job_id).state == "running"


def test_a_thread_that_died_is_replaced(context: JobContext, run: Callable[..., JobWorker]) -> None:
    worker = run(lambda job: None)
    for thread in list(worker._worker.workers):
        thread.stop()
    wait_for(context, add(context), "done")


def test_a_job_keeps_its_lease_while_the_worker_stops(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    begun = threading.Event()

    def actor(job: RunningJob) -> None:
        begun.set()
        time.sleep(3)  # longer than the lease of two seconds

    worker = run(actor)
    job_id = add(context)
    assert begun.wait(10)
    worker.stop()
    found = row(context, job_id)
    assert (found.state, found.attempt) == ("done", 1)


def test_a_worker_outlives_a_database_that_was_away(
    context: JobContext, run: Callable[..., JobWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def away(*_: object, **__: object) -> None:
        failed.append(True)
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", away)
        run(lambda job: None)
        wait_until(lambda: len(failed) > 3)
    wait_for(context, add(context), "done")


def test_jobs_that_run_for_long_leave_threads_to_the_others(
    context: JobContext, run: Callable[..., JobWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    release, running = threading.Event(), Counter[str]()
    lock = threading.Lock()

    def long(job: RunningJob) -> None:
        with lock:
            running["long"] += 1
        release.wait(20)

    monkeypatch.setitem(actors.ACTORS, Job.SYNC_ALL, ActorSpec(long, 2 * actors.LONG))
    worker = run(lambda job: None)
    assert Job.SYNC_ALL in worker.broker.long_kinds

    def fill(session: ScopedSession) -> list[int]:
        session.after_commit.append(context.database.bell.set)
        return [queue.add(session, Job.SYNC_ALL, {}, now=context.now()) for _ in range(6)]

    long_ids = context.database.transaction(SCOPE, fill)
    wait_until(lambda: running["long"] == 2)
    for _ in range(3):
        wait_for(context, add(context), "done")
    assert running["long"] == 2
    release.set()
    for job_id in long_ids:
        wait_for(context, job_id, "done")


def test_a_long_job_is_given_back_when_the_worker_stops(
    context: JobContext, run: Callable[..., JobWorker]
) -> None:
    begun = threading.Event()

    def actor(job: RunningJob) -> None:
        begun.set()
        while True:
            job.check()
            time.sleep(0.02)

    worker = run(actor, time_limit=2 * actors.LONG)
    job_id = add(context)
    assert begun.wait(10)
    worker.stop()
    found = row(context, job_id)
    assert (found.state, found.attempt) == ("ready", 0)
