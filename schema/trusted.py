"""How operations would be answered: which way each root field goes, at what cost, by which index.

Asked before a document is stored for a credential, when the service starts, and by developers.
Values never show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    Visitor,
    type_from_ast,
    visit,
)

from hub.errors import Rejected
from hub.storage.reads.explain import TableAccess, explain
from hub.storage.reads.write import global_id
from hub.storage.tables import Base
from schema.context import Context
from schema.documents import Document
from schema.execute import Engine, Prepared
from schema.mapping.types import PAGE_SIZE

_SAMPLES: dict[str, Any] = {
    "Int": PAGE_SIZE,
    "Float": 1.0,
    "Boolean": True,
    "String": "a",
    "Date": "2026-01-01",
    "DateTime": "2026-01-01T00:00:00Z",
    "Decimal": "1",
    "JSON": {},
}


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """`modes`: root field → text (written by the one SQL statement), rows (level by level) or plain
    (nothing stored). `accesses` are those of the statement."""

    modes: dict[str, str]
    cost: int
    kept: bool
    accesses: tuple[TableAccess, ...]

    def shown(self) -> dict[str, Any]:
        """As the extension of an answer."""
        reads = [
            {"table": a.table, "index": a.index, "scanned": a.scanned}
            for a in dict.fromkeys(self.accesses)
        ]
        return {"modes": self.modes, "cost": self.cost, "kept": self.kept, "reads": reads}


def shown_plan(context: Context, prepared: Prepared) -> ShownPlan | None:
    """How a prepared query would be answered now; None for what is no query. Blocking. Raises
    Rejected for a value that may not be."""
    plan = prepared.plan
    if plan is None:
        return None
    accesses: list[TableAccess] = []
    if plan.texts:
        values, sets = plan.values(prepared.operation.variables), context.scope_parts[1]
        parameters = [fill(values, sets, context.scope) for fill in plan.compiled.fills]
        with context.read() as session:
            accesses = explain(session, plan.compiled, parameters)
    modes = {
        key: "text" if key in plan.texts else "rows" if key in plan.rows else "plain"
        for key in plan.keys
    }
    return ShownPlan(modes, prepared.cost, plan.read.kept, tuple(accesses))


def refuse_scans(plan: ShownPlan) -> None:
    """Raises Rejected if every row of a practice's table would be looked at."""
    for access in plan.accesses:
        table = Base.metadata.tables[access.table]
        if access.scanned and "practice_id" in table.primary_key.columns:
            raise Rejected(
                f"It would read every row of {access.table}; no index serves it.", reason="scan"
            )


def sampled(engine: Engine, context: Context, text: str) -> Iterator[Prepared]:
    """The operations of a document with made-up variables, once for each type that an id among
    them may name. Raises Invalid, Rejected or CostExceeded."""
    document = engine.documents_for(context.scope).get(text)
    schema = engine.schema.schema_for(context.scope)
    for name, definition in document.operations.items():
        for type_name in _types_named(engine, document):
            variables = _variables(schema, definition, type_name)
            yield engine.prepare(context, text, variables, name or None)


def _types_named(engine: Engine, document: Document) -> list[str]:
    """The types with global ids that fragments of the document speak of; any one if none does."""
    named = _TypeConditions()
    visit(document.node, named)
    nodes = [name for name, item in engine.schema.declared.items() if item.node]
    return [name for name in nodes if name in named.found] or nodes[:1]


class _TypeConditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        if node.type_condition is not None:
            self.found.add(node.type_condition.name.value)

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        self.found.add(node.type_condition.name.value)


def _variables(
    schema: GraphQLSchema, definition: OperationDefinitionNode, type_name: str
) -> dict[str, Any]:
    return {
        item.variable.name.value: _sample(type_from_ast(schema, item.type), type_name)
        for item in definition.variable_definitions or ()
        if item.default_value is None
    }


def _sample(declared: Any, type_name: str) -> Any:
    while isinstance(declared, GraphQLNonNull):
        declared = declared.of_type
    if isinstance(declared, GraphQLList):
        return [_sample(declared.of_type, type_name)]
    if isinstance(declared, GraphQLInputObjectType):
        return {
            name: _sample(field.type, type_name)
            for name, field in declared.fields.items()
            if isinstance(field.type, GraphQLNonNull)
        }
    if isinstance(declared, GraphQLEnumType):
        return next(iter(declared.values))
    if getattr(declared, "name", "") == "ID":
        return global_id(type_name, "00000000-0000-4000-8000-000000000000")
    return _SAMPLES.get(getattr(declared, "name", ""))
