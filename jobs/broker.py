"""The job table as Dramatiq's transport: each process claims the rows its threads are free for."""

from __future__ import annotations

from typing import Any

from dramatiq.broker import Consumer
from dramatiq.errors import QueueNotFound

from jobs.holding import JobHolder
from jobs.table_consumer import TableConsumer


class TableBroker(JobHolder):
    """Consumers claim rows; nothing is ever enqueued here."""

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]
        self.marks_done = True
        return TableConsumer(self, queue_name, prefetch, timeout)

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        raise RuntimeError("jobs are added with hub.storage.queue.add, never sent")
