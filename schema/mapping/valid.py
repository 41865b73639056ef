"""Plain documents that are surely valid, told in one walk.

graphql-core walks a document with thirty rules at once, most of them about what hardly any
document has. `surely_valid` knows fields, arguments, variables and inline fragments; a document
with anything else in it, or with a fault, is left to the rules, which then say what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_input_type,
    is_leaf_type,
    is_type_sub_type_of,
    type_from_ast,
)
from graphql.language import (
    ArgumentNode,
    BooleanValueNode,
    EnumValueNode,
    IntValueNode,
    ObjectFieldNode,
    StringValueNode,
    ValueNode,
)
from graphql.utilities import do_types_overlap

LONGEST_INT = 9  # digits: any such number is an Int


class _Unsure(Exception):
    """Something a rule has to look at."""


def surely_valid(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """True only if every rule of the specification holds (GraphQL section 5)."""
    try:
        (definition,) = document.definitions
        if not isinstance(definition, OperationDefinitionNode):
            return False
        _Walk(schema).operation(definition)
    except (_Unsure, ValueError):
        return False
    return True


def _sure(holds: bool) -> None:
    if not holds:
        raise _Unsure


class _Walk:
    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._variables: dict[str, Any] = {}
        self._used: set[str] = set()

    def operation(self, node: OperationDefinitionNode) -> None:
        _sure(node.operation is not OperationType.SUBSCRIPTION and not node.directives)
        for definition in node.variable_definitions or ():
            name, declared = definition.variable.name.value, definition.type
            _sure(name not in self._variables and definition.default_value is None)
            _sure(not definition.directives)
            self._variables[name] = type_from_ast(self._schema, declared)
            _sure(is_input_type(self._variables[name]))
        self._selections(node.selection_set, self._schema.get_root_type(node.operation), set())
        _sure(self._used == self._variables.keys())

    def _selections(self, node: SelectionSetNode, parent: Any, keys: set[str]) -> None:
        """`keys` are the response keys met so far: two fields of one key would have to merge."""
        for selected in node.selections:
            _sure(not selected.directives)
            if isinstance(selected, FieldNode):
                key = (selected.alias or selected.name).value
                _sure(key not in keys)
                keys.add(key)
                self._field(selected, parent)
            elif isinstance(selected, InlineFragmentNode):
                condition = selected.type_condition
                narrowed: Any = parent
                if condition is not None:
                    narrowed = self._schema.get_type(condition.name.value)
                    _sure(is_composite_type(narrowed))
                    _sure(do_types_overlap(self._schema, narrowed, parent))
                self._selections(selected.selection_set, narrowed, keys)
            else:
                raise _Unsure

    def _field(self, node: FieldNode, parent: Any) -> None:
        name = node.name.value
        if name == "__typename":
            _sure(not node.arguments and node.selection_set is None)
            return
        _sure(isinstance(parent, GraphQLObjectType | GraphQLInterfaceType))
        field: GraphQLField | None = parent.fields.get(name)
        if field is None:
            raise _Unsure
        self._inputs(node.arguments or (), field.args)
        below = get_named_type(field.type)
        if node.selection_set is None:
            _sure(is_leaf_type(below))
        else:
            _sure(is_composite_type(below))
            self._selections(node.selection_set, below, set())

    def _inputs(
        self,
        nodes: Sequence[ArgumentNode] | Sequence[ObjectFieldNode],
        declared: dict[str, GraphQLArgument] | dict[str, GraphQLInputField],
    ) -> None:
        """Arguments of a field, or fields of an input object."""
        given = {node.name.value: node.value for node in nodes}
        _sure(len(given) == len(nodes) and given.keys() <= declared.keys())
        for name, each in declared.items():
            if name in given:
                self._value(given[name], each.type)
            else:
                _sure(
                    not isinstance(each.type, GraphQLNonNull) or each.default_value is not Undefined
                )

    def _value(self, node: ValueNode, wanted: Any) -> None:
        if isinstance(node, VariableNode):
            name = node.name.value
            _sure(name in self._variables)
            _sure(is_type_sub_type_of(self._schema, self._variables[name], wanted))
            self._used.add(name)
            return
        if isinstance(wanted, GraphQLNonNull):
            wanted = wanted.of_type
        if isinstance(node, ListValueNode):
            _sure(isinstance(wanted, GraphQLList))
            for item in node.values:
                self._value(item, wanted.of_type)
        elif isinstance(node, ObjectValueNode):
            _sure(isinstance(wanted, GraphQLInputObjectType) and not wanted.is_one_of)
            self._inputs(node.fields, wanted.fields)
        elif isinstance(node, IntValueNode):
            _sure(wanted is GraphQLInt and len(node.value) <= LONGEST_INT)
        elif isinstance(node, StringValueNode):
            _sure(wanted is GraphQLString or wanted is GraphQLID)
        elif isinstance(node, BooleanValueNode):
            _sure(wanted is GraphQLBoolean)
        elif isinstance(node, EnumValueNode):
            _sure(isinstance(wanted, GraphQLEnumType) and node.value in wanted.values)
        else:
            raise _Unsure
