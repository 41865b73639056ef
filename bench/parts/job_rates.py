"""Jobs of the durable queue: how many a second, beside what else could run them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select

from bench.parts.claims import Claims, at_least, at_most
from bench.parts.hub import CRYPTO, SCOPE, connected, now
from bench.parts.job_peers import THREADS, bare_rate, redis_rate, stub_rate
from hub.domain.jobs import Job
from hub.settings import Settings
from hub.storage import finishing, queue
from hub.storage.lanes import READY, RUNNING
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow, Lane
from jobs import actors
from jobs.actors import ActorSpec
from jobs.context import JobContext, RunningJob
from jobs.worker import JobWorker

MINUTE = 60_000
LEASE = 2.0
"""Seconds, where a worker is killed."""
ROUNDS = 3


def context_of(database: Database, directory: Path, **settings: Any) -> JobContext:
    chosen = Settings(data_dir=directory, worker_threads=THREADS, **settings)
    return JobContext(database, CRYPTO, chosen, now)


@contextmanager
def working(
    database: Database, directory: Path, *, alone: bool = False, **settings: Any
) -> Iterator[None]:
    """A worker of this process; `alone` as one that has no other role."""
    context = context_of(database, directory, **settings)
    worker = JobWorker(context, run_schedules=False, gives_way=alone)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def worked(url: str, directory: Path, lease: float, stop: threading.Event) -> None:
    """A worker of a process of its own until told to stop. What it is to hold it holds for good."""

    def hold(job: RunningJob) -> None:
        if job.args.get("hold"):
            print("held", flush=True)
            stop.wait()

    actors.ACTORS[Job.ANCHOR_AUDIT] = ActorSpec(hold, MINUTE)
    with closing(connected(url)) as database:
        with working(database, directory, alone=True, job_lease_seconds=lease):
            stop.wait()


def started_worker(database: Database, directory: Path, lease: float = 60.0) -> Any:
    script = Path(__file__).parents[1] / "jobs.py"
    command = [sys.executable, str(script), "--work", database.url, str(directory), str(lease)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def is_left(database: Database) -> bool:
    """Whether a job is running or due. Each statement has an index: a look must not take the
    processor from who is measured."""
    looks = (
        select(JobRow.id).where(RUNNING),
        select(JobRow.id).where(READY, JobRow.lane.is_(None), JobRow.queue == "default", *_DUE),
        select(Lane.key).where(Lane.queue == "default", Lane.ready_at <= bindparam("now")),
    )
    with database.read(SCOPE) as session:
        return any(session.scalar(look.limit(1), {"now": now()}) is not None for look in looks)


_DUE = (JobRow.priority >= 0, JobRow.run_at <= bindparam("now"))


def wait_for_end(database: Database, pause: float = 0.02) -> None:
    """`pause` is in seconds: each look costs what may be measured."""
    while is_left(database):
        time.sleep(pause)


def drained(database: Database, directory: Path, count: int) -> float:
    """Jobs per second of a worker in this process until none is due."""
    started = time.perf_counter()
    with working(database, directory):
        wait_for_end(database)
        return count / (time.perf_counter() - started)


def drained_apart(database: Database, directory: Path, processes: int) -> float:
    """Jobs per second of workers in processes of their own, once they have begun."""

    def left() -> int:
        with database.read(SCOPE) as session:
            return queue.due_count(session, now=now())

    count = left()
    workers = [started_worker(database, directory) for _ in range(processes)]
    while (begun := left()) > count * 0.9:
        time.sleep(0.02)
    started = time.perf_counter()
    wait_for_end(database)
    spent = time.perf_counter() - started
    for worker in workers:
        worker.communicate()
    return begun / spent


def add_jobs(database: Database, count: int, lanes: int, run_at: datetime | None = None) -> float:
    """Rows per second, 500 in a transaction; `lanes` 0 means jobs without one."""
    started = time.perf_counter()
    name = "stuck" if run_at else "lane"
    for first in range(0, count, 500):
        jobs = [
            queue.NewJob(
                Job.PRUNE, {"n": n}, lanes=[f"{name}{n % lanes}"] if lanes else [], run_at=run_at
            )
            for n in range(first, first + 500)
        ]
        database.transaction(SCOPE, lambda s, jobs=jobs: queue.add_many(s, jobs, now=now()))
    return count / (time.perf_counter() - started)


def finish_together(jobs: Sequence[RunningJob]) -> Sequence[RunningJob]:
    """Jobs that do nothing, done in one transaction."""
    context = jobs[0].context
    claimed = [job.claimed for job in jobs]
    context.database.transaction(SCOPE, lambda s: finishing.finish_many(s, claimed, now=now()))
    for job in jobs:
        job.finished = True
    return ()


def with_effect(job: RunningJob) -> None:
    """One row and "done" in one transaction."""

    def effect(session: ScopedSession) -> None:
        row = {"key": f"effect of {job.claimed.id}", "queue": "bench"}
        session.connection().execute(insert(Lane.__table__), row)  # type: ignore[arg-type]

    job.finish(SCOPE, effect)


def doing(run: Callable[[RunningJob], None], **options: Any) -> None:
    actors.ACTORS[Job.PRUNE] = ActorSpec(run, MINUTE, **options)


class WakeUp(NamedTuple):
    """Median milliseconds until a job's actor begins: from the call that adds it, whose commit
    waits for the disk, and from that commit, before which nobody may know of the job."""

    from_call: float
    from_commit: float


def nothing(job: RunningJob) -> None:
    return None


def adding(database: Database, count: int = 500) -> float:
    """Microseconds of processor time to add a job in a transaction that is open already."""

    def work(session: ScopedSession) -> float:
        started = time.thread_time()
        for number in range(count):
            queue.add(session, Job.PRUNE, {"n": number}, now=now())
        return (time.thread_time() - started) / count * 1e6

    return database.transaction(SCOPE, work)


def wake_ups(database: Database, adder: Database, directory: Path, count: int = 30) -> WakeUp:
    """With all threads idle, jobs added one at a time."""
    begun = threading.Event()
    moments: list[float] = []

    def arrive(job: RunningJob) -> None:
        moments.append(time.perf_counter())
        begun.set()

    doing(arrive)
    from_call: list[float] = []
    from_commit: list[float] = []
    with working(database, directory):
        for _ in range(count):
            time.sleep(0.1)
            begun.clear()
            called = time.perf_counter()
            adder.transaction(SCOPE, lambda s: queue.add(s, Job.PRUNE, {"n": 1}, now=now()))
            committed = time.perf_counter()
            begun.wait()
            from_call.append((moments[-1] - called) * 1000)
            from_commit.append((moments[-1] - committed) * 1000)
    return WakeUp(statistics.median(from_call), statistics.median(from_commit))


def after_a_kill(database: Database, directory: Path) -> float:
    """Seconds from the end of a killed worker's lease to the end of the job it held."""
    database.transaction(SCOPE, lambda s: queue.add(s, Job.ANCHOR_AUDIT, {"hold": True}, now=now()))
    worker = started_worker(database, directory, LEASE)
    assert worker.stdout.readline() == b"held\n"
    actors.ACTORS[Job.ANCHOR_AUDIT] = ActorSpec(nothing, MINUTE)
    with working(database, directory, job_lease_seconds=LEASE):
        worker.kill()
        killed = time.perf_counter()
        wait_for_end(database)
        spent = time.perf_counter() - killed
    worker.communicate()
    return spent - LEASE


def measure(database: Database, directory: Path, redis_url: str) -> Claims:
    return [
        *_without_effects(database, directory, redis_url),
        *_with_effects(database, directory),
        *_lanes(database, directory),
        *_adding(database),
        *_waking(database, directory),
    ]


def _without_effects(database: Database, directory: Path, redis_url: str) -> Claims:
    doing(nothing)
    ours: list[float] = []
    stub: list[float] = []
    others: list[float] = []
    for _ in range(ROUNDS):
        add_jobs(database, 5_000, 0)
        ours.append(drained(database, directory, 5_000))
        stub.append(stub_rate(5_000))
        found = redis_rate(redis_url, 2_000)
        others += [found] if found is not None else []
    print(f"     jobs that do nothing: {_rates(ours)}; Dramatiq's stub: {_rates(stub)}")
    goal = 0.6 if database.is_sqlite else 0.35
    claims = [at_least("jobs that do nothing / Dramatiq's stub", max(ours) / max(stub), goal)]
    if others:
        print(f"     Dramatiq on Redis, 256 ahead: {_rates(others)}")
        text = "jobs that do nothing / Dramatiq on Redis"
        claims.append(at_least(text, max(ours) / max(others), 1.2))
    else:
        print("     no Redis: not compared with it")
    return claims


def _with_effects(database: Database, directory: Path) -> Claims:
    doing(with_effect)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        add_jobs(database, 2_000, 0)
        ours.append(drained(database, directory, 2_000))
        bare.append(bare_rate(database, 2_000))
    print(f"     jobs with an effect: {_rates(ours)}; the driver alone: {_rates(bare)}")
    goal = 0.8 if database.is_sqlite else 0.5
    return [at_least("jobs with an effect / the driver alone", max(ours) / max(bare), goal)]


def _lanes(database: Database, directory: Path) -> Claims:
    doing(nothing, together=finish_together)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for beside in (False, True):
        if beside:
            add_jobs(database, 20_000, 2, now() + timedelta(days=1))
        for _ in range(ROUNDS):
            add_jobs(database, 5_000, 100)
            rates[beside].append(drained(database, directory, 5_000))
    print(f"     in 100 lanes: {_rates(rates[False])}; beside 20,000 stuck: {_rates(rates[True])}")
    best = {beside: max(found) for beside, found in rates.items()}
    text = "jobs in lanes beside 20,000 stuck / without"
    return [
        at_least("jobs in 100 lanes, 16 to a commit", best[False], 5_000, "/s"),
        at_least(text, best[True] / best[False], 0.9),
    ]


def _adding(database: Database) -> Claims:
    cost = min(adding(database) for _ in range(ROUNDS))
    rate = max(add_jobs(database, 5_000, 0) for _ in range(ROUNDS))
    return [
        at_most("processor time to add a job in an open transaction", cost, 100, "µs"),
        at_least("jobs added, 500 in a transaction", rate, 15_000, "/s"),
    ]


def _waking(database: Database, directory: Path) -> Claims:
    doing(nothing)
    drained(database, directory, 1)
    idle = wake_ups(database, database, directory)
    print(f"     from the call that adds a job to its actor: {idle.from_call:.1f} ms")
    text = "wake-up in the process, from the commit, median"
    claims = [at_most(text, idle.from_commit, 5, "ms")]
    if not database.is_sqlite:
        with closing(connected(database.url)) as other:
            heard = wake_ups(database, other, directory)
        text = "wake-up across processes, from the commit, median"
        claims.append(at_most(text, heard.from_commit, 50, "ms"))
        late = after_a_kill(database, directory)
        claims.append(at_most("a killed worker's job done after its lease", late, 2, "s"))
    return claims


def _rates(found: Sequence[float]) -> str:
    return f"{max(found):.0f}/s (median {statistics.median(found):.0f})"
