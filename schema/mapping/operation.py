"""A validated operation: its fields as they are selected, with the variables of one request.

Follows aliases, fragments, @skip and @include as the specification does (GraphQL §6.3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
)
from graphql.execution.values import VariableValues

from hub.errors import Rejected
from schema.mapping.inputs import Arguments

Selected = dict[str, list[FieldNode]]


@dataclass(frozen=True)
class Operation:
    """A validated operation with its variables coerced."""

    schema: GraphQLSchema
    definition: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    @cached_property
    def root_type(self) -> GraphQLObjectType:
        found = self.schema.get_root_type(self.definition.operation)
        if found is None:
            raise Rejected("The schema has no such operation.")
        return found

    @cached_property
    def roots(self) -> Selected:
        """The root fields by response key."""
        return self.collect(self.root_type.name, [self.definition.selection_set])

    def collect(self, type_name: str, sets: Iterable[SelectionSetNode | None]) -> Selected:
        """The fields selected of one type, merged by response key in document order."""
        found: Selected = {}
        for selections in sets:
            if selections is not None:
                self._collect(type_name, selections.selections, found, set())
        return found

    def below(self, type_name: str, nodes: Sequence[FieldNode]) -> Selected:
        return self.collect(type_name, [node.selection_set for node in nodes])

    def arguments(self, type_name: str, node: FieldNode) -> Arguments:
        """A field's arguments. Raises KeyError if the schema has no such field."""
        parent = self.schema.type_map[type_name]
        fields = parent.fields if isinstance(parent, GraphQLObjectType) else {}
        return Arguments(fields[node.name.value], node, self.variables)

    def _collect(
        self,
        type_name: str,
        selections: Iterable[SelectionNode],
        found: Selected,
        visited: set[str],
    ) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
                continue
            fragment: Any = node
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in visited:
                    continue
                visited.add(node.name.value)
                fragment = self.fragments[node.name.value]
            if self._applies(fragment.type_condition, type_name):
                self._collect(type_name, fragment.selection_set.selections, found, visited)

    def _applies(self, condition: Any, type_name: str) -> bool:
        if condition is None or condition.name.value == type_name:
            return True
        wanted = self.schema.get_type(condition.name.value)
        actual = self.schema.get_type(type_name)
        return bool(
            wanted is not None
            and actual is not None
            and not isinstance(wanted, GraphQLObjectType)
            and self.schema.is_sub_type(wanted, actual)  # type: ignore[arg-type]
        )

    def _included(self, node: SelectionNode) -> bool:
        if not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        if skip and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not include or bool(include["if"])
