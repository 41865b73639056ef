"""The connectors of this installation, as the entry point hands them in."""

from __future__ import annotations

import strawberry
from strawberry import UNSET

from hub.errors import NotFound
from schema.common import PageInfo
from schema.context import ConnectorEntry, Context
from schema.mapping.values import page_size


@strawberry.type(name="Connector", description="A connector that connections can be made of.")
class ConnectorType:
    id: strawberry.ID = strawberry.field(
        description="Its name in `addConnection`; no global id, since nothing is stored of it."
    )
    name: str
    kind: str
    version: str
    capabilities: list[str]


@strawberry.type
class ConnectorEdge:
    cursor: str
    node: ConnectorType


@strawberry.type
class ConnectorConnection:
    nodes: list[ConnectorType]
    edges: list[ConnectorEdge]
    page_info: PageInfo
    total_count: int


def _connectors(
    info: strawberry.Info[Context, None], first: int | None = UNSET, after: str | None = UNSET
) -> ConnectorConnection:
    listed = sorted(info.context.connectors, key=lambda entry: entry["id"])
    names, size = [entry["id"] for entry in listed], page_size(None if first is UNSET else first)
    after = None if after is UNSET else after
    if after is not None and after not in names:
        raise NotFound("There is no such cursor.")
    begin = 0 if after is None else names.index(after) + 1
    shown = listed[begin : begin + size]
    nodes = [_node(entry) for entry in shown]
    return ConnectorConnection(
        nodes=nodes,
        edges=[ConnectorEdge(cursor=node.id, node=node) for node in nodes],
        page_info=PageInfo(
            has_next_page=begin + size < len(listed),
            has_previous_page=False,
            start_cursor=nodes[0].id if nodes else None,
            end_cursor=nodes[-1].id if nodes else None,
        ),
        total_count=len(listed),
    )


def _node(entry: ConnectorEntry) -> ConnectorType:
    return ConnectorType(
        id=strawberry.ID(entry["id"]),
        name=entry["name"],
        kind=entry["kind"],
        version=entry["version"],
        capabilities=list(entry["capabilities"]),
    )


@strawberry.type
class Query:
    connectors: ConnectorConnection = strawberry.field(
        resolver=_connectors, description="The connectors of this installation, by id."
    )
