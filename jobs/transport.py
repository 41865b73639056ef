"""Which transport the setting HUB_BROKER_URL names."""

from __future__ import annotations

from urllib.parse import urlsplit

from jobs.broker import TableBroker
from jobs.context import JobContext
from jobs.holding import JobHolder


def open_broker(context: JobContext) -> JobHolder:
    """The transport of this process's jobs. Nothing is asked of a server yet: one that is away
    keeps jobs waiting and nobody from starting."""
    scheme = urlsplit(context.settings.broker_url).scheme
    if scheme in {"redis", "rediss"}:
        from jobs.redis_pointers import RedisPointers

        return RedisPointers(context)
    if scheme in {"amqp", "amqps"}:
        from jobs.rabbitmq_pointers import RabbitmqPointers

        return RabbitmqPointers(context)
    return TableBroker(context)
