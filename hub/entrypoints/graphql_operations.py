"""From a question and a credential to an answer: who asks, for which purpose, which document, at
which cost; then it is run. Everything here blocks: call it in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from graphql import OperationType

from hub.auth.buckets import Buckets, Reservation
from hub.auth.credentials import authenticate
from hub.auth.documents import find_document
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import Principal, Purpose, Scope, unrestricted_scope
from hub.entrypoints.connection_rules import prepare_connection
from hub.entrypoints.graphql_answer import Answer, failed, not_modified, succeeded
from hub.entrypoints.graphql_extensions import asked_beside
from hub.entrypoints.graphql_request import Question
from hub.entrypoints.live import LiveAnswers
from hub.errors import Forbidden, Rejected
from hub.settings import Settings
from hub.storage import audit
from hub.storage.crypto import Crypto
from hub.storage.running import Running
from hub.storage.session import Database
from jobs.context import JobContext
from schema.caching import holds
from schema.conditional import current_tag
from schema.context import ConnectorEntry, Context
from schema.execute import Engine, Prepared
from schema.federation import translated
from schema.root import hub_schema

_SCOPE = unrestricted_scope("credentials")


class HubParts(Protocol):
    """What the HTTP edge needs of the hub."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def crypto(self) -> Crypto: ...
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A question that may be answered: in which surroundings, and what will run."""

    context: Context
    prepared: Prepared

    @property
    def kind(self) -> OperationType:
        return self.prepared.operation.definition.operation


class Operations:
    """Answers questions; shared by every transport of one process."""

    def __init__(self, hub: HubParts, connectors: Sequence[ConnectorEntry]) -> None:
        self.hub = hub
        self._connectors = connectors
        self._ask_vendors = LiveAnswers(JobContext(hub.database, hub.crypto, hub.settings, hub.now))
        self._demo = hub.settings.profile == "demo"
        self._federation = hub.settings.graphql_federation
        schema = hub_schema(self._federation)
        self._plain = Engine(schema, introspection=False)
        self._introspecting = Engine(schema, introspection=True)
        self.buckets = Buckets(
            hub.database,
            size=hub.settings.graphql_cost_maximum,
            rate=hub.settings.graphql_restore_rate,
            now=hub.now,
        )

    def answer(
        self,
        question: Question,
        authorization: str | None,
        running: Running,
        *,
        method: str = "POST",
        if_none_match: str | None = None,
    ) -> Answer:
        """The answer to one question. Never raises.

        With the methods GET and QUERY only queries are answered; an answer to QUERY carries its
        tag where it may be kept, and is left out if the client has it (`if_none_match`).
        """
        cost: Reservation | None = None
        tag: str | None = None
        try:
            principal = self.principal(authorization)
            opened = self.open(principal, question, running)
            if method != "POST" and opened.kind is not OperationType.QUERY:
                raise Rejected(f"Only queries may be sent with {method}; send this one with POST.")
            if opened.kind is OperationType.SUBSCRIPTION:
                raise Rejected(
                    "Subscribe over WebSocket, or with the header Accept: text/event-stream."
                )
            if method == "QUERY" and not question.asks_beside:
                tag = current_tag(self.engine(principal), opened.context, opened.prepared)
                if tag is not None and holds(if_none_match, tag):
                    self.buckets.reserve(principal.id, 1)
                    return not_modified(tag)
            cost = self.reserve(opened)
            engine = self.engine(principal)
            beside = asked_beside(question, engine, opened.context, opened.prepared)
            text = engine.answer(opened.context, opened.prepared)
            cost.settle(opened.prepared.actual_cost())
            return succeeded(text, cost, tag, beside, opened.prepared.failures)
        except Exception as error:
            return failed(error, cost)

    def principal(self, authorization: str | None) -> Principal:
        """Who asks. Raises Unauthenticated."""
        with self.hub.database.read(_SCOPE) as session:
            return authenticate(session, authorization)

    def open(self, principal: Principal, question: Question, running: Running) -> Opened:
        """What will run and under which rights, as they are now. Raises Invalid, Rejected,
        CostExceeded, Forbidden or NotFound; refusals are written to the audit trail."""
        try:
            text, purpose = self._document(principal, question)
        except Forbidden as error:
            self._note_denial(principal, str(error))
            raise
        variables = question.variables
        if self._federation:
            text, variables = translated(text, variables)
        context = Context(
            self.hub.database,
            self.hub.crypto,
            principal,
            self.scope(principal, purpose),
            self.hub.now,
            self._connectors,
            running=running,
            prepare_connection=prepare_connection,
            own_documents=self._free_text(principal),
            ask_vendors=self._ask_vendors,
        )
        prepared = self.engine(principal).prepare(context, text, variables, question.operation_name)
        return Opened(context, prepared)

    def scope(self, principal: Principal, purpose: Purpose) -> Scope:
        """What the principal may read for the purpose at this moment."""
        with self.hub.database.read(_SCOPE) as session:
            return load_scope(session, principal, purpose, self.hub.now())

    def reserve(self, opened: Opened) -> Reservation:
        """Take the operation's cost from its principal's bucket; one point at least. Raises
        Throttled."""
        return self.buckets.reserve(opened.context.principal.id, max(1, opened.prepared.cost))

    def engine(self, principal: Principal) -> Engine:
        """Introspection is for developers and for the demonstration."""
        return self._introspecting if self._free_text(principal) else self._plain

    def _free_text(self, principal: Principal) -> bool:
        """True if the credential may send documents of its own."""
        return self._demo or principal.developer

    def _document(self, principal: Principal, question: Question) -> tuple[str, Purpose]:
        if question.document_id is not None:
            with self.hub.database.read(_SCOPE) as session:
                stored = find_document(session, principal.id, question.document_id)
            if question.purpose not in (None, stored.purpose):
                raise Forbidden("The document is stored for another purpose than the stated one.")
            return stored.text, stated_purpose(principal, stored.purpose)
        if not self._free_text(principal):
            raise Forbidden("This credential runs stored documents only; name a `documentId`.")
        return question.query or "", stated_purpose(principal, question.purpose)

    def _note_denial(self, principal: Principal, reason: str) -> None:
        now = self.hub.now()
        self.hub.database.transaction(
            _SCOPE,
            lambda session: audit.append(
                session,
                now=now,
                principal_id=principal.id,
                principal_name=principal.name,
                purpose=principal.default_purpose.value,
                action="execute",
                outcome="denied",
                reason=reason,
            ),
        )
