"""Federation 2: the hub as a subgraph, off unless set.

Every type with a global id is an entity with the key `id`. The gateway's `_entities` is answered as
`nodes(ids:)`: the document is written anew before it is validated, so that entities are planned,
priced and scoped like every other read. `_service` gives the part of the schema that the credential
may see, to credentials that may introspect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    NameNode,
    OperationDefinitionNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    print_schema,
    value_from_ast_untyped,
    visit,
)
from graphql.language import parse_type

from hub.errors import Forbidden, Rejected
from hub.storage.reads.write import read_global_id
from schema.context import Context

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n\n'
ENTITIES, REPRESENTATIONS = "_entities", "representations"
MOST_TOKENS = 1_000
_NODE = re.compile(r"^type (\w+) implements (Node(?: & \w+)*) \{", re.MULTILINE)
_SERVICE = re.compile(r"^  _service: _Service!\n+|^type _Service \{\n.*?^\}\n*", re.M | re.S)


@strawberry.type(name="_Service", description="This subgraph (Apollo Federation 2).")
class Service:
    sdl: str


def _service(info: strawberry.Info[Context, None]) -> Service:
    if not info.context.own_documents:
        raise Forbidden("This credential may not introspect.")
    return Service(sdl=subgraph(info._raw_info.schema))


@strawberry.type
class Query:
    service: Service = strawberry.field(resolver=_service, name="_service")


def subgraph(schema: GraphQLSchema) -> str:
    """The SDL of a schema as a subgraph: entities have a key, the machinery is left out."""
    plain = _SERVICE.sub("", print_schema(schema))
    return LINK + _NODE.sub(r'type \1 implements \2 @key(fields: "id") {', plain)


def translated(text: str, variables: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The document and its variables with each `_entities` as `nodes`; both as they are if there is
    none. Raises Rejected for representations that are not entities of this hub."""
    if ENTITIES not in text:
        return text, dict(variables)
    try:
        document = parse(text, max_tokens=MOST_TOKENS)
    except GraphQLError:
        return text, dict(variables)  # told with its place by the validation
    translator = _Translator(variables)
    return print_ast(visit(document, translator)), translator.variables


class _Translator(Visitor):
    """Turns fields and drops the variables that held representations."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        super().__init__()
        self.variables = dict(variables)
        self._given = dict(variables)
        self._made: list[str] = []
        self._used: set[str] = set()

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        if node.name.value != ENTITIES:
            return None
        name = f"entities{len(self._made)}_"
        self._made.append(name)
        self.variables[name] = [_id_of(item) for item in self._representations(node)]
        argument = ArgumentNode(
            name=NameNode(value="ids"), value=VariableNode(name=NameNode(value=name))
        )
        return FieldNode(
            name=NameNode(value="nodes"),
            alias=node.alias or NameNode(value=ENTITIES),
            arguments=(argument,),
            directives=node.directives,
            selection_set=node.selection_set,
        )

    def leave_operation_definition(
        self, node: OperationDefinitionNode, *_: Any
    ) -> OperationDefinitionNode:
        kept = [
            item
            for item in node.variable_definitions or ()
            if item.variable.name.value not in self._used
        ]
        made = [
            VariableDefinitionNode(
                variable=VariableNode(name=NameNode(value=name)), type=parse_type("[ID!]!")
            )
            for name in self._made
        ]
        return OperationDefinitionNode(
            operation=node.operation,
            name=node.name,
            variable_definitions=(*kept, *made),
            directives=node.directives,
            selection_set=node.selection_set,
        )

    def _representations(self, node: FieldNode) -> list[Any]:
        value: ValueNode | None = next(
            (a.value for a in node.arguments or () if a.name.value == REPRESENTATIONS), None
        )
        if isinstance(value, VariableNode):
            self._used.add(value.name.value)
            self.variables.pop(value.name.value, None)
            found = self._given.get(value.name.value)
        else:
            found = value_from_ast_untyped(value, self._given) if value is not None else None
        if not isinstance(found, list):
            raise Rejected("`representations` is a list of entities.", path=REPRESENTATIONS)
        return found


def _id_of(representation: Any) -> str:
    """The global id an entity is known by; an empty one, which names nothing, where the type stated
    is not the id's own."""
    if not isinstance(representation, Mapping):
        raise Rejected("A representation is an object.", path=REPRESENTATIONS)
    type_name, key = representation.get("__typename"), representation.get("id")
    if not isinstance(type_name, str) or not isinstance(key, str):
        raise Rejected("A representation has `__typename` and `id`.", path=REPRESENTATIONS)
    found = read_global_id(key)
    return key if found is not None and found[0] == type_name else ""
