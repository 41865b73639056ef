"""Answers one operation: plan, read, write the audit event, and only then let go of the data.

Stored roots never meet a resolver: their parts are run and the result is the JSON. Introspection
and the few roots that stand for nothing stored go through graphql-core. Mutations run their use
case in one transaction and read the payload by plan afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
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
from sqlalchemy.exc import IntegrityError

from hub.domain.agreements import Scope
from hub.errors import Conflict, Forbidden, HubError, NotFound, Rejected
from hub.storage import audit
from hub.storage.reads.run import Reader, Reading
from hub.storage.session import ScopedSession
from hub.storage.tables import MutationOutcome
from hub.storage.upsert import insert_once
from schema.context import Context
from schema.documents import Document, Documents, Invalid
from schema.mapping.mutate import Call, Mutation, Payload
from schema.mapping.plan import Operation, Planner
from schema.mapping.visible import KEPT
from schema.mutations import forbid_practices
from schema.root import HubSchema

LONGEST_KEY = 64
Json = dict[str, Any]


class Engine:
    """Executes operations against one schema; shared by all requests."""

    def __init__(self, schema: HubSchema, *, introspection: bool) -> None:
        self.schema = schema
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

    def execute(
        self,
        context: Context,
        text: str,
        variables: Mapping[str, Any],
        operation_name: str | None,
    ) -> Json:
        """The `data` of an operation. Blocking: call it in a thread.

        Raises Invalid, Rejected, CostExceeded, Forbidden, NotFound …; then nothing was released. A
        refusal (Forbidden) is written to the audit trail.
        """
        documents = self.documents_for(context.scope)
        try:
            document = documents.get(text)
        except Invalid:
            self._note_hidden(context, text)
            raise
        operation, _ = documents.bind(document, operation_name, variables)
        name = f"{operation_name or ''} sha256:{document.digest}".strip()
        run = _Run(self, context, document, operation, name)
        try:
            if operation.definition.operation is OperationType.MUTATION:
                return run.mutate()
            return run.query()
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
        document: Document,
        operation: Operation,
        name: str,
    ) -> None:
        self.schema = engine.schema
        self.context = context
        self.document = document
        self.operation = operation
        self.name = name
        self.planner = Planner(engine.schema.declared, operation, context.scope)

    # Queries

    def query(self) -> Json:
        parts, plain = {}, {}
        for key, nodes in self.operation.roots.items():
            if self.planner.can(nodes[0].name.value):
                parts[key] = self.planner.root(key, nodes)
            else:
                plain[key] = nodes
        written: Json = {}
        reading = Reading()
        if parts:
            with self.context.database.read(self.context.scope) as session:
                reader = Reader(session, self.context.now())
                written = {key: reader.root(part) for key, part in parts.items()}
                reading = reader.reading
        if plain:
            written |= self._plain([node for nodes in plain.values() for node in nodes])
        self._note_reading(reading)
        return {key: written[key] for key in self.operation.roots}

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
            variable_values=_raw(self.operation),
            hide_suggestions=True,
        )
        if result.errors or result.data is None:
            raise HubError("A field could not be answered.")
        return dict(result.data)

    # Mutations

    def mutate(self) -> Json:
        """Root fields one after another; each is its own transaction."""
        return {key: self._mutation(nodes) for key, nodes in self.operation.roots.items()}

    def _mutation(self, nodes: Sequence[FieldNode]) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return self.operation.root_type.name
        mutation = self.schema.mutations[name]
        given = dict(self.operation.arguments(self.operation.root_type.name, nodes[0])["input"])
        key = given.pop("idempotencyKey", None)
        now = self.context.now()
        plan = _PayloadPlan(self, mutation, nodes)
        try:
            payload = self._effect(mutation, given, key, now)
        except (Rejected, Conflict, NotFound) as error:
            return plan.errors(error)
        return plan.payload(payload)

    def _effect(
        self, mutation: Mutation, given: Mapping[str, Any], key: str | None, now: datetime
    ) -> Payload:
        if key is not None and not 1 <= len(key) <= LONGEST_KEY:
            raise Rejected(f"A key has 1 to {LONGEST_KEY} characters.", path="idempotencyKey")
        digest = self.context.crypto.digest(orjson.dumps(given, option=orjson.OPT_SORT_KEYS))

        def work(session: ScopedSession) -> Payload:
            return self._once(session, mutation, given, key, digest, now)

        for attempt in range(2):
            try:
                return self.context.database.transaction(self.context.scope, work)
            except IntegrityError:
                # Perhaps the same key at the same moment: by now its outcome is stored.
                if key is None or attempt:
                    break
        raise Conflict("Something else changed it meanwhile; read it again.")

    def _once(
        self,
        session: ScopedSession,
        mutation: Mutation,
        given: Mapping[str, Any],
        key: str | None,
        digest: str,
        now: datetime,
    ) -> Payload:
        call = Call(session, self.context, given, now)
        if mutation.mso_only:
            forbid_practices(call)
        stored = self._claim(session, mutation, key, digest, now)
        if stored is not None and stored.outcome:
            return dict(stored.outcome)
        payload = mutation.run(call)
        if stored is not None:
            stored.outcome = payload
            session.flush()
        stated = str(given.get(mutation.reason, "")).strip()
        reason = f"{mutation.name}: {stated}" if stated else mutation.name
        self._append(session, now, "write", "success", reason=reason)
        return payload

    def _claim(
        self,
        session: ScopedSession,
        mutation: Mutation,
        key: str | None,
        digest: str,
        now: datetime,
    ) -> MutationOutcome | None:
        """The row of an idempotency key, its outcome empty until the effect is done.

        Inserted before the effect: a request with the same key at the same moment waits for it.
        """
        if key is None:
            return None
        identity = {
            "principal_id": self.context.principal.id,
            "mutation": mutation.name,
            "key": key,
        }
        fresh = {**identity, "request_digest": digest, "outcome": {}, "recorded_on": now.date()}
        insert_once(session, MutationOutcome, fresh)
        row = session.get_one(MutationOutcome, tuple(identity.values()))
        if row.request_digest != digest:
            raise Conflict("The idempotency key was used for another request.")
        return row

    def read_payload(self, parts: Mapping[str, Any]) -> Json:
        """Stored rows of a payload, read after the commit under the same rights."""
        with self.context.database.read(self.context.scope) as session:
            reader = Reader(session, self.context.now())
            written = {key: reader.root(part) for key, part in parts.items()}
        self._note_reading(reader.reading)
        return written

    # Audit

    def _note_reading(self, reading: Reading) -> None:
        """Durable before the answer leaves; what it raises keeps the answer back."""
        if not reading:
            return
        crypto = self.context.crypto
        subjects = {crypto.digest(f"subject:{p}:{i}") for p, i in reading.subjects}
        now = self.context.now()
        self.context.database.transaction(
            self.context.scope,
            lambda session: self._append(
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
            lambda session: self._append(session, now, "execute", "denied", reason=str(error)),
        )

    def _append(
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


class _PayloadPlan:
    """How a mutation's result is written; planned before the effect, so that a field that may not
    be read refuses the whole mutation."""

    def __init__(self, run: _Run, mutation: Mutation, nodes: Sequence[FieldNode]) -> None:
        self._run = run
        self._mutation = mutation
        self._type = f"{mutation.type_name}Payload"
        self._selected = run.operation.below(self._type, nodes)
        self._nodes = nodes
        for name, type_name in self._stored().items():
            for selected in self._selected.values():
                if selected[0].name.value == name:
                    run.planner.by_id("", type_name, "", selected)

    def _stored(self) -> dict[str, str]:
        declared = self._run.schema.declared
        return {name: t for name, t in self._mutation.payload.items() if t in declared}

    def payload(self, values: Payload) -> Json:
        stored = self._stored()
        parts, written = {}, {}
        for key, selected in self._selected.items():
            name = selected[0].name.value
            if name in stored:
                parts[key] = self._run.planner.by_id(key, stored[name], values[name], selected)
            else:
                written[key] = self._type if name == "__typename" else values[name]
        if parts:
            written |= self._run.read_payload(parts)
        return {key: written[key] for key in self._selected}

    def errors(self, error: Rejected | Conflict | NotFound) -> Json:
        facts = {
            "code": error.code,
            "field": error.path if isinstance(error, Rejected) and error.path else None,
            "message": str(error),
        }
        return self._write("UserErrors", self._nodes, facts)

    def _write(self, type_name: str, nodes: Sequence[FieldNode], facts: Json) -> Json:
        written: Json = {}
        for key, selected in self._run.operation.below(type_name, nodes).items():
            name = selected[0].name.value
            if name == "__typename":
                written[key] = type_name
            elif name == "errors":
                written[key] = [self._write("UserError", selected, facts)]
            else:
                written[key] = facts[name]
        return written


def _raw(operation: Operation) -> dict[str, Any]:
    """The variables as they were sent."""
    return {
        name: source.value
        for name, source in operation.variables.sources.items()
        if source.value is not Undefined
    }
