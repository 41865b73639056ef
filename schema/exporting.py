"""The next chunk of a bulk export: one root without page limit, read like every other page.

The same plan and the same reads as a query; only the page is larger and goes on from the last row.
Nested pages keep their `first`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from graphql import OperationType

from hub.errors import Conflict, NotFound, Rejected
from hub.services.exports import Chunk, Request
from hub.storage.reads.parts import Bound, Nodes, Order, PageInfo, RootPage
from hub.storage.reads.run import Reader
from schema.context import Context
from schema.documents import Documents, Invalid
from schema.mapping.mutate import Schema
from schema.mapping.plan import Planner

CHUNK = 1_000
NEXT = PageInfo("pageInfo", (("more", "hasNextPage"), ("end", "endCursor")))


def check(
    schema: Schema,
    context: Context,
    text: str,
    operation_name: str | None,
    variables: Mapping[str, Any],
) -> None:
    """Raises Rejected, CostExceeded or Forbidden if the document is none that can be exported."""
    _plan(schema, context, text, operation_name, variables)


def read_chunk(schema: Schema, context: Context, request: Request) -> Chunk:
    """Up to 1,000 rows after the export's cursor, one JSON object per line.

    Raises Forbidden or Rejected if the credential may no longer read all of it, and Conflict if
    the row it had come to is gone.
    """
    planner, key, part = _plan(
        schema, context, request.query, request.operation_name, request.variables
    )
    values = [*planner.values(), CHUNK, request.cursor]
    page = replace(
        part.page,
        first=Bound(len(values) - 2),
        after=None if request.cursor is None else Bound(len(values) - 1),
        outputs=(Nodes(key, _nodes(part).objects), replace(NEXT, key=f"{key}_")),
    )
    with context.read() as session:
        reader = Reader(session, context.now())
        try:
            written = reader.root(RootPage(key, page), values)
        except NotFound:
            raise Conflict(
                "A row or a right the export had come to is gone; start it again."
            ) from None
    rows, info = written[key], written[f"{key}_"]
    reading = reader.reading
    return Chunk(
        text=b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows),
        rows=len(rows),
        cursor=info["end"] if info["more"] else None,
        entities=reading.audited(),
        practice_ids=frozenset(reading.practice_ids),
        subjects=frozenset(context.crypto.subjects(reading.subjects)),
    )


def _plan(
    schema: Schema,
    context: Context,
    text: str,
    operation_name: str | None,
    variables: Mapping[str, Any],
) -> tuple[Planner, str, RootPage]:
    documents = Documents(schema.schema_for(context.scope), introspection=False)
    try:
        operation, _ = documents.bind(documents.get(text), operation_name, variables)
    except Invalid as invalid:
        raise Rejected(invalid.errors[0]["message"], path="query", reason="document") from None
    roots = list(operation.roots.items())
    if operation.definition.operation is not OperationType.QUERY or len(roots) != 1:
        raise Rejected("An export is a query of one list.", path="query")
    key, nodes = roots[0]
    planner = Planner(schema.declared, operation, context.scope, context.crypto)
    name = nodes[0].name.value
    part = planner.root(key, nodes) if planner.can(name) else None
    if not isinstance(part, RootPage):
        raise Rejected("An export is a query of one list.", path="query")
    given = operation.arguments(operation.root_type.name, nodes[0])
    stated = {argument.name.value for node in nodes for argument in node.arguments or ()}
    if stated & {"first", "after"} or given.get("after") is not None:
        raise Rejected("An export has no pages; leave out `first` and `after`.", path="query")
    _nodes(part)
    planner.values()
    if given.get("orderBy") is None:  # by id, which never changes while the export runs
        part = replace(part, page=replace(part.page, order=Order(())))
    return planner, key, part


def _nodes(part: RootPage) -> Nodes:
    """The selection to export."""
    found = part.page.outputs
    if len(found) != 1 or not isinstance(found[0], Nodes):
        raise Rejected("An export selects `nodes` of its list and nothing else.", path="query")
    return found[0]
