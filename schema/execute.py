"""Answers one operation: plan, read, write the audit event, and only then let go of the data.

Stored roots never meet a resolver: one SQL statement writes their JSON text, and what is computed
is filled in; with live fields their parts are read level by level. Introspection and the few roots
that stand for nothing stored go through graphql-core. Mutations run their use case in one
transaction and read the payload by plan afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from anyio import to_thread
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
from hub.storage.reads.made import fill_in
from hub.storage.reads.parts import Edges, Nodes, RootPage
from hub.storage.reads.run import Reader, Reading
from hub.storage.running import Running
from hub.storage.session import ScopedSession
from schema.context import Context
from schema.documents import Document, Documents, Invalid, digest_of, kept_documents
from schema.effects import mutate
from schema.live import FieldFailure, answer_live
from schema.mapping.leaf import LeafExecutor
from schema.mapping.operation import Operation
from schema.mapping.plan import Planner
from schema.mapping.visible import KEPT, names_left_out
from schema.plans import Plan, Plans
from schema.root import HubSchema
from schema.subscriptions import Change, event_data

Json = dict[str, Any]
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
"""GraphQL, section 2.1.9."""


class Prepared(NamedTuple):
    """An operation that may run, with its variables and what it costs at most; a query with its
    plan.

    Filled while it runs: `rows`, root page (response key) → rows it came back with, and `failures`,
    the fields that stayed null because a vendor did not answer.
    """

    document: Document
    operation: Operation
    name: str
    cost: int
    plan: Plan | None
    rows: dict[str, int]
    failures: list[FieldFailure]

    def actual_cost(self) -> int:
        """What it cost: root pages by the rows they had, the rest as asked for."""
        if not self.rows:
            return self.cost
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
        self._kept = kept_documents()
        self.documents = self._documents_of(schema.graphql)

    def documents_for(self, scope: Scope) -> Documents:
        """The documents of the schema that `scope` may see."""
        return self._documents_of(self.schema.schema_for(scope))

    def _documents_of(self, schema: GraphQLSchema) -> Documents:
        found = self._documents.get(schema)
        if found is None:
            if len(self._documents) > KEPT:
                self._documents.clear()
            made = Documents(schema, self._kept, introspection=self._introspection)
            found = self._documents.setdefault(schema, made)
        return found

    def prepare(
        self,
        context: Context,
        text: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
        documents: Documents | None = None,
    ) -> Prepared:
        """Parse, validate, price and plan an operation; `documents` are those of the schema it may
        see, where they are known. Raises Invalid, Rejected, CostExceeded or Forbidden."""
        documents = documents or self.documents_for(context.scope)
        document = documents.get(text)
        operation, cost = documents.bind(document, operation_name, variables)
        name = f"{operation_name or ''} sha256:{document.digest}".strip()
        plan = None
        if operation.definition.operation is OperationType.QUERY:
            writer = context.database.text_reads.writer
            plan = self.plans.get(
                document, operation, context.scope, context.scope_parts[0], writer,
                context.crypto, as_text=self.as_text,
            )  # fmt: skip
        return Prepared(document, operation, name, cost, plan, {}, [])

    def knowing(self, context: Context, text: str) -> Documents | None:
        """The documents with which preparing a text is quick: it was met before."""
        schema = self.schema.made_for(context.scope)
        if schema is None:
            return None
        documents = self._documents_of(schema)
        return documents if documents.knows(text) else None

    async def answer(
        self, context: Context, prepared: Prepared, running: Running | None = None
    ) -> bytes:
        """The `data` of a prepared operation as JSON; a mutation and what is not stored is worked
        on in a thread, which `running` can stop.

        Raises Rejected, Forbidden, NotFound, PolicyChanged …; then nothing was released.
        """
        run = _Run(self, context, prepared, running)
        if prepared.plan is None:
            return await to_thread.run_sync(lambda: orjson.dumps(run.mutate()))
        return await run.query(prepared.plan)

    def event(self, context: Context, prepared: Prepared, change: Change) -> Json | None:
        """The `data` of one event of a subscription under the rights of `context`; None if its row
        may not be read. Blocking; raises as `answer` does."""
        return event_data(_Run(self, context, prepared), change)

    def note_refusal(self, context: Context, text: str, error: Exception) -> None:
        """Write a refusal to the audit trail. Blocking.

        That is Forbidden, or a document that asks for what does not exist for this credential and
        does for others; the answer does not tell that from what exists for nobody.
        """
        if isinstance(error, Forbidden):
            reason = str(error)
        elif isinstance(error, Invalid) and self._is_hidden(context, text):
            reason = "The document asks for fields that are not granted to this credential."
        else:
            return
        self.note_denial(context, f"sha256:{digest_of(text)}", reason)

    def note_denial(self, context: Context, name: str, reason: str) -> None:
        """Write to the audit trail that an operation was not allowed. Blocking."""
        event = context.audit_event(name, "execute", "denied", reason=reason)
        context.database.gather(event, audit.append_all).result()

    def _is_hidden(self, context: Context, text: str) -> bool:
        visible = self.schema.schema_for(context.scope)
        if visible is self.schema.graphql:
            return False
        if names_left_out(self.schema.graphql, visible).isdisjoint(_NAME.findall(text)):
            return False
        try:
            self.documents.get(text)
        except Rejected:
            return False
        return True


class _Run:
    """One operation under way."""

    def __init__(
        self,
        engine: Engine,
        context: Context,
        prepared: Prepared,
        running: Running | None = None,
    ) -> None:
        self.schema = engine.schema
        self.context = context
        self.operation = prepared.operation
        self.name = prepared.name
        self.rows = prepared.rows
        self._failures = prepared.failures
        self._running = running

    @cached_property
    def planner(self) -> Planner:
        return Planner(
            self.schema.declared, self.operation, self.context.scope, self.context.crypto
        )

    # Queries

    async def query(self, plan: Plan) -> bytes:
        """The roots in the order of the document, each written the cheapest way that can."""
        context = self.context
        values = plan.values(self.operation.variables)
        found = await context.database.text_reads.run(
            context.scope,
            context.scope_parts[1],
            plan.compiled,
            values,
            policy=context.policy,
            running=self._running,
        )
        texts = found.texts
        if plan.compiled.made:
            texts = [fill_in(text, plan.compiled.made, context.now()) for text in texts]
        written = dict(zip(plan.texts, texts, strict=True))
        reading = found.reading
        for place, rows in found.root_rows.items():
            self.rows[plan.texts[place]] = rows
        if plan.rows or plan.plain:
            written |= await to_thread.run_sync(self._unwritten, plan, values, reading)
        await self._audited(reading)
        return ("{" + ",".join([f'"{key}":{written[key]}' for key in plan.keys]) + "}").encode()

    def _unwritten(self, plan: Plan, values: Sequence[Any], reading: Reading) -> dict[str, str]:
        """The roots that are not stored."""
        written = self._by_level(plan, values, reading) if plan.rows else {}
        if plan.plain:
            roots = self.operation.roots.items()
            nodes = [node for key, nodes in roots if key in plan.plain for node in nodes]
            written |= {key: _dumped(value) for key, value in self._plain(nodes).items()}
        return written

    def _by_level(self, plan: Plan, values: Sequence[Any], reading: Reading) -> dict[str, str]:
        """Roots with something live, or that no statement writes, read level by level."""
        with self.context.read(self._running) as session:
            reader = Reader(session, self.context.now())
            found = {key: reader.root(part, values) for key, part in plan.rows.items()}
        self._failures.extend(answer_live(reader.pending, self.context.ask_vendors, found))
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
            executor_class=LeafExecutor,
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
        with self.context.read(self._running) as session:
            reader = Reader(session, self.context.now())
            values = self.planner.values()
            written = {key: reader.root(part, values) for key, part in parts.items()}
        self.note_reading(reader.reading)
        return written

    # Audit

    def note_reading(self, reading: Reading) -> None:
        """Durable before the answer leaves; what it raises keeps the answer back."""
        if reading:
            self.context.database.gather(self._read_event(reading), audit.append_all).result()

    async def _audited(self, reading: Reading) -> None:
        """Like `note_reading`, without blocking."""
        if reading:
            await audit.note(self.context.database, self._read_event(reading))

    def _read_event(self, reading: Reading) -> audit.Event:
        return self.context.audit_event(
            self.name,
            "read",
            "success",
            entities=reading.audited(),
            practice_ids=reading.practice_ids,
            subjects=self.context.crypto.subjects(reading.subjects),
        )

    def append(self, session: ScopedSession, action: str, outcome: str, **facts: Any) -> None:
        """An event in the caller's transaction."""
        audit.append_all(session, [self.context.audit_event(self.name, action, outcome, **facts)])


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
