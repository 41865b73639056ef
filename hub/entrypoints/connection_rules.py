"""The settings of a connection that is added through GraphQL, checked by its connector."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from connectors import registry
from hub.entrypoints.connection_settings import checked
from hub.errors import ConfigError, Rejected
from schema.context import PreparedConnection

ON_THE_MACHINE = ("env:", "file:")


def prepare_connection(
    connector_id: str,
    config: Mapping[str, Any],
    routing: Mapping[str, Any],
    secrets: Collection[str],
    connection_id: str,
    before: Mapping[str, Any] | None = None,
) -> PreparedConnection:
    """Settings with references to the connection's own secrets, as its connector accepts them;
    `before` are those it has.

    References to the environment and to files are the operator's at the machine: refused here, or
    a caller could have them sent to an address of their choice. Those that stand in the same
    setting already may stay while no address changes. Raises NotFound for an unknown connector,
    Rejected naming the setting.
    """
    manifest = registry.get(connector_id)
    try:
        taken = checked(connector_id, config, dict(routing), secrets, connection_id, before=before)
    except ConfigError as error:
        raise Rejected(f"{error} {error.hint}".strip(), path=_path(error.field)) from None
    known = {} if before is None or taken.moved else before
    given = {key: value for key, value in config.items() if known.get(key) != value}
    if any(text.strip().startswith(ON_THE_MACHINE) for text in _texts(given)):
        raise Rejected(
            "Settings given here refer to no file and no variable; give the value in `secrets`.",
            path="config",
        )
    return PreparedConnection(
        taken.config, taken.routing, manifest.webhook is not None, taken.moved
    )


def _path(field: str) -> str:
    return field if field.startswith("routing") else f"config.{field}".rstrip(".")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
