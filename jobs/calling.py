"""How a job calls a connector: its context, and what a refusal means for the connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from connectors import registry
from connectors.sdk.base import Connector
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from hub import metrics, tracing
from hub.domain.agreements import operations_scope
from hub.errors import DataError, Held, HubError, NotFound, NotSupported, VendorRefused
from hub.services import connections as connection_service
from hub.storage import connections
from hub.storage.tables import Connection
from jobs.context import JobContext, RunningJob

_SCOPE = operations_scope("connector call")
REQUEST_SECONDS = 20.0
HELD_FOR = timedelta(minutes=5)
"""How soon held work looks again by itself; resuming a connection wakes it at once."""


@dataclass(frozen=True, slots=True)
class JobClock:
    context: JobContext

    def now(self) -> datetime:
        return self.context.now()


def stored_connection(context: JobContext, connection_id: str) -> Connection:
    """The connection's row; NotFound if it was removed."""
    with context.database.read(_SCOPE) as session:
        row = connections.get(session, connection_id)
    if row is None:
        raise NotFound("The connection no longer exists.")
    return row


def connector_of(connection: Connection) -> tuple[Connector, ConnectorConfig]:
    """The connector's code and its validated settings; ConfigError names a bad setting."""
    settings = json.dumps(connection.config, sort_keys=True)
    return registry.load(connection.connector_id), _config(connection.connector_id, settings)


@lru_cache(maxsize=256)
def _config(connector_id: str, settings: str) -> ConnectorConfig:
    """Settings are immutable, and validating them costs more than reading most messages."""
    return registry.validate_config(connector_id, json.loads(settings))


@contextmanager
def calling(
    job: RunningJob, connection: Connection, *, seconds: float
) -> Iterator[tuple[Connector, Ctx]]:
    """Hand out a connector and the context of one call; a refusal is noted on the connection.

    `seconds` is how long the engine gives the call. Raises whatever the connector raises.
    """
    context = job.context
    require_running(context, connection)
    with _measured(connection.connector_id):
        try:
            with opened(context, connection, seconds, lambda: job.cancel_asked) as opening:
                yield opening
        except (DataError, NotSupported):
            raise
        except VendorRefused as error:
            refused = error
            context.database.transaction(
                _SCOPE,
                lambda session: connection_service.note_failure(session, connection.id, refused),
            )
            raise


@contextmanager
def _measured(connector_id: str) -> Iterator[None]:
    """Count a call and its time by connector and outcome."""
    began, outcome = time.perf_counter(), "ok"
    try:
        yield
    except HubError as error:
        outcome = error.code
        raise
    except BaseException:
        outcome = "INTERNAL"
        raise
    finally:
        seconds = time.perf_counter() - began
        metrics.vendor_calls.labels(connector_id, outcome).observe(seconds)


@contextmanager
def opened(
    context: JobContext, connection: Connection, seconds: float, cancelled: Callable[[], bool]
) -> Iterator[tuple[Connector, Ctx]]:
    """A connector and the context of one call, which notes nothing on the connection."""
    connector, config = connector_of(connection)
    http = Http(
        egress=registry.get(connection.connector_id).egress,
        clock=JobClock(context),
        allow_loopback=context.settings.profile == "demo",
        timeout=min(seconds, REQUEST_SECONDS),
    )
    ctx = Ctx(
        connection_id=connection.id,
        config=config,
        http=http,
        secrets=connection_service.SecretStore(context.database, context.crypto, connection.id),
        clock=JobClock(context),
        deadline=context.now() + timedelta(seconds=seconds),
        progress=lambda count: None,
        cancelled=cancelled,
    )
    try:
        with tracing.span("connector", {"connector": connection.connector_id}, kind="CLIENT"):
            yield connector, ctx
    finally:
        http.close()


def require_running(context: JobContext, connection: Connection) -> None:
    """Raise Held while the connection is paused: what arrived stays stored and waits."""
    if connection.paused:
        raise Held("The connection is paused.", retry_at=context.now() + HELD_FOR)
