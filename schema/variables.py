"""Variables of plain scalar types, without graphql-core's general way, which takes as long as a
small statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    get_variable_values,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource

_TAKEN_AS_SENT = {"ID": str, "String": str, "Int": int, "Boolean": bool}


class Variables:
    """The variables of one operation, their types looked up once."""

    def __init__(self, schema: GraphQLSchema, definition: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = definition.variable_definitions or ()
        found = [get_variable_signature(schema, item) for item in self._definitions]
        self._plain: list[tuple[GraphQLVariableSignature, type]] = []
        for signature in found:
            kind = None if isinstance(signature, GraphQLError) else _kind(signature)
            if kind is not None and not isinstance(signature, GraphQLError):
                self._plain.append((signature, kind))
        self._all_plain = len(self._plain) == len(found)

    def coerced(self, sent: Mapping[str, Any]) -> VariableValues | None:
        """The values sent; None if one is not of its type."""
        if self._all_plain:
            values = VariableValues({}, {})
            for signature, kind in self._plain:
                name = signature.name
                value = sent.get(name)
                if type(value) is not kind or (type(value) is int and value >> 31 not in (0, -1)):
                    break  # an Int has 32 bits
                values.sources[name] = VariableValueSource(signature, value)
                values.coerced[name] = value
            else:
                return values
        found = get_variable_values(
            self._schema, self._definitions, dict(sent), max_errors=1, hide_suggestions=True
        )
        return None if isinstance(found, list) else found


def _kind(signature: GraphQLVariableSignature) -> type | None:
    """The type of values that are taken as they were sent; None if there is none."""
    plain = get_nullable_type(signature.type)
    return _TAKEN_AS_SENT.get(plain.name) if isinstance(plain, GraphQLScalarType) else None
