"""Answers one operation: plan, read, write the audit event, and only then let go of the data.

Stored roots never meet a resolver: where all is stored, one SQL statement writes their JSON text;
else their parts are read level by level. Introspection and the few roots that stand for nothing
stored go through graphql-core. Mutations run their use
case in one transaction and read the payload by plan afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    execute_sync,
)

from hub.domain.agreements import Scope
from hub.errors import Forbidden, HubError, Rejected
from hub.storage import audit
from hub.storage.reads.parts import Edges, Nodes, RootPage
from hub.storage.reads.run import Reader, Reading
from hub.storage.reads.scoping import ScopeShape, split
from hub.storage.session import ScopedSession
from schema.context import Context
from schema.documents import Document, Documents, Invalid
from schema.effects import mutate
from schema.live import FieldFailure, answer_live
from schema.mapping.plan import Operation, Planner
from schema.mapping.visible import KEPT
from schema.plans import Plan, Plans
from schema.root import HubSchema
from schema.subscriptions import Change, event_data

Json = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """An operation that may run, with its variables and what it costs at most.

    Filled while it runs: `rows`, root page (response key) → rows it came back with, and `failures`,
    the fields that stayed null because a vendor did not answer.
    """

    document: Document
    operation: Operation
    name: str
    cost: int
    rows: dict[str, int] = field(default_factory=dict)
    failures: list[FieldFailure] = field(default_factory=list)

    def actual_cost(self) -> int:
        """What it cost: root pages by the rows they had, the rest as asked for."""
        operation = self.operation
        size = self.document.size(operation.definition)
        unused = sum(
            size.unused(node, rows, operation.variables.coerced)
            for key, rows in self.rows.items()
            for node in operation.roots[key]
        )
        return max(0, self.cost - unused)


class Engine:
    """Executes operations against one schema; shared by all requests. `as_text` False reads
    everything level by level, the slower way to the same answer."""

    def __init__(self, schema: HubSchema, *, introspection: bool, as_text: bool = True) -> None:
        self.schema = schema
        self.plans = Plans(schema.declared)
        self.as_text = as_text
        self._introspection = introspection
        self._documents: dict[GraphQLSchema, Documents] = {}
        self.documents = self._documents_of(schema.graphql)

    def documents_for(self, scope: Scope) -> Documents:
        """The documents of the schema that `scope` may see."""
        return self._documents_of(self.schema.schema_for(scope))

    def _documents_of(self, schema: GraphQLSchema) -> Documents:
        found = self._documents.get(schema)
        if found is None:
            if len(self._documents) > KEPT:
                self._documents.clear()
            made = Documents(schema, introspection=self._introspection)
            found = self._documents.setdefault(schema, made)
        return found

    def plan(self, context: Context, prepared: Prepared, shape: ScopeShape) -> Plan:
        """How a prepared query is answered. Raises Forbidden or Rejected."""
        writer = context.database.text_reads.writer if self.as_text else None
        digest, operation = prepared.document.digest, prepared.operation
        return self.plans.get(digest, operation, context.scope, shape, writer)

    def execute(
        self,
        context: Context,
        text: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
    ) -> Json:
        """The `data` of an operation: `prepare` and `run` in one."""
        return self.run(context, self.prepare(context, text, variables, operation_name))

    def prepare(
        self,
        context: Context,
        text: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
    ) -> Prepared:
        """Parse, validate and price an operation. Raises Invalid, Rejected or CostExceeded."""
        documents = self.documents_for(context.scope)
        try:
            document = documents.get(text)
        except Invalid:
            self._note_hidden(context, text)
            raise
        operation, cost = documents.bind(document, operation_name, variables)
        name = f"{operation_name or ''} sha256:{document.digest}".strip()
        return Prepared(document, operation, name, cost)

    def run(self, context: Context, prepared: Prepared) -> Json:
        """The `data` of a prepared operation, like `answer`."""
        data: Json = orjson.loads(self.answer(context, prepared))
        return data

    def answer(self, context: Context, prepared: Prepared) -> bytes:
        """The `data` of a prepared operation as JSON. Blocking: call it in a thread.

        Raises Rejected, Forbidden, NotFound …; then nothing was released. A refusal (Forbidden) is
        written to the audit trail.
        """
        run = _Run(self, context, prepared)
        try:
            if prepared.operation.definition.operation is OperationType.MUTATION:
                return orjson.dumps(run.mutate())
            return run.query()
        except Forbidden as error:
            run.note_denial(error)
            raise

    def event(self, context: Context, prepared: Prepared, change: Change) -> Json | None:
        """The `data` of one event of a subscription under the rights of `context`; None if its row
        may not be read. Blocking; raises as `answer` does."""
        run = _Run(self, context, prepared)
        try:
            return event_data(run, change)
        except Forbidden as error:
            run.note_denial(error)
            raise

    def _note_hidden(self, context: Context, text: str) -> None:
        """Write to the audit trail that a document asked for what does not exist for this
        credential, and does for others; the answer does not tell the two apart."""
        if self.schema.schema_for(context.scope) is self.schema.graphql:
            return
        try:
            document = self.documents.get(text)
        except Rejected:
            return
        name = f"sha256:{document.digest}"
        reason = "The document asks for fields that are not granted to this credential."
        now = context.now()
        context.database.transaction(
            context.scope,
            lambda session: append_event(
                session, context, name, now, "execute", "denied", reason=reason
            ),
        )


class _Run:
    """One operation under way."""

    def __init__(
        self,
        engine: Engine,
        context: Context,
        prepared: Prepared,
    ) -> None:
        self.schema = engine.schema
        self.context = context
        self.operation = prepared.operation
        self.name = prepared.name
        self.rows = prepared.rows
        self._engine = engine
        self._prepared = prepared

    @cached_property
    def planner(self) -> Planner:
        return Planner(self.schema.declared, self.operation, self.context.scope)

    # Queries

    def query(self) -> bytes:
        """The roots in the order of the document, each written the cheapest way that can."""
        context, operation = self.context, self.operation
        shape, sets = split(context.scope)
        reads = context.database.text_reads
        plan = self._engine.plan(context, self._prepared, shape)
        values = plan.values(operation.variables)
        reading, written = Reading(), {}
        if plan.compiled is not None:
            found = reads.run(context.scope, sets, plan.compiled, values, context.running)
            written = dict(zip(plan.texts, found.texts, strict=True))
            reading = found.reading
            self.rows |= {plan.texts[place]: rows for place, rows in found.root_rows.items()}
        if plan.rows:
            written |= self._by_level(plan, values, reading)
        if plan.plain:
            roots = operation.roots.items()
            nodes = [node for key, nodes in roots if key in plan.plain for node in nodes]
            written |= {key: _dumped(value) for key, value in self._plain(nodes).items()}
        self.note_reading(reading)
        return ("{" + ",".join([f'"{key}":{written[key]}' for key in plan.keys]) + "}").encode()

    def _by_level(self, plan: Plan, values: Sequence[Any], reading: Reading) -> dict[str, str]:
        """Roots with something computed, read level by level."""
        with self.context.read() as session:
            reader = Reader(session, self.context.now())
            found = {key: reader.root(part, values) for key, part in plan.rows.items()}
        self._prepared.failures.extend(answer_live(reader.pending, self.context.ask_vendors, found))
        reading.add(reader.reading)
        for key, part in plan.rows.items():
            if isinstance(part, RootPage):
                self.rows[key] = _rows_shown(part, found[key])
        return {key: _dumped(value) for key, value in found.items()}

    def _plain(self, nodes: Sequence[FieldNode]) -> Json:
        """Roots without stored data, by graphql-core."""
        own = self.operation.definition
        definition = OperationDefinitionNode(
            operation=own.operation,
            name=own.name,
            variable_definitions=own.variable_definitions,
            selection_set=SelectionSetNode(selections=tuple(nodes)),
        )
        result = execute_sync(
            self.operation.schema,
            DocumentNode(definitions=(definition, *self.operation.fragments.values())),
            context_value=self.context,
            variable_values=raw_variables(self.operation),
            hide_suggestions=True,
        )
        for failed in result.errors or ():
            if isinstance(failed.original_error, HubError):
                raise failed.original_error
        if result.errors or result.data is None:
            raise HubError("A field could not be answered.")
        return dict(result.data)

    # Mutations

    def mutate(self) -> Json:
        """Root fields one after another; each is its own transaction."""
        return {key: self._mutation(nodes) for key, nodes in self.operation.roots.items()}

    def _mutation(self, nodes: Sequence[FieldNode]) -> Any:
        if nodes[0].name.value == "__typename":
            return self.operation.root_type.name
        return mutate(self, nodes)

    def read_payload(self, parts: Mapping[str, Any]) -> Json:
        """Stored rows of a payload, read after the commit under the same rights."""
        with self.context.read() as session:
            reader = Reader(session, self.context.now())
            values = self.planner.values()
            written = {key: reader.root(part, values) for key, part in parts.items()}
        self.note_reading(reader.reading)
        return written

    # Audit

    def note_reading(self, reading: Reading) -> None:
        """Durable before the answer leaves; what it raises keeps the answer back."""
        if not reading:
            return
        crypto = self.context.crypto
        subjects = {crypto.digest(f"subject:{p}:{i}") for p, i in reading.subjects}
        now = self.context.now()
        self.context.database.transaction(
            self.context.scope,
            lambda session: self.append(
                session,
                now,
                "read",
                "success",
                entities=dict(reading.entities),
                practice_ids=reading.practice_ids,
                subjects=subjects,
            ),
        )

    def note_denial(self, error: Forbidden) -> None:
        now = self.context.now()
        self.context.database.transaction(
            self.context.scope,
            lambda session: self.append(session, now, "execute", "denied", reason=str(error)),
        )

    def append(
        self, session: ScopedSession, now: datetime, action: str, outcome: str, **facts: Any
    ) -> None:
        append_event(session, self.context, self.name, now, action, outcome, **facts)


def append_event(
    session: ScopedSession,
    context: Context,
    operation: str,
    now: datetime,
    action: str,
    outcome: str,
    **facts: Any,
) -> None:
    """An audit event of a request, in the caller's transaction."""
    audit.append(
        session,
        now=now,
        principal_id=context.principal.id,
        principal_name=context.principal.name,
        purpose=context.scope.purpose.value,
        action=action,
        outcome=outcome,
        operation=operation,
        **facts,
    )


def _dumped(value: Any) -> str:
    return orjson.dumps(value).decode()


def _rows_shown(part: RootPage, written: Json) -> int:
    """How many rows a root page came back with; none were read where only a total was asked."""
    shown = [
        len(written[output.key])
        for output in part.page.outputs
        if isinstance(output, Nodes | Edges)
    ]
    return max(shown, default=0)


def raw_variables(operation: Operation) -> dict[str, Any]:
    """The variables as they were sent."""
    return {
        name: source.value
        for name, source in operation.variables.sources.items()
        if source.value is not Undefined
    }
