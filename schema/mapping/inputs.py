"""The values of a request, apart from its shape.

A plan holds for every request that asks for the same with other values. `Arguments` tells for each
value where it comes from; `shape_of_variables` is what of the variables decides the plan: which
keys are set, what directives and orders say, and of ids only the type they name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    type_from_ast,
)
from graphql.execution.values import VariableValues

from hub.storage.reads.write import read_global_id

Read = Callable[[VariableValues], Any]
Shaper = Callable[[Any], Hashable]
ABSENT, SET = "absent", "set"


class Arguments(Mapping[str, Any]):
    """The arguments of one field: their values as coerced now, and how to read each of them again
    for other variables."""

    def __init__(self, field: GraphQLField, node: FieldNode, variables: VariableValues) -> None:
        self._field = field
        self._node = node
        self._variables = variables
        self._values = get_argument_values(field, node, variables)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def reader(self, *path: str) -> Read:
        """How to read the value at `path` (argument, then keys) from a request's variables."""
        node, rest = self._node_at(path)
        if isinstance(node, VariableNode) and node.name.value in self._variables.coerced:
            name = node.name.value
            if not rest:
                return lambda variables: variables.coerced[name]
            return lambda variables: _at(variables.coerced[name], rest)
        if node is None or isinstance(node, VariableNode) or not any(_variables_in(node)):
            value = _at(self._values, path)
            return lambda variables: value
        field, stated = self._field, self._node
        return lambda variables: _at(get_argument_values(field, stated, variables), path)

    def _node_at(self, path: Sequence[str]) -> tuple[ValueNode | None, Sequence[str]]:
        """The node that states the value, or the variable above it with the rest of the path."""
        stated: Any = (a.value for a in self._node.arguments or () if a.name.value == path[0])
        node, rest = next(stated, None), path[1:]
        while rest and isinstance(node, ObjectValueNode):
            stated = (f.value for f in node.fields if f.name.value == rest[0])
            node, rest = next(stated, None), rest[1:]
        return node, rest


def _at(value: Any, path: Sequence[str]) -> Any:
    return reduce(lambda found, key: found[key], path, value)


def _variables_in(node: ValueNode) -> Iterator[VariableNode]:
    if isinstance(node, VariableNode):
        yield node
    elif isinstance(node, ListValueNode):
        for item in node.values:
            yield from _variables_in(item)
    elif isinstance(node, ObjectValueNode):
        for field in node.fields:
            yield from _variables_in(field.value)


def shapers(schema: GraphQLSchema, operation: OperationDefinitionNode) -> dict[str, Shaper]:
    """For each variable of an operation what of its value decides the plan."""
    found = {}
    for definition in operation.variable_definitions or ():
        declared = type_from_ast(schema, definition.type)
        found[definition.variable.name.value] = _shaper(declared, inside=False)
    return found


def shape_of_variables(
    shapers: Mapping[str, Shaper], variables: VariableValues
) -> tuple[Hashable, ...]:
    coerced = variables.coerced
    return tuple(
        shape(coerced[name]) if name in coerced else ABSENT for name, shape in shapers.items()
    )


def _shaper(declared: Any, *, inside: bool) -> Shaper:
    while isinstance(declared, GraphQLNonNull):
        declared = declared.of_type
    if isinstance(declared, GraphQLInputObjectType):
        fields = {name: _shaper(f.type, inside=True) for name, f in declared.fields.items()}
        return lambda value: (
            None if value is None else tuple((name, fields[name](value[name])) for name in value)
        )
    if declared is GraphQLBoolean or (isinstance(declared, GraphQLEnumType) and not inside):
        return lambda value: value
    if declared is GraphQLID and not inside:
        return _type_named
    if isinstance(declared, GraphQLList) and not inside:
        if isinstance(_inner(declared), GraphQLEnumType):
            return lambda value: None if value is None else tuple(value)
        ids = _inner(declared) is GraphQLID
        return lambda value: (
            None
            if value is None
            else (len(value) == 1, frozenset(map(_type_named, value)) if ids else SET)
        )
    return lambda value: None if value is None else SET


def _inner(declared: GraphQLList[Any]) -> Any:
    inner = declared.of_type
    return inner.of_type if isinstance(inner, GraphQLNonNull) else inner


def _type_named(value: Any) -> str | None:
    if value is None:
        return None
    found = read_global_id(value) if isinstance(value, str) else None
    return found[0] if found is not None else ""
