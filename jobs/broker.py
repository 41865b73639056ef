"""The job table as Dramatiq's transport: each process claims the rows its threads are free for."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import QueueNotFound

from hub.storage.queue import ClaimedJob
from jobs.holding import JobHolder, parts_of


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
        return TableConsumer(self, queue_name, prefetch, timeout)

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        raise RuntimeError("jobs are added with hub.storage.queue.add, never sent")


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
        return MessageProxy(self.broker.message(self.queue_name, self.ready.popleft()))

    def _claim(self) -> bool:
        broker = self.broker
        self.bell.clear()
        room = self.prefetch - self.in_hand
        if room <= 0 or broker.stopping:
            return False
        jobs = broker.claim(self.queue_name, room)
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
