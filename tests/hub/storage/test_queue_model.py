"""The queue against its model: any order of steps, and steps at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, func, select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import LeaseLost
from hub.storage import claiming, finishing, leases, queue
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow, Lane
from tests.hub.storage.queue_model import LEASE, LOST, MOST_ATTEMPTS, QueueModel

SCOPE = unrestricted_scope("test")
Step = tuple[Callable[[ScopedSession], object], Callable[[QueueModel], object]]
"""What the queue is asked, and the same of the model."""
WHICH = st.integers(0, 10)
"""Chooses one of what there is. What races leave differs from run to run, and Hypothesis must be
able to draw the same again."""


def answer(work: Callable[[], object]) -> object:
    try:
        return work()
    except LeaseLost:
        return LOST


class QueueMachine(RuleBasedStateMachine):
    """Jobs of three keys and two lanes, claimed by workers of which some are late."""

    def __init__(self, database: Database, now: datetime) -> None:
        super().__init__()
        self.database = database
        self.model = QueueModel(now)
        self.claims: list[queue.ClaimedJob] = []
        self.times: dict[int, datetime] = {}
        database.transaction(SCOPE, lambda s: (s.execute(delete(JobRow)), s.execute(delete(Lane))))

    def run(self, step: Step) -> object:
        """Take a step alone; the queue must answer as the model does."""
        ask, expect = step
        found = answer(lambda: self.database.transaction(SCOPE, ask, durable=False))
        assert found == expect(self.model)
        return found

    @rule(
        key=st.sampled_from([None, "a", "b"]),
        lane=st.sampled_from([None, None, "x", "y"]),
        wait=st.sampled_from([0, 0, 0, 30]),
    )
    def add(self, key: str | None, lane: str | None, wait: int) -> None:
        now = self.model.now
        twin = None if key is None else self.model.live(key)
        found = self._add(key, lane, now + timedelta(seconds=wait))
        if twin is None:
            assert found not in self.model.jobs
            self.model.add(found, key, lane, now + timedelta(seconds=wait))
        else:
            assert found == twin

    def _add(self, key: str | None, lane: str | None, run_at: datetime) -> int:
        def work(session: ScopedSession) -> int:
            return queue.add(
                session, Job.PRUNE, {}, now=self.model.now, unique_key=key, run_at=run_at,
                lanes=[lane] if lane else [], max_attempts=MOST_ATTEMPTS,
            )  # fmt: skip

        return self.database.transaction(SCOPE, work, durable=False)

    @rule()
    def claim(self) -> None:
        taken: list[queue.ClaimedJob] = []
        self.run(self._claiming(taken))
        self._hold(taken)

    def _claiming(self, taken: list[queue.ClaimedJob]) -> Step:
        def ask(session: ScopedSession) -> list[int]:
            taken[:] = claiming.claim(session, limit=50, lease=LEASE, now=self.model.now)
            return sorted(job.id for job in taken)

        return ask, QueueModel.claim

    def _hold(self, taken: list[queue.ClaimedJob]) -> None:
        self.claims += taken
        for job in taken:
            self.model.hold(job.id, job.token)

    def _claimed(self, which: int) -> queue.ClaimedJob | None:
        """One that was claimed once, held by now or lost; the last ones are the most likely."""
        return self.claims[-1 - which % min(len(self.claims), 6)] if self.claims else None

    def _job(self, which: int) -> int | None:
        jobs = list(self.model.jobs)
        return jobs[-1 - which % len(jobs)] if jobs else None

    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        if job := self._claimed(which):
            self.run(self._finishing(job))

    def _finishing(self, job: queue.ClaimedJob) -> Step:
        def ask(session: ScopedSession) -> str:
            finishing.finish(session, job, now=self.model.now)
            return "done"

        return ask, lambda model: model.finish(job.id, job.token)

    @rule(which=WHICH, wait=st.sampled_from([None, 0, 5]))
    def fail(self, which: int, wait: int | None) -> None:
        if job := self._claimed(which):
            self.run(self._failing(job, wait))

    def _failing(self, job: queue.ClaimedJob, wait: int | None) -> Step:
        now = self.model.now
        at = None if wait is None else now + timedelta(seconds=wait)
        return (
            lambda s: finishing.fail(s, job, code="x", text="x", now=now, retry_at=at).value,
            lambda model: model.fail(job.id, job.token, at),
        )

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        if job := self._claimed(which):
            self.run(self._releasing(job))

    def _releasing(self, job: queue.ClaimedJob) -> Step:
        return (
            lambda s: finishing.release(s, job, now=self.model.now).value,
            lambda model: model.release(job.id, job.token),
        )

    @rule(which=WHICH)
    def end_cancelled(self, which: int) -> None:
        if job := self._claimed(which):
            self.run(self._ending_cancelled(job))

    def _ending_cancelled(self, job: queue.ClaimedJob) -> Step:
        def ask(session: ScopedSession) -> str:
            finishing.end_cancelled(session, job, now=self.model.now)
            return "cancelled"

        return ask, lambda model: model.end_cancelled(job.id, job.token)

    @rule(which=WHICH)
    def heartbeat(self, which: int) -> None:
        if job := self._claimed(which):
            self.run(self._beating(job))

    def _beating(self, job: queue.ClaimedJob) -> Step:
        now = self.model.now
        return (
            lambda s: job.token in leases.heartbeat(s, [job], lease=LEASE, now=now),
            lambda model: model.heartbeat(job.id, job.token),
        )

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        if job := self._job(which):
            self.run(self._cancelling(job))

    def _cancelling(self, job: int) -> Step:
        return (
            lambda s: queue.cancel(s, job, now=self.model.now),
            lambda model: model.cancel(job),
        )

    @rule(which=WHICH)
    def retry_dead(self, which: int) -> None:
        if job := self._job(which):
            self.run(self._retrying(job))

    def _retrying(self, job: int) -> Step:
        return (
            lambda s: queue.retry_dead(s, job, now=self.model.now),
            lambda model: model.retry_dead(job),
        )

    @rule(seconds=st.sampled_from([5, 61]))
    def wait(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)

    @rule()
    def rescue(self) -> None:
        self.run((
            lambda s: len(leases.rescue(s, now=self.model.now)),
            QueueModel.rescue,
        ))  # fmt: skip

    @rule(
        which=WHICH,
        ends=st.permutations(["finish", "fail", "release", "claim"]),
        count=st.integers(1, 2),
    )
    def at_once(self, which: int, ends: list[str], count: int) -> None:
        """Cancel a job while others claim it or end it, all at the same moment. What comes of it
        must be what comes of these steps one after another, in some order."""
        job, taken = self._claimed(which), list[queue.ClaimedJob]()
        if job is None:
            return
        steps = {
            "finish": self._finishing(job),
            "fail": self._failing(job, 0),
            "release": self._releasing(job),
            "claim": self._claiming(taken),
        }
        chosen = [self._cancelling(job.id), *(steps[name] for name in ends[:count])]
        found = self._race(chosen)
        rows = self._rows()
        for order in permutations(range(len(chosen))):
            model = self.model.copy()
            expected = {at: chosen[at][1](model) for at in order}
            if [expected[at] for at in range(len(chosen))] == found and model.seen() == rows:
                self.model = model
                self._hold(taken)
                return
        raise AssertionError(f"no order of cancel, {ends[:count]} gives {found} and {rows}")

    def _race(self, steps: list[Step]) -> list[object]:
        ready = threading.Barrier(len(steps), timeout=10)

        def take(step: Step) -> object:
            ready.wait()
            return answer(lambda: self.database.transaction(SCOPE, step[0], durable=False))

        with ThreadPoolExecutor(len(steps)) as pool:
            return list(pool.map(take, steps))

    def _rows(self) -> dict[int, tuple[object, ...]]:
        with self.database.read(SCOPE) as session:
            rows = session.scalars(select(JobRow)).all()
            self.times = {row.id: row.run_at for row in rows}
            return {
                row.id: (
                    row.state, row.attempt, row.token is not None, row.cancel_at is not None,
                    row.lease_until, row.unique_key, row.lane,
                )
                for row in rows
            }  # fmt: skip

    @invariant()
    def says_what_the_model_says(self) -> None:
        assert self._rows() == self.model.seen()
        for n, job in self.model.jobs.items():
            if job.run_at is None:  # the queue spreads what lost its worker more than once
                assert timedelta(0) <= self.times[n] - self.model.now < timedelta(seconds=31)
                self.model.jobs[n] = replace(job, run_at=self.times[n])
            elif job.state == "ready":
                assert self.times[n] == job.run_at


def test_the_queue_does_what_its_model_does(database: Database, now: datetime) -> None:
    run_state_machine_as_test(
        lambda: QueueMachine(database, now),
        settings=settings(
            phases=[Phase.generate], max_examples=15, stateful_step_count=25, deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_fifty_inserts_of_one_key_at_once_give_one_job_at_a_time(
    database: Database, now: datetime
) -> None:
    """A worker claims and finishes meanwhile: each job that was returned was there and ran once."""
    over, returned = threading.Event(), []

    def insert(_: int) -> None:
        job = database.transaction(
            SCOPE, lambda s: queue.add(s, Job.PRUNE, {}, now=now, unique_key="one")
        )
        returned.append(job)

    def live() -> int:
        with database.read(SCOPE) as session:
            states = select(func.count()).where(JobRow.state.in_(["ready", "running"]))
            return session.scalar(states) or 0

    def work() -> list[int]:
        done: list[int] = []
        while not over.is_set() or live():
            assert live() <= 1
            for job in database.transaction(
                SCOPE, lambda s: claiming.claim(s, limit=10, lease=LEASE, now=now)
            ):
                database.transaction(SCOPE, lambda s, job=job: finishing.finish(s, job, now=now))
                done.append(job.id)
        return done

    with ThreadPoolExecutor(51) as pool:
        worker = pool.submit(work)
        list(pool.map(insert, range(50)))
        over.set()
        done = worker.result(30)
    assert len(returned) == 50
    assert sorted(done) == sorted(set(returned))


def test_a_cancellation_while_a_job_is_given_back_is_not_lost(
    database: Database, now: datetime
) -> None:
    """What the second of two transactions sees has changed when it may write."""
    if database.is_sqlite:
        pytest.skip("SQLite has one writer")
    job_id = database.transaction(SCOPE, lambda s: queue.add(s, Job.PRUNE, {}, now=now))
    (job,) = database.transaction(SCOPE, lambda s: claiming.claim(s, limit=1, lease=LEASE, now=now))
    released, asked = threading.Event(), threading.Event()

    def give_back(session: ScopedSession) -> None:
        finishing.release(session, job, now=now)
        released.set()
        asked.wait(0.3)  # the other waits for this commit, so that it never says so

    def cancel() -> bool:
        released.wait(10)
        return database.transaction(SCOPE, lambda s: queue.cancel(s, job_id, now=now))

    with ThreadPoolExecutor(2) as pool:
        both = pool.submit(database.transaction, SCOPE, give_back), pool.submit(cancel)
        assert both[1].result(10)
        both[0].result(10)
    with database.read(SCOPE) as session:
        assert session.get_one(JobRow, job_id).state == "cancelled"
