"""What a transport's server says about itself, for `doctor`."""

from __future__ import annotations

from urllib.parse import urlsplit

import pika
import redis

from hub.errors import BadSetting
from hub.settings import Settings
from hub.storage.queue import DEFAULT_QUEUE, SENDING_QUEUE
from jobs.rabbitmq_pointers import QUORUM

SECONDS = 5.0


def transport_facts(settings: Settings) -> str:
    """One line about the server of HUB_BROKER_URL; nothing is made or changed there.

    Raises BadSetting in one sentence if it does not answer or would not carry pointers safely.
    """
    scheme = urlsplit(settings.broker_url).scheme
    if scheme == "table":
        return "the job table carries jobs itself"
    try:
        return _redis(settings) if scheme.startswith("redis") else _rabbitmq(settings)
    except (redis.RedisError, pika.exceptions.AMQPError, OSError) as error:
        server = "Redis" if scheme.startswith("redis") else "RabbitMQ"
        raise BadSetting(
            f"{server} does not answer at HUB_BROKER_URL ({type(error).__name__})."
        ) from error


def _redis(settings: Settings) -> str:
    with redis.Redis.from_url(
        settings.broker_url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
    ) as client:
        return f"Redis {client.info('server')['redis_version']} answers"


def _rabbitmq(settings: Settings) -> str:
    parameters = pika.URLParameters(settings.broker_url)
    parameters.socket_timeout = parameters.blocked_connection_timeout = SECONDS
    with pika.BlockingConnection(parameters) as connection:
        if not connection.publisher_confirms_supported:
            raise BadSetting("The server at HUB_BROKER_URL does not confirm what is published.")
        version = connection._impl.server_properties["version"]
        for name in (DEFAULT_QUEUE, SENDING_QUEUE):
            _require_quorum(connection, f"{settings.broker_namespace}.{name}")
        return f"RabbitMQ {version} answers, confirms what is published and keeps quorum queues"


def _require_quorum(connection: pika.BlockingConnection, name: str) -> None:
    try:
        connection.channel().queue_declare(name, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return  # the first worker makes it
    try:
        connection.channel().queue_declare(name, durable=True, arguments=QUORUM)
    except pika.exceptions.ChannelClosedByBroker as error:
        raise BadSetting(
            f"The queue {name} is not a quorum queue; delete it, or set HUB_BROKER_NAMESPACE."
        ) from error
