"""The jobs a process has in hand, whatever brought them: claimed rows, leases and middleware.

Dramatiq brings threads, time limits and middleware; the rows bring durability. A message carries
tokens of claimed jobs, and only `RowOutcome` writes how an attempt ended, so there is one owner of
retries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from queue import PriorityQueue
from typing import Any

import dramatiq
from dramatiq.broker import Broker
from dramatiq.middleware import Middleware, MiddlewareError, ShutdownNotifications, TimeLimit

from hub import log
from hub.domain.agreements import operations_scope
from hub.domain.jobs import Job, JobState
from hub.errors import LeaseLost
from hub.services import ended
from hub.storage import claiming, finishing, leases, queue
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from jobs.context import JobContext, RunningJob
from jobs.outcome import RowOutcome

logger = log.get(__name__)
_SCOPE = operations_scope("job queue")
TOGETHER = 32
"""Jobs that are run in one transaction, where their kind allows it."""
FEW_TOGETHER = 8
"""Where those who wait for a commit wait behind them."""
MOST_TOGETHER = 256
"""Jobs of such kinds that are claimed at once."""


class JobHolder(Broker):
    """What every transport has in common. Jobs are added with `hub.storage.queue.add`, never sent
    by an actor."""

    marks_done = False
    """Whether jobs that end without effects are marked done later, many at once."""
    by_pointer = False
    """Whether claimed jobs are sent to whoever is free, and begun there."""

    def __init__(self, context: JobContext, **options: Any) -> None:
        self._handlers: dict[str, list[Callable[..., None]]] = {}
        super().__init__(middleware=[], **options)
        self.context = context
        self.lease = timedelta(seconds=context.settings.job_lease_seconds)
        self.held: dict[str, RunningJob] = {}
        self.held_lock = threading.Lock()
        self.long_kinds: frozenset[Job] = frozenset()
        self.queue_of: Mapping[Job, str] = {}
        self.waiting: dict[str, PriorityQueue[Any]] = {}
        """By queue, the messages no thread has taken yet."""
        self.threads: dict[str, int] = {}
        """By queue, how many threads there are."""
        self.together_kinds: frozenset[Job] = frozenset()
        self.lane_kinds: frozenset[Job] = frozenset()
        self.outcome = RowOutcome(self)
        self.stopping = False
        for middleware in (self.outcome, TimeLimit(), ShutdownNotifications()):
            self.add_middleware(middleware)

    @property
    def most_together(self) -> int:
        return FEW_TOGETHER if self.context.database.is_waited_for else TOGETHER

    def start(self) -> None:
        """Begin to listen, where a transport needs to; `close` ends it."""

    def threads_of(self, queue_name: str) -> int:
        return self.threads.get(queue_name, self.context.settings.worker_threads)

    def queue_name(self, queue_name: str) -> str:
        """What a queue is called where messages wait."""
        return queue_name

    def add_middleware(
        self,
        middleware: Middleware,
        *,
        before: type[Middleware] | None = None,
        after: type[Middleware] | None = None,
    ) -> None:
        """As dramatiq does, but two of a kind are welcome: each queue has a worker of its own."""
        self._handlers.clear()
        if all(type(known) is not type(middleware) for known in self.middleware):
            super().add_middleware(middleware, before=before, after=after)
            return
        self.middleware.append(middleware)
        for queue_name in self.get_declared_queues():
            middleware.after_declare_queue(self, queue_name)

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        for handler in self._handlers_of("before_" + signal):
            try:
                handler(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception as error:
                logger.error("middleware failed", signal=signal, error_type=type(error).__name__)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        for handler in reversed(self._handlers_of("after_" + signal)):
            try:
                handler(self, *args, **kwargs)
            except Exception as error:
                logger.error("middleware failed", signal=signal, error_type=type(error).__name__)

    def _handlers_of(self, name: str) -> list[Callable[..., None]]:
        """What middleware does at a signal. Dramatiq calls each for every signal of every message,
        most of them to do nothing."""
        found = self._handlers.get(name)
        if found is None:
            idle = getattr(Middleware, name)
            wanted = [each for each in self.middleware if getattr(type(each), name) is not idle]
            found = self._handlers[name] = [getattr(each, name) for each in wanted]
        return found

    def hold(self, *jobs: ClaimedJob) -> None:
        with self.held_lock:
            self.held.update({job.token: RunningJob(self.context, job) for job in jobs})

    def give_back(self, job: ClaimedJob) -> None:
        """Make a job that was claimed and not begun ready again, without costing an attempt."""
        context = self.context
        try:
            context.database.transaction(
                _SCOPE,
                lambda session: _release(session, job, context.now()),
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
        self.context.database.bell.ring_here()  # to give back what was not begun

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

    def claim(
        self,
        session: ScopedSession,
        queue_name: str,
        room: int,
        elsewhere: Mapping[str, Job] | None = None,
    ) -> list[ClaimedJob]:
        """Take due jobs of a queue for `room` messages. `elsewhere` are those of it that this
        process took and does not hold: token and kind."""
        return self.send_claim(session, queue_name, room, elsewhere)()

    def send_claim(
        self,
        session: ScopedSession,
        queue_name: str,
        room: int,
        elsewhere: Mapping[str, Job] | None = None,
    ) -> Callable[[], list[ClaimedJob]]:
        """Like `claim`, whose jobs are asked for when a pipeline is over."""
        context = self.context
        taken = {job.token: job.kind for job in self.claimed(queue_name)}
        taken.update(elsewhere or {})
        # Jobs that run for long get half of the threads at most: messages must not wait for them.
        busy = sum(kind in self.long_kinds for kind in taken.values())
        return claiming.send_claim(
            session,
            limit=room,
            lease=self.lease,
            now=context.now(),
            queue=queue_name,
            long=self.long_kinds,
            long_limit=max(1, context.settings.worker_threads // 2) - busy,
            together=self.together_kinds,
            in_lane=self.lane_kinds,
            together_limit=max(room, min(room * self.most_together, MOST_TOGETHER)),
            begin=not self.by_pointer,
        )

    def message(self, queue_name: str, jobs: list[ClaimedJob]) -> dramatiq.Message[None]:
        """What stands for jobs that are run at once."""
        return dramatiq.Message(
            queue_name=self.queue_name(queue_name),
            actor_name=jobs[0].kind,
            args=tuple(job.token for job in jobs),
            kwargs={},
            options={},
            message_id=jobs[0].token,
        )


def _release(session: ScopedSession, job: ClaimedJob, now: datetime) -> None:
    if finishing.release(session, job, now=now) == JobState.CANCELLED:
        ended.note_end(session, job.kind, job.args, why=leases.CANCELLED, now=now)


def parts_of(
    jobs: Iterable[ClaimedJob], together: Collection[Job], most: int = TOGETHER
) -> list[list[ClaimedJob]]:
    """What is run at once: single jobs, and some of one kind and practice that are run together. A
    job stays with the one it follows, and one that was tried before is by itself: it may be what
    ended the process, and must not take the others along again."""
    parts: list[list[ClaimedJob]] = []
    open_parts: dict[tuple[Job, str | None], list[ClaimedJob]] = {}
    for job in jobs:
        if job.follows and job.kind not in together:
            parts[-1].append(job)  # it was taken right behind its head
            continue
        key = (job.kind, job.practice_id)
        shares = job.kind in together and job.attempt == 1
        part = open_parts.get(key) if shares else None
        if part is None or (len(part) >= most and not job.follows):
            part = []
            parts.append(part)
            if shares:
                open_parts[key] = part
        part.append(job)
    return parts
