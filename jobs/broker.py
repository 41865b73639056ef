"""The job table as Dramatiq's transport: each process claims the rows its threads are free for."""

from __future__ import annotations

import math
from typing import Any

import dramatiq
from dramatiq.broker import Consumer
from dramatiq.errors import QueueNotFound

from hub.storage.queue import DEFAULT_QUEUE, SENDING_QUEUE
from jobs.context import JobContext
from jobs.holding import JobHolder
from jobs.table_consumer import TableConsumer, actor_that_runs


class TableBroker(JobHolder):
    """Consumers claim rows; nothing is ever enqueued here."""

    def __init__(self, context: JobContext, **options: Any) -> None:
        super().__init__(context, **options)
        self.consumers: dict[str, TableConsumer] = {}
        for queue_name in (DEFAULT_QUEUE, SENDING_QUEUE):
            self._declare_runner(queue_name)

    def _declare_runner(self, queue_name: str) -> None:
        """The actor that threads are called to. Each job it runs has a time limit of its own."""

        def run() -> None:
            self.consumers[queue_name].run_waiting()

        declare = dramatiq.actor(
            actor_name=actor_that_runs(queue_name),
            queue_name=queue_name,
            broker=self,
            time_limit=math.inf,
        )
        declare(run)

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]
        self.marks_done = True
        consumer = self.consumers[queue_name] = TableConsumer(self, queue_name, prefetch, timeout)
        return consumer

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        raise RuntimeError("jobs are added with hub.storage.queue.add, never sent")
