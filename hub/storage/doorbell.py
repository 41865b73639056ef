"""The bell that wakes who waits for jobs: at once in this process, through PostgreSQL's NOTIFY in
others. Losing a ring costs time only: whoever waits also looks each second."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine

from hub import log
from hub.storage.driver_errors import driver_errors

logger = log.get(__name__)
REST_SECONDS = 0.01
"""Between two notifications: one stands for all that was committed meanwhile."""
LOOK_SECONDS = 1.0
EVERY = ""
"""Stands for every queue."""


class Doorbell:
    """Rung by `set`; each that waits has an event of its own, so that none takes another's ring."""

    def __init__(self, engine: Engine | None = None) -> None:
        """`engine` of a database that tells other processes; none where there are no others."""
        self._engine = engine
        self._waiters: list[tuple[str | None, threading.Event]] = []
        self._untold: set[str] = set()
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._teller = 0
        """The server's process that tells others for this one."""

    def set(self, queues: Collection[str] = (EVERY,)) -> None:
        """Ring for queues, here and elsewhere; call it after the commit."""
        self.ring_here(queues)
        if self._engine is not None:
            self._start(self._tell)
            with self._lock:
                self._untold.update(queues)
            self._rung.set()

    def waiter(self, queue: str | None = None) -> threading.Event:
        """An event that is set at each ring for a queue, or at all; whoever waits clears it before
        looking."""
        event = threading.Event()
        with self._lock:
            self._waiters.append((queue, event))
        if self._engine is not None:
            self._start(self._hear)
        return event

    def close(self) -> None:
        self._closed.set()
        self._rung.set()
        for thread in self._threads.values():
            thread.join(timeout=2 * LOOK_SECONDS)

    def ring_here(self, queues: Collection[str] = (EVERY,)) -> None:
        """For what this process will do itself."""
        for queue, event in self._waiters:
            if queue is None or queue in queues or EVERY in queues:
                event.set()

    def _start(self, run: Any) -> None:
        if run.__name__ in self._threads:
            return
        with self._lock:
            if run.__name__ not in self._threads and not self._closed.is_set():
                thread = threading.Thread(
                    target=self._keep_running, args=(run,), name="doorbell", daemon=True
                )
                thread.start()
                self._threads[run.__name__] = thread

    def _keep_running(self, run: Any) -> None:
        while not self._closed.is_set():
            try:
                run()
            except Exception as error:
                if not self._closed.wait(LOOK_SECONDS):
                    logger.warning("doorbell is out of order", error_type=type(error).__name__)

    def _connect(self) -> Any:
        assert self._engine is not None  # noqa: S101 - threads run only where there is one
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _tell(self) -> None:
        with self._connect() as connection:
            connection.exec_driver_sql("SET synchronous_commit TO off")
            driver = connection.connection.driver_connection
            self._teller = driver.info.backend_pid
            while not self._closed.is_set():
                self._rung.wait()
                self._rung.clear()
                with self._lock:
                    queues, self._untold = ",".join(self._untold), set()
                with driver_errors(connection):
                    driver.execute("SELECT pg_notify('hub_jobs', %s)", (queues,))
                self._closed.wait(REST_SECONDS)
            connection.invalidate()  # its settings must not return to the pool

    def _hear(self) -> None:
        with self._connect() as connection:
            connection.exec_driver_sql("LISTEN hub_jobs")
            self.ring_here()  # what was told before anybody listened
            driver = connection.connection.driver_connection
            try:
                while not self._closed.is_set():
                    for told in driver.notifies(timeout=LOOK_SECONDS, stop_after=1):
                        if told.pid != self._teller:  # who rang here rang all that wait here
                            self.ring_here(told.payload.split(","))
            finally:
                connection.invalidate()
