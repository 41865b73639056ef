"""Pointers through Redis, or what speaks its protocol."""

from __future__ import annotations

import random
import threading
from typing import Any

import dramatiq
import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer

from hub import log
from jobs.context import JobContext
from jobs.pointers import AGAIN_SECONDS, PointerBroker

logger = log.get(__name__)
HEARTBEAT_MILLISECONDS = 15_000
"""After which the messages of a worker that died go to others."""
MAINTENANCE_ALWAYS = 1_000_000
DEAD_MILLISECONDS = 60_000
"""What no worker here can run; the row is sent anew when its lease ends."""
CLIENT_SECONDS = 10.0


class RedisPointers(PointerBroker, RedisBroker):
    """Workers look each second, and at once when a pointer is published on the bell's channel."""

    def __init__(self, context: JobContext) -> None:
        settings = context.settings
        client = redis.Redis.from_url(
            settings.broker_url,
            socket_timeout=CLIENT_SECONDS,
            socket_connect_timeout=CLIENT_SECONDS,
            socket_keepalive=True,
        )
        super().__init__(
            context,
            client=client,
            namespace=settings.broker_namespace,
            heartbeat_timeout=HEARTBEAT_MILLISECONDS,
            maintenance_chance=MAINTENANCE_ALWAYS,
            dead_message_ttl=DEAD_MILLISECONDS,
        )
        self.channel = f"{settings.broker_namespace}.bell"
        self.waiters: set[threading.Event] = set()
        self._closed = threading.Event()
        self._hearing = threading.Thread(target=self._hear, name="redis-bell", daemon=True)

    @property
    def consumer_class(self) -> type[_RedisConsumer]:
        return _WokenConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Without a queue for delayed messages: when a job is due stands in its row."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def publish(self, message: dramatiq.Message[None]) -> None:
        super().publish(message)
        self.client.publish(self.channel, b"")

    def waiter(self) -> threading.Event:
        """An event that is set whenever someone has sent a pointer."""
        event = threading.Event()
        self.waiters.add(event)
        return event

    def start(self) -> None:
        self._hearing.start()

    def close(self) -> None:
        self._closed.set()
        if self._hearing.is_alive():
            self._hearing.join(2 * AGAIN_SECONDS)
        self.client.close()

    def _hear(self) -> None:
        while not self._closed.is_set():
            try:
                with self.client.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(self.channel)
                    self._ring()  # what was sent before anybody listened
                    while not self._closed.is_set():
                        if channel.get_message(timeout=AGAIN_SECONDS) is not None:
                            self._ring()
            except redis.RedisError as error:
                logger.warning("the bell of Redis is away", error_type=type(error).__name__)
                self._closed.wait(AGAIN_SECONDS)

    def _ring(self) -> None:
        for event in tuple(self.waiters):
            event.set()


class _WokenConsumer(_RedisConsumer):
    """Waits for the bell where Dramatiq's consumer sleeps."""

    def __init__(self, broker: RedisPointers, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout=1)  # type: ignore[no-untyped-call]
        self._wait = timeout / 1000
        self._bell = broker.waiter()

    def __next__(self) -> MessageProxy | None:
        self._bell.clear()
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is None:
            self._bell.wait(self._wait * random.uniform(0.8, 1.0))  # noqa: S311 - jitter
        return message

    def ack(self, message: Any) -> None:
        super().ack(message)  # type: ignore[no-untyped-call]
        self._bell.set()  # there is room for another

    def close(self) -> None:
        self.broker.waiters.discard(self._bell)
