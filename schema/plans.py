"""Plans that are kept: a document's shape for one kind of scope, and the SQL made of it.

A plan is found by document, operation, what of the variables decides it, and what of the scope
does. It holds no value of any request, so requests that ask for the same share it, whoever they
are; grants, purposes and practices come with each request and are bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql.execution.values import VariableValues

from hub.domain.agreements import Scope
from hub.storage.crypto import Crypto
from hub.storage.reads.compile import CompiledPart, compile_roots, supports
from hub.storage.reads.parts import Constant, Root
from hub.storage.reads.scoping import ScopeShape
from hub.storage.reads.text import Writer
from schema.caching import ReadNouns, read_nouns
from schema.documents import Document
from schema.kept import Kept
from schema.mapping.declare import Stored
from schema.mapping.inputs import Read, Shaper, shape_of_variables, shapers
from schema.mapping.operation import Operation
from schema.mapping.plan import Planner

STATEMENT_CHARACTERS = 1_000_000
"""Of the statements that are kept; with its plan one takes three bytes for each."""
MOST_SHAPES = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """How an operation is answered: `texts` are the root keys written by `compiled`, which asks for
    the policy version in any case, `rows` the parts read level by level; the rest is plain. `read`
    says what of, and whether a client may keep the answer."""

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    compiled: CompiledPart
    rows: Mapping[str, Root]
    plain: frozenset[str]
    inputs: tuple[Read, ...]
    read: ReadNouns

    def values(self, variables: VariableValues) -> list[Any]:
        """The values of a request. Raises Rejected for one that may not be."""
        return [read(variables) for read in self.inputs]


class _Shapes:
    """The plans of one operation; a document with too many shapes is planned anew each time."""

    def __init__(self, operation: Operation) -> None:
        self.shapers: Mapping[str, Shaper] = shapers(operation.schema, operation.definition)
        self.plans: Kept[Plan] = Kept(MOST_SHAPES)


class Plans:
    """The plans and statements kept for one database."""

    def __init__(self, declared: Mapping[str, Stored]) -> None:
        self._declared = declared
        self._statements: Kept[CompiledPart] = Kept(
            STATEMENT_CHARACTERS, lambda _, part: len(part.sql), again=True
        )

    def get(
        self,
        document: Document,
        operation: Operation,
        scope: Scope,
        shape: ScopeShape,
        writer: Writer,
        crypto: Crypto,
        *,
        as_text: bool = True,
    ) -> Plan:
        """The plan of an operation of a document, kept as long as that; `as_text` False keeps its
        roots from text. Raises Forbidden or Rejected."""
        name = operation.definition.name
        key = (name.value if name else "", scope.classes, shape.is_mso)
        known: _Shapes = document.plans.get(key, lambda: _Shapes(operation))
        variables = shape_of_variables(known.shapers, operation.variables)
        return known.plans.get(
            (variables, scope.purpose, shape, writer.dialect.name, as_text),
            lambda: self._plan(operation, scope, shape, writer, crypto, as_text=as_text),
        )

    def _plan(
        self,
        operation: Operation,
        scope: Scope,
        shape: ScopeShape,
        writer: Writer,
        crypto: Crypto,
        *,
        as_text: bool,
    ) -> Plan:
        planner = Planner(self._declared, operation, scope, crypto, live=True)
        parts: dict[str, Root] = {}
        plain = set()
        for key, nodes in operation.roots.items():
            if planner.can(nodes[0].name.value):
                parts[key] = planner.root(key, nodes)
            else:
                plain.add(key)
        texts = [
            key
            for key, part in parts.items()
            if as_text and not isinstance(part, Constant) and supports(part, writer)
        ]
        read = read_nouns(parts.values())
        return Plan(
            keys=tuple(operation.roots),
            texts=tuple(texts),
            compiled=self._compiled(tuple(parts[key] for key in texts), shape, writer),
            rows={key: part for key, part in parts.items() if key not in texts},
            plain=frozenset(plain),
            inputs=tuple(planner.inputs),
            read=replace(read, kept=read.kept and not plain),
        )

    def _compiled(self, roots: tuple[Root, ...], shape: ScopeShape, writer: Writer) -> CompiledPart:
        key = (roots, shape, writer.dialect.name)
        return self._statements.get(key, lambda: compile_roots(roots, shape, writer))
