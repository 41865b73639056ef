"""Documents: parsed, measured and validated once, kept by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import MaxIntrospectionDepthRule

from hub.errors import Rejected
from schema import invalid
from schema.kept import Kept
from schema.mapping import limits
from schema.mapping.limits import Measured
from schema.mapping.operation import Operation
from schema.mapping.valid import surely_valid
from schema.variables import Variables

LONGEST_TEXT, MOST_TOKENS = 15_000, 1_000
KEPT_CHARACTERS, LEAST_CHARACTERS = 250_000, 500
"""Of the documents that are kept, and what the shortest counts for. A document with its plan takes
some 60 bytes for each."""
MOST_PLANS = 64


class Invalid(Rejected):
    """The document is not one this schema can answer; `errors` say where, without values. It is
    `readable` if it is GraphQL at all."""

    def __init__(self, errors: list[dict[str, Any]], *, readable: bool = True) -> None:
        super().__init__("The document is not valid.", reason="document")
        self.errors = errors
        self.readable = readable


@dataclass(frozen=True)
class Document:
    text: str
    digest: str
    operations: Mapping[str, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]
    node: DocumentNode
    measured: Mapping[str, Measured]
    variables: Mapping[str, Variables]
    plans: Kept[Any] = field(default_factory=lambda: Kept(MOST_PLANS), compare=False)
    """What was planned of it for each kind of credential, kept with it."""

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises Rejected if the name fits none or is needed."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None or name not in self.operations:
            raise Rejected("`operationName` must name an operation of the document.")
        return self.operations[name]

    def size(self, operation: OperationDefinitionNode) -> Measured:
        """The measure taken of one of its operations."""
        return self.measured[_name(operation)]

    def variables_of(self, operation: OperationDefinitionNode) -> Variables:
        return self.variables[_name(operation)]


def digest_of(text: str) -> str:
    """What a document is known by: SHA-256 of its text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def kept_documents() -> Kept[Document | Rejected]:
    """A store for the documents of several schemas, and for why some could not be run; by schema
    and text."""
    return Kept(KEPT_CHARACTERS, lambda key, _: max(len(key[1]), LEAST_CHARACTERS), again=True)


class Documents:
    """The documents of one schema, by their text, in a store that other schemas may share. Raises
    Invalid or Rejected, kept as well, but without their tracebacks. Who may look at the schema
    (`introspection`) is told what would fit where something does not."""

    def __init__(
        self,
        schema: GraphQLSchema,
        kept: Kept[Document | Rejected] | None = None,
        *,
        introspection: bool,
    ) -> None:
        self._schema = schema
        self._kept = kept_documents() if kept is None else kept
        self._hints = introspection
        self._refused: tuple[str, Rejected] | None = None
        """The last one that cannot be run: a request whose rights may have changed asks again."""
        rules = [*specified_rules, MaxIntrospectionDepthRule]
        if not introspection:
            rules.append(NoSchemaIntrospectionCustomRule)
        self._rules = list(dict.fromkeys(rules))

    def knows(self, text: str) -> bool:
        """True if the text is kept."""
        return (self._schema, text) in self._kept

    def get(self, text: str) -> Document:
        """The document of a text."""
        if len(text) > LONGEST_TEXT:
            raise Rejected("The document is too long.")
        found = self._kept.get((self._schema, text), lambda: self._tried(text))
        if isinstance(found, Rejected):
            raise copy(found)  # a kept one would keep the request it was raised in, and the next
        return found

    def _tried(self, text: str) -> Document | Rejected:
        last = self._refused
        if last is not None and last[0] == text:
            return last[1]
        try:
            return self._prepare(text)
        except Rejected as error:
            self._refused = text, copy(error)
            return self._refused[1]

    def _prepare(self, text: str) -> Document:
        try:
            node = _parsed(text)
        except GraphQLError as error:
            raise Invalid([invalid.unreadable(error)], readable=False) from None
        except RecursionError:
            raise Rejected("The operation is nested too deeply.", reason="depth") from None
        definitions = node.definitions
        fragments = {
            item.name.value: item
            for item in definitions
            if isinstance(item, FragmentDefinitionNode)
        }
        found = _operations(node)
        if not found:
            raise Rejected("The document holds no operation.")
        measured = {}
        try:
            for name, item in found:  # each of a name, as the rules compare all of them
                size = limits.measure(self._schema, item, fragments)
                limits.refuse_too_large(size.size)
                measured[name] = size
            errors = [] if surely_valid(self._schema, node) else self._errors(text)
        except RecursionError:
            raise Rejected("The operation is nested too deeply.", reason="depth") from None
        if errors:
            raise Invalid(errors)
        operations = dict(found)
        variables = {name: Variables(self._schema, item) for name, item in operations.items()}
        return Document(text, digest_of(text), operations, fragments, node, measured, variables)

    def _errors(self, text: str) -> list[dict[str, Any]]:
        """What the rules say is wrong with a document, and where."""
        node = _parsed(text, located=True)
        errors = validate(
            self._schema,
            node,
            self._rules,
            max_errors=invalid.MOST_ERRORS,
            hide_suggestions=not self._hints,
        )
        return invalid.in_document(self._schema, node, errors, hints=self._hints)

    def bind(
        self, document: Document, name: str | None, variables: Mapping[str, Any]
    ) -> tuple[Operation, int]:
        """An operation with its variables, and what it costs. Raises Invalid or CostExceeded."""
        definition = document.operation(name)
        values = document.variables_of(definition).coerced(variables)
        if values is None:
            located = dict(_operations(_parsed(document.text, located=True)))
            asked = located[_name(definition)].variable_definitions or ()
            raise Invalid(invalid.in_variables(self._schema, asked, variables, hints=self._hints))
        cost = document.size(definition).cost(values.coerced)
        limits.refuse_too_dear(cost)
        return Operation(self._schema, definition, document.fragments, values), cost


def _parsed(text: str, *, located: bool = False) -> DocumentNode:
    """Locations hold every token of the text, most of what a document takes: only errors need
    them."""
    return parse(text, no_location=not located, max_tokens=MOST_TOKENS)


def _operations(node: DocumentNode) -> list[tuple[str, OperationDefinitionNode]]:
    found = [item for item in node.definitions if isinstance(item, OperationDefinitionNode)]
    return [(_name(item), item) for item in found]


def _name(operation: OperationDefinitionNode) -> str:
    return operation.name.value if operation.name else ""
