"""The job table as Dramatiq's transport.

Dramatiq brings threads, time limits and middleware; the rows bring durability. A message carries a
job id and nothing else, and only `RowOutcome` writes how an attempt ended, so there is one owner of
retries.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

import dramatiq
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import QueueNotFound
from dramatiq.middleware import Middleware, ShutdownNotifications, TimeLimit
from dramatiq.middleware.time_limit import TimeLimitExceeded

from hub import log, metrics
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job, JobState
from hub.errors import (
    Cancelled,
    DeadlineNear,
    Held,
    HubError,
    LeaseLost,
    RateLimited,
    Transient,
    Unreachable,
    VendorDown,
)
from hub.storage import claiming, queue
from hub.storage.queue import ClaimedJob
from jobs.context import JobContext, RunningJob

logger = log.get(__name__)
_SCOPE = unrestricted_scope("job queue")
TOGETHER = 16
"""Jobs that are run in one transaction, where their kind allows it."""


class TableBroker(Broker):
    """Consumers claim rows; nothing is ever enqueued here (call `hub.storage.queue.add`)."""

    def __init__(self, context: JobContext) -> None:
        super().__init__(middleware=[])
        self.context = context
        self.lease = timedelta(seconds=context.settings.job_lease_seconds)
        self.held: dict[str, RunningJob] = {}
        self.held_lock = threading.Lock()
        self.long_kinds: frozenset[Job] = frozenset()
        self.queue_of: Mapping[Job, str] = {}
        self.together_kinds: frozenset[Job] = frozenset()
        self.outcome = RowOutcome(self)
        self.stopping = False
        for middleware in (self.outcome, TimeLimit(), ShutdownNotifications()):
            self.add_middleware(middleware)

    def add_middleware(
        self,
        middleware: Middleware,
        *,
        before: type[Middleware] | None = None,
        after: type[Middleware] | None = None,
    ) -> None:
        """As dramatiq does, but two of a kind are welcome: each queue has a worker of its own."""
        if all(type(known) is not type(middleware) for known in self.middleware):
            super().add_middleware(middleware, before=before, after=after)
            return
        self.middleware.append(middleware)
        for queue_name in self.get_declared_queues():
            middleware.after_declare_queue(self, queue_name)

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]
        return TableConsumer(self, queue_name, prefetch, timeout)

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        raise RuntimeError("jobs are added with hub.storage.queue.add, never sent")

    def hold(self, *jobs: ClaimedJob) -> None:
        with self.held_lock:
            self.held.update({job.token: RunningJob(self.context, job) for job in jobs})

    def give_back(self, job: ClaimedJob) -> None:
        """Make a job that was claimed and not begun ready again, without costing an attempt."""
        context = self.context
        try:
            context.database.transaction(
                _SCOPE,
                lambda session: queue.release(session, job, now=context.now()),
                durable=False,
            )
        except LeaseLost:
            logger.warning("lease lost before release", job_id=job.id)
        except Exception as error:  # the lease runs out by itself
            logger.error("job not given back", job_id=job.id, error_type=type(error).__name__)

    def stop(self) -> None:
        """Claim no more, and have jobs that may run for long end soon."""
        self.stopping = True
        with self.held_lock:
            for running in self.held.values():
                running.stop_asked = running.claimed.kind in self.long_kinds

    def drop(self, *tokens: str) -> None:
        with self.held_lock:
            for token in tokens:
                self.held.pop(token, None)

    def claimed(self, queue_name: str | None = None) -> list[ClaimedJob]:
        """The jobs in hand: of one queue, or all."""
        with self.held_lock:
            held = [running.claimed for running in self.held.values()]
        if queue_name is None:
            return held
        return [j for j in held if self.queue_of.get(j.kind, queue.DEFAULT_QUEUE) == queue_name]


class TableConsumer(Consumer):
    """Claims as many jobs as there is room for; waits for the bell, or polls each second.

    A message stands for one job, or for several of one kind and practice that are run together."""

    def __init__(self, broker: TableBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.prefetch = prefetch
        self.timeout = timeout / 1000
        self.ready: deque[list[ClaimedJob]] = deque()
        self.in_hand = 0
        self.bell = broker.context.database.bell.waiter()
        self._counting = threading.Lock()

    def __next__(self) -> MessageProxy | None:
        if not self.ready and not self._claim():
            self.bell.wait(self.timeout * random.uniform(0.8, 1.0))  # noqa: S311 - jitter
            return None
        jobs = self.ready.popleft()
        return MessageProxy(
            dramatiq.Message(
                queue_name=self.queue_name,
                actor_name=jobs[0].kind,
                args=tuple(job.token for job in jobs),
                kwargs={},
                options={},
                message_id=jobs[0].token,
            )
        )

    def _claim(self) -> bool:
        context, broker = self.broker.context, self.broker
        self.bell.clear()
        room = self.prefetch - self.in_hand
        if room <= 0 or broker.stopping:
            return False
        # Jobs that run for long get half of the threads at most: messages must not wait for them.
        busy = sum(job.kind in broker.long_kinds for job in broker.claimed(self.queue_name))
        threads = context.settings.worker_threads
        jobs = context.database.transaction(
            _SCOPE,
            lambda session: claiming.claim(
                session,
                limit=room,
                lease=broker.lease,
                now=context.now(),
                queue=self.queue_name,
                long=broker.long_kinds,
                long_limit=max(1, threads // 2) - busy,
                together=broker.together_kinds,
                together_limit=room * TOGETHER,
            ),
            durable=False,
        )
        broker.hold(*jobs)
        parts = parts_of(jobs, broker.together_kinds)
        self._count(len(parts))
        self.ready.extend(parts)
        return bool(jobs)

    def _count(self, change: int) -> None:
        with self._counting:
            self.in_hand += change

    def ack(self, message: MessageProxy) -> None:
        self.broker.drop(*message.args)
        self._count(-1)
        self.bell.set()

    def nack(self, message: MessageProxy) -> None:
        self.ack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was claimed and not begun, without costing an attempt."""
        tokens = [token for message in messages for token in message.args]
        tokens += [job.token for jobs in self.ready for job in jobs]
        self.ready.clear()
        for token in tokens:
            running = self.broker.held.get(token)
            if running is not None:
                self.broker.give_back(running.claimed)
                self.broker.drop(token)

    def close(self) -> None:
        self.requeue([])


def parts_of(jobs: Iterable[ClaimedJob], together: Collection[Job]) -> list[list[ClaimedJob]]:
    """What is run at once: single jobs, and some of one kind and practice that are run together. A
    job stays with the one it follows."""
    parts: list[list[ClaimedJob]] = []
    open_parts: dict[tuple[Job, str | None], list[ClaimedJob]] = {}
    for job in jobs:
        key = (job.kind, job.practice_id)
        part = open_parts.get(key)
        if part is None or (len(part) >= TOGETHER and not job.follows):
            part = []
            parts.append(part)
            if job.kind in together:
                open_parts[key] = part
        part.append(job)
    return parts


class RowOutcome(Middleware):
    """Writes done or failed to the row. Anything an actor did not finish is finished here."""

    def __init__(self, broker: TableBroker) -> None:
        self.broker = broker

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        for token in message.args:
            running = self.broker.held.get(token)
            if running is not None:
                self.settle(running, exception)

    def settle(self, running: RunningJob, exception: BaseException | None) -> None:
        """Write how one job ended, unless it is over already."""
        if running.finished:
            return
        try:
            if exception is None:
                running.finish(_SCOPE, lambda session: None)
            else:
                self._fail(running, exception)
            running.finished = True
        except LeaseLost:
            metrics.finishes_fenced.inc()
            logger.warning("lease lost", job_id=running.claimed.id, kind=running.claimed.kind)

    def _fail(self, running: RunningJob, exception: BaseException) -> None:
        if isinstance(exception, LeaseLost):
            raise exception
        context, job = running.context, running.claimed
        now = context.now()
        if isinstance(exception, Cancelled):
            context.database.transaction(
                _SCOPE, lambda session: queue.end_cancelled(session, job, now=now)
            )
            metrics.jobs_ended.labels(job.kind, JobState.CANCELLED).inc()
            return
        failure = classify(exception, job, context)
        state = context.database.transaction(
            _SCOPE,
            lambda session: queue.fail(
                session,
                job,
                code=failure.code,
                text=failure.text,
                now=now,
                retry_at=failure.retry_at,
                counts=failure.counts,
            ),
        )
        metrics.jobs_ended.labels(job.kind, state).inc()
        if isinstance(exception, Held):
            return
        level = logger.error if state is JobState.DEAD else logger.warning
        level(
            "job failed",
            job_id=job.id,
            kind=job.kind,
            attempt=job.attempt,
            code=failure.code,
            state=state,
            error_type=type(exception).__name__,
        )


class Failure:
    """How a failed attempt is recorded. `retry_at` None: dead at once."""

    def __init__(self, code: str, text: str, retry_at: Any, *, counts: bool = True) -> None:
        self.code = code
        self.text = text
        self.retry_at = retry_at
        self.counts = counts


def classify(exception: BaseException, job: ClaimedJob, context: JobContext) -> Failure:
    """The one table from exception to retry; texts of foreign exceptions may carry values and are
    replaced by their type."""
    now = context.now()
    if isinstance(exception, RateLimited):
        return Failure("RATE_LIMITED", str(exception), exception.retry_at, counts=False)
    if isinstance(exception, Held):
        return Failure(exception.code, str(exception), exception.retry_at, counts=False)
    if isinstance(exception, Unreachable):
        again = exception.retry_at or queue.retry_at(1, now)
        return Failure("UNREACHABLE", str(exception), again, counts=False)
    if isinstance(exception, Transient):
        again = queue.retry_at(job.attempt, now, exception.retry_after)
        return Failure(exception.code, str(exception), again)
    if isinstance(exception, VendorDown):
        return Failure(exception.code, str(exception), queue.retry_at(job.attempt, now))
    if isinstance(exception, DeadlineNear):
        return Failure("DEADLINE", str(exception), now, counts=False)
    if isinstance(exception, HubError):
        return Failure(exception.code, str(exception), None)
    text = f"An unexpected {type(exception).__name__} stopped the job."
    if isinstance(exception, TimeLimitExceeded):
        return Failure(
            "TIME_LIMIT", "The job ran longer than it may.", queue.retry_at(job.attempt, now)
        )
    return Failure("INTERNAL", text, queue.retry_at(job.attempt, now))
