"""A process's job worker: Dramatiq threads, the heartbeat and the schedules."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dramatiq

from hub import log, metrics
from hub.domain.agreements import operations_scope
from hub.domain.jobs import JobState
from hub.services import ended
from hub.storage import leases, schedules
from hub.storage.leases import Rescued
from hub.storage.queue import DEFAULT_QUEUE, SENDING_QUEUE
from hub.storage.session import ScopedSession
from jobs import halting
from jobs.actors import ACTORS
from jobs.context import JobContext
from jobs.niceness import GivesWay
from jobs.pointers import Dispatcher, PointerBroker
from jobs.running import bound
from jobs.schedule import SCHEDULES
from jobs.transport import open_broker

logger = log.get(__name__)
_SCOPE = operations_scope("worker")
SHUTDOWN_MILLISECONDS = 20_000
SCHEDULE_SECONDS = 10.0


def rescue(session: ScopedSession, now: datetime) -> list[Rescued]:
    """Free jobs whose lease ran out, and write down what that ends."""

    def held_until(kind: str, args: Mapping[str, Any]) -> datetime | None:
        return now + halting.LOOK_AGAIN if halting.holds(session, kind, args) else None

    rescued = leases.rescue(session, now=now, held_until=held_until)
    for job in rescued:
        if job.over:
            ended.note_end(session, job.kind, job.args, why=job.over, now=now)
    return rescued


def tell(rescued: Sequence[Rescued]) -> None:
    """Count and log what was freed, once it is committed."""
    metrics.leases_rescued.inc(len(rescued))
    logger.warning("expired leases freed", count=len(rescued))
    for job in rescued:
        if job.state is not JobState.READY:
            metrics.jobs_ended.labels(job.kind, job.state).inc()
        elif job.over:
            halting.alarm(str(job.args["inbox_id"]), None, leases.LOST_CODE)
        if job.state is JobState.DEAD:
            logger.error(
                "job failed",
                job_id=job.id,
                kind=job.kind,
                attempt=job.attempt,
                code=leases.LOST_CODE,
                state=job.state,
            )


class JobWorker:
    """Runs jobs in threads of this process until stopped.

    Idle threads look at the table every `poll_milliseconds`; a commit in this process wakes them at
    once. With `gives_way` other processes of the machine come first.
    """

    def __init__(
        self,
        context: JobContext,
        *,
        run_schedules: bool = True,
        poll_milliseconds: int = 1000,
        gives_way: bool = False,
    ) -> None:
        self.context = context
        self.broker = open_broker(context)
        if gives_way:
            self.broker.add_middleware(GivesWay())
        self.broker.long_kinds = frozenset(k for k, s in ACTORS.items() if s.is_long)
        several = {kind: spec for kind, spec in ACTORS.items() if spec.together}
        self.broker.together_kinds = frozenset(k for k, s in several.items() if not s.in_lane)
        self.broker.lane_kinds = frozenset(k for k, s in several.items() if s.in_lane)
        for kind, spec in ACTORS.items():
            declare = dramatiq.actor(
                actor_name=kind,
                queue_name=self.broker.queue_name(spec.queue),
                broker=self.broker,
                time_limit=spec.time_limit,
            )
            declare(bound(self.broker, spec))
        self.broker.queue_of = {kind: spec.queue for kind, spec in ACTORS.items()}
        settings = context.settings
        self._worker = self._threads(DEFAULT_QUEUE, settings.worker_threads, poll_milliseconds)
        self._sender = self._threads(SENDING_QUEUE, settings.sender_threads, poll_milliseconds)
        self._dispatchers = self._dispatching(poll_milliseconds / 1000)
        self._stopping = threading.Event()
        self._run_schedules = run_schedules
        self._pulse = threading.Thread(target=self._keep_alive, name="job-heartbeat", daemon=True)

    def _threads(self, queue_name: str, count: int, poll_milliseconds: int) -> dramatiq.Worker:
        name = self.broker.queue_name(queue_name)
        worker = dramatiq.Worker(
            self.broker, queues={name}, worker_threads=count, worker_timeout=poll_milliseconds
        )
        self.broker.waiting[name] = worker.work_queue
        self.broker.threads[name] = count
        return worker

    def _dispatching(self, poll_seconds: float) -> list[Dispatcher]:
        if not isinstance(self.broker, PointerBroker):
            return []
        return [
            Dispatcher(self.broker, name, worker.queue_prefetch, poll_seconds)
            for name, worker in ((DEFAULT_QUEUE, self._worker), (SENDING_QUEUE, self._sender))
        ]

    def start(self) -> None:
        self.broker.emit_after("process_boot")  # starts the thread behind time limits
        self.broker.start()
        for worker in (self._worker, self._sender):
            worker.start()
        for dispatcher in self._dispatchers:
            dispatcher.start()
        self._pulse.start()

    def stop(self) -> None:
        """Finish running jobs (at most 20 s); give back the others, and those that run for long as
        soon as they look up."""
        self.broker.stop()
        try:
            for dispatcher in self._dispatchers:
                dispatcher.stop()
            senders = threading.Thread(target=self._sender.stop, args=(SHUTDOWN_MILLISECONDS,))
            senders.start()
            self._worker.stop(SHUTDOWN_MILLISECONDS)
            senders.join()
        finally:
            self._stopping.set()  # leases are kept until the last job in hand is over
            self._pulse.join(timeout=5)
            self.context.links.close()
            self.context.author.close()
            self.broker.close()

    def _keep_alive(self) -> None:
        lease = self.broker.lease
        every = max(0.2, min(SCHEDULE_SECONDS, lease.total_seconds() / 4))
        while True:
            # One transaction each: what stops one of them must not let the leases run out.
            for beat in (self._extend, self._rescue, self._tick, self._replace_dead_threads):
                try:
                    beat()
                except Exception as error:
                    logger.error("heartbeat failed", error_type=type(error).__name__)
            if self._stopping.wait(every):
                return

    def _extend(self) -> None:
        jobs, lease, now = self.broker.claimed(), self.broker.lease, self.context.now()
        asked = self.context.database.transaction(
            _SCOPE,
            lambda session: leases.heartbeat(session, jobs, lease=lease, now=now),
            durable=False,
        )
        for token in asked:
            running = self.broker.held.get(token)
            if running is not None:
                running.cancel_asked = True

    def _rescue(self) -> None:
        now = self.context.now()
        rescued = self.context.database.transaction(
            _SCOPE, lambda session: rescue(session, now), durable=False
        )
        if rescued:
            self.context.database.bell.set()
            tell(rescued)

    def _tick(self) -> None:
        if not self._run_schedules or self.broker.stopping:
            return
        now = self.context.now()
        if self.context.database.transaction(
            _SCOPE, lambda session: schedules.tick(session, SCHEDULES, now=now)
        ):
            self.context.database.bell.set()

    def _replace_dead_threads(self) -> None:
        """A time limit that strikes outside the actor ends its thread; Dramatiq starts no other."""
        for worker in (self._worker, self._sender):
            for dead in [thread for thread in worker.workers if not thread.is_alive()]:
                if not self.broker.stopping:
                    logger.error("worker thread ended", count=1)
                    worker.workers.remove(dead)
                    worker._add_worker()
        for queue, worker in ((DEFAULT_QUEUE, self._worker), (SENDING_QUEUE, self._sender)):
            alive = sum(thread.is_alive() for thread in worker.workers)
            metrics.worker_threads.labels(queue).set(alive)
