"""Pointers through RabbitMQ: quorum queues, and publishing that waits for the server's confirm."""

from __future__ import annotations

from typing import Any

import pika
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from jobs.context import JobContext
from jobs.pointers import PointerBroker

QUORUM = {"x-queue-type": "quorum"}


class RabbitmqPointers(PointerBroker, RabbitmqBroker):
    """The server pushes, so that no bell is needed. There are no queues for delayed and for dead
    messages: when a job is due, and that it is dead, stands in its row."""

    def __init__(self, context: JobContext) -> None:
        super().__init__(
            context,
            url=context.settings.broker_url,
            confirm_delivery=True,
        )
        self.prefix = context.settings.broker_namespace

    def queue_name(self, queue_name: str) -> str:
        return f"{self.prefix}.{queue_name}"

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.queues_pending.add(queue_name)
            self.emit_after("declare_queue", queue_name)
        if ensure:
            self._ensure_queue(queue_name)  # type: ignore[no-untyped-call]

    def stay_connected(self) -> None:
        """Answer the server's heartbeats."""
        try:
            self.connection.process_data_events(0)
        except pika.exceptions.AMQPError:
            del self.connection

    def close(self) -> None:
        RabbitmqBroker.close(self)

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return QUORUM

    def _declare_dq_queue(self, queue_name: str) -> None:
        """None."""

    def _declare_xq_queue(self, queue_name: str) -> None:
        """None."""
