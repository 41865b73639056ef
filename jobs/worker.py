"""A process's job worker: Dramatiq threads, the heartbeat and the schedules."""

from __future__ import annotations

import threading
from collections.abc import Callable

import dramatiq

from hub import log
from hub.domain.agreements import unrestricted_scope
from hub.storage import queue, schedules
from hub.storage.session import ScopedSession
from jobs.actors import ACTORS, ActorFunction
from jobs.broker import TableBroker
from jobs.context import JobContext
from jobs.schedule import SCHEDULES

logger = log.get(__name__)
_SCOPE = unrestricted_scope("worker")
SHUTDOWN_MILLISECONDS = 20_000
SCHEDULE_SECONDS = 10.0


class JobWorker:
    """Runs jobs in threads of this process until stopped.

    Idle threads look at the table every `poll_milliseconds`; a commit in this process wakes them at
    once.
    """

    def __init__(
        self, context: JobContext, *, run_schedules: bool = True, poll_milliseconds: int = 1000
    ) -> None:
        self.context = context
        self.broker = TableBroker(context)
        for kind, spec in ACTORS.items():
            declare = dramatiq.actor(
                actor_name=kind, broker=self.broker, time_limit=spec.time_limit
            )
            declare(_bound(self.broker, spec.run))
        self._worker = dramatiq.Worker(
            self.broker,
            worker_threads=context.settings.worker_threads,
            worker_timeout=poll_milliseconds,
        )
        self._stopping = threading.Event()
        self._run_schedules = run_schedules
        self._pulse = threading.Thread(target=self._keep_alive, name="job-heartbeat", daemon=True)

    def start(self) -> None:
        self.broker.emit_after("process_boot")  # starts the thread behind time limits
        self._worker.start()
        self._pulse.start()

    def stop(self) -> None:
        """Finish running jobs (at most 20 s), give back the others."""
        self._stopping.set()
        self._worker.stop(timeout=SHUTDOWN_MILLISECONDS)
        self._pulse.join(timeout=5)

    def _keep_alive(self) -> None:
        lease = self.broker.lease
        every = max(0.2, min(SCHEDULE_SECONDS, lease.total_seconds() / 4))
        while True:
            try:
                self._beat()
            except Exception as error:
                logger.error("heartbeat failed", error_type=type(error).__name__)
            if self._stopping.wait(every):
                return

    def _beat(self) -> None:
        database, now = self.context.database, self.context.now()
        tokens = self.broker.tokens()

        def work(session: ScopedSession) -> set[str]:
            asked = queue.heartbeat(session, tokens, lease=self.broker.lease, now=now)
            rescued = queue.rescue(session, now=now)
            if self._run_schedules:
                schedules.tick(session, SCHEDULES, now=now)
            if rescued:
                logger.warning("expired leases freed", count=rescued)
            return asked

        for token in database.transaction(_SCOPE, work):
            running = self.broker.held.get(token)
            if running is not None:
                running.cancel_asked = True


def _bound(broker: TableBroker, run: ActorFunction) -> Callable[[str], None]:
    def actor(token: str) -> None:
        running = broker.held.get(token)
        if running is not None:
            run(running)

    return actor
