"""How the GraphQL API reads and copies a message for whoever may see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from hub.services.arrivals import Arrival
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage
from schema.context import CopyMessage


def describe_message(
    content: bytes, connection: Connection | None, headers: Mapping[str, str]
) -> Mapping[str, Any]:
    """A message by the dialect of its connection, as `schema.context.DescribeMessage` wants it."""
    from connectors.ehr_hl7v2.config import Config  # few requests read messages
    from hub.entrypoints.hl7_described import decoded, describe, dialect_of

    config = dialect_of(connection) if connection is not None else Config()
    described = describe(content, config, headers)
    found: dict[str, Any] = orjson.loads(orjson.dumps(described, default=str))
    return found | {"text": decoded(content, config)}


def copying(now: Callable[[], datetime]) -> CopyMessage:
    """What `schema.context.CopyMessage` wants."""

    def copied(session: ScopedSession, message: InboundMessage, content: bytes) -> Arrival:
        from hub.entrypoints.hl7_judging_again import judged_copy  # few requests copy messages
        from hub.entrypoints.hl7_route_table import SCOPE, routes_of

        with session.reading_as(SCOPE) as of_the_hub:
            routes = routes_of(of_the_hub)
        return judged_copy(routes, message, content, now())

    return copied
