"""How the GraphQL API reads a message for whoever may see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from hub.storage.tables import Connection


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
