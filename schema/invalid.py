"""What is wrong with a document or its variables, in words without values.

A value may name a patient, so no message repeats one: it says where the value stands and, with
`hints`, what may stand there. Hints name types and fields that the client did not write; they are
for those who may look at the schema anyway.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLSchema,
    Node,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableDefinitionNode,
    Visitor,
    get_nullable_type,
    is_input_type,
    is_list_type,
    is_required_input_field,
    type_from_ast,
    visit,
)
from graphql.language import ArgumentNode, ObjectFieldNode, ObjectValueNode
from graphql.utilities import validate_input_value

LONGEST_MESSAGE = 300
MOST_ERRORS = 10
MOST_NAMES = 12

Located = dict[str, Any]


def unreadable(error: GraphQLError) -> Located:
    """A text that is not GraphQL: what the parser wanted there, not what it found."""
    wanted = re.split("""['"(]""", error.message.removeprefix("Syntax Error: "))[0]
    return _located(f"The document is not GraphQL here: {wanted.rstrip(' .,:')}.", error)


def in_document(
    schema: GraphQLSchema, document: DocumentNode, errors: Sequence[GraphQLError], *, hints: bool
) -> list[Located]:
    """What the rules found, each with its place."""
    finder = _Finder(schema, {id(node) for error in errors for node in error.nodes or ()}, hints)
    if any(_about_value(error) for error in errors):
        visit(document, TypeInfoVisitor(finder.types, finder))
    return [
        _located(
            next((finder.found[id(n)] for n in error.nodes or () if id(n) in finder.found), _HERE)
            if _about_value(error)
            else error.message,
            error,
        )
        for error in errors
    ]


def in_variables(
    schema: GraphQLSchema,
    definitions: Iterable[VariableDefinitionNode],
    sent: Mapping[str, Any],
    *,
    hints: bool,
) -> list[Located]:
    """What of the variables sent is not of its type, each with the place of its definition."""
    found: list[Located] = []
    for definition in definitions:
        name, kind = definition.variable.name.value, type_from_ast(schema, definition.type)
        if not is_input_type(kind) or (name not in sent and definition.default_value is not None):
            continue
        paths: list[list[str | int]] = []
        validate_input_value(sent.get(name), kind, lambda _, path, at=paths: at.append(path))  # type: ignore[misc]
        for path in dict.fromkeys(map(tuple, paths)):
            if len(found) == MOST_ERRORS:
                return found
            message = _along(f"${name}", kind, sent.get(name), path, hints)
            found.append(_located(message, GraphQLError("", definition)))
    return found or [{"message": "A variable's value is not of its type."}]


class _Finder(Visitor):
    """Walks a document and says of each value of `wanted`, by its id, what its place takes."""

    def __init__(self, schema: GraphQLSchema, wanted: Collection[int], hints: bool) -> None:
        super().__init__()
        self.types = TypeInfo(schema)
        self.found: dict[int, str] = {}
        self._wanted, self._hints = wanted, hints
        self._names: list[str] = []

    def enter(self, node: Node, *_: Any) -> None:
        if isinstance(node, (ArgumentNode, ObjectFieldNode)):
            self._names.append(node.name.value)
        if id(node) not in self._wanted:
            return
        label, names = self._names, None
        kind = self.types.get_input_type()
        if isinstance(node, ObjectFieldNode):  # one that its object does not have
            label, names = label[:-1], {node.name.value}
            kind = self.types.get_parent_input_type()
        elif isinstance(node, ObjectValueNode):
            names = {field.name.value for field in node.fields}
        if kind is not None:
            self.found[id(node)] = _takes(".".join(label), kind, names, self._hints)

    def leave(self, node: Node, *_: Any) -> None:
        if isinstance(node, (ArgumentNode, ObjectFieldNode)):
            self._names.pop()


_HERE = "A value does not fit where it stands."


def _about_value(error: GraphQLError) -> bool:
    return any(isinstance(node, (ValueNode, ObjectFieldNode)) for node in error.nodes or ())


def _along(
    label: str, kind: GraphQLInputType, value: Any, path: Sequence[str | int], hints: bool
) -> str:
    """What the place takes that `path` leads to; only names of declared fields are on a path."""
    for step in path:
        inner: Any = get_nullable_type(kind)
        while is_list_type(inner) and isinstance(step, str):  # one item without its list
            inner = get_nullable_type(inner.of_type)
        if isinstance(step, int):
            label, kind = f"{label}[{step}]", inner.of_type
            value = value[step]
        else:
            label, kind = f"{label}.{step}", inner.fields[step].type
            value = value.get(step)
    return _takes(label, kind, set(value) if isinstance(value, dict) else None, hints)


def _takes(label: str, kind: GraphQLInputType, names: Collection[str] | None, hints: bool) -> str:
    """What a place takes; `names` are of the fields given, if an object was."""
    inner: Any = get_nullable_type(kind)
    while names is not None and is_list_type(inner):
        inner = get_nullable_type(inner.of_type)
    if not hints:
        return f"`{label}` does not take this value."
    if isinstance(inner, GraphQLInputObjectType) and names is not None:
        if not set(names) <= set(inner.fields):
            return f"`{label}` takes {inner}, whose fields are {_listed(inner.fields)}."
        needed = [name for name, one in inner.fields.items() if is_required_input_field(one)]
        if lacking := [name for name in needed if name not in names]:
            return f"`{label}` takes {inner}, which needs {_listed(lacking)}."
        return f"`{label}` takes {inner}, with exactly one field and no null in it."
    choices = f": {_listed(inner.values)}" if isinstance(inner, GraphQLEnumType) else ""
    return f"`{label}` takes {kind}{choices}."


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:MOST_NAMES]) + (", …" if len(found) > MOST_NAMES else "")


def _located(message: str, error: GraphQLError) -> Located:
    located: Located = {"message": message[:LONGEST_MESSAGE]}
    if error.locations:
        located["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return located
