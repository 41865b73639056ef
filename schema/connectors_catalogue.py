"""The connectors of this installation, as the entry point hands them in."""

from __future__ import annotations

import strawberry

from schema.context import Context


@strawberry.type(name="Connector", description="A connector that connections can be made of.")
class ConnectorType:
    id: strawberry.ID
    name: str
    kind: str
    version: str
    capabilities: list[str]


def _connectors(info: strawberry.Info[Context, None]) -> list[ConnectorType]:
    return [
        ConnectorType(
            id=strawberry.ID(entry["id"]),
            name=entry["name"],
            kind=entry["kind"],
            version=entry["version"],
            capabilities=list(entry["capabilities"]),
        )
        for entry in info.context.connectors
    ]


@strawberry.type
class Query:
    connectors: list[ConnectorType] = strawberry.field(
        resolver=_connectors, description="The connectors of this installation."
    )
