"""From a question and a credential to an answer: who asks, for which purpose, which document, at
which cost; then it is run.

Who asks and what they may read is kept between queries. A query runs under what is kept, and its
own statement tells whether that still holds; nothing is refused, and nothing is changed, under
anything but rights looked up for this very request.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple, Protocol

from graphql import OperationType
from prometheus_client import Histogram
from starlette.concurrency import run_in_threadpool

from hub import metrics
from hub.auth.buckets import Buckets, Reservation
from hub.auth.credentials import Asker, SignedIn, authenticate
from hub.auth.documents import find_document
from hub.auth.rights import Holding, Known, next_change, next_midnight_anywhere
from hub.auth.scopes import stated_purpose, terms_for
from hub.domain.agreements import (
    Principal,
    Purpose,
    Scope,
    in_emergency,
    operations_scope,
    scope_for,
)
from hub.entrypoints.connection_rules import prepare_connection
from hub.entrypoints.graphql_answer import Answer, failed, not_modified, outcome_of, succeeded
from hub.entrypoints.graphql_emergency import emergency_of
from hub.entrypoints.graphql_extensions import asked_beside
from hub.entrypoints.graphql_request import Question
from hub.entrypoints.live import LiveAnswers
from hub.entrypoints.message_contents import copying, describe_message
from hub.errors import Forbidden, NotFound, Rejected, Stale
from hub.settings import Settings
from hub.storage import audit, policy
from hub.storage.crypto import Crypto
from hub.storage.reads.reading import PolicyChanged
from hub.storage.running import Running
from hub.storage.session import Database, ScopedSession
from jobs.context import JobContext
from schema.caching import holds
from schema.conditional import current_tag
from schema.context import ConnectorEntry, Context
from schema.documents import Documents
from schema.execute import Engine, Prepared
from schema.federation import translated
from schema.root import hub_schema
from schema.subscriptions import Change

_SCOPE = operations_scope("credentials")
_ATTEMPTS = 3
READING_COST = 10
"""Points taken while a document is read that was not met before; given back if it may run."""


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
class Access:
    """Who asks and under which rights; `text` is that of the stored document they named."""

    context: Context
    engine: Engine
    text: str | None


class Asked(NamedTuple):
    """A question and how it came: the HTTP method, and the tags of the answers its sender has."""

    question: Question
    method: str = "POST"
    if_none_match: str | None = None


class Opened(NamedTuple):
    """A question that may be answered: by whom asked, and what will run."""

    access: Access
    prepared: Prepared

    @property
    def context(self) -> Context:
        return self.access.context

    @property
    def kind(self) -> OperationType:
        return self.prepared.operation.definition.operation


class _Again(Exception):
    """What is kept of the credential does not do for this question."""


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
        self._known: Known[Access] = Known()
        self.buckets = Buckets(
            hub.database,
            size=hub.settings.graphql_cost_maximum,
            rate=hub.settings.graphql_restore_rate,
            now=hub.now,
        )

    async def answer(
        self,
        question: Question,
        asker: Asker,
        running: Running,
        *,
        method: str = "POST",
        if_none_match: str | None = None,
    ) -> Answer:
        """The answer to one question. Never raises but to be cancelled.

        With the methods GET and QUERY only queries are answered; an answer to QUERY carries its
        tag where it may be kept, and is left out if the client has it (`if_none_match`).
        """
        began = time.perf_counter()
        answer = await self._answered(Asked(question, method, if_none_match), asker, running)
        mode = "stored" if question.query is None else "sent"
        seconds = time.perf_counter() - began
        _measured(mode, outcome_of(answer)).observe(seconds)
        return answer

    async def _answered(self, asked: Asked, asker: Asker, running: Running) -> Answer:
        question = asked.question
        key = _key(question, asker)
        access = self._known.get(key, self.hub.now())
        if access is not None:
            try:
                return await self._answer(access, asked, running, fresh=False)
            except _Again:
                self._known.forget(key)
        try:
            for _ in range(_ATTEMPTS):
                holding = await run_in_threadpool(self._look_up, question, asker)
                self._known.put(key, holding)
                try:
                    return await self._answer(holding.value, asked, running, fresh=True)
                except _Again:
                    continue
            raise PolicyChanged("The rights of the credential changed again and again.")
        except Exception as error:
            return failed(error)

    async def _answer(
        self, access: Access, asked: Asked, running: Running, *, fresh: bool
    ) -> Answer:
        """The answer under one access. Raises _Again where it must be asked under a fresh one."""
        cost: Reservation | None = None
        tag: str | None = None
        try:
            opened = await self._open(access, asked.question)
            if opened.kind is not OperationType.QUERY:
                if not fresh:
                    raise _Again
                _refuse_if_not_a_query(opened.kind, asked.method)
            if asked.method == "QUERY" and not asked.question.asks_beside:
                tag = await current_tag(access.context, opened.prepared)
                if tag is not None and holds(asked.if_none_match, tag):
                    await self._reserve(opened, 1)
                    return not_modified(tag)
            cost = await self._reserve(opened, opened.prepared.cost)
            beside = None
            if asked.question.asks_beside:
                beside = await run_in_threadpool(
                    asked_beside, asked.question, access.context, opened.prepared
                )
            text = await access.engine.answer(access.context, opened.prepared, running)
            cost.settle(opened.prepared.actual_cost())
            return succeeded(text, cost, tag, beside, opened.prepared.failures)
        except (PolicyChanged, Rejected, Forbidden, NotFound) as error:
            if isinstance(error, PolicyChanged) or not fresh:
                if cost is not None:
                    cost.settle(0)
                raise _Again from error
            await run_in_threadpool(self._note_refusal, access, asked.question, error)
            return failed(error, cost)
        except _Again:
            raise
        except Exception as error:
            if isinstance(error, Stale) and cost is not None:
                cost.settle(1)  # nothing was read
            return failed(error, cost)

    async def _open(self, access: Access, question: Question) -> Opened:
        text = access.text if access.text is not None else question.query or ""
        documents = access.engine.knowing(access.context, text)
        if documents is not None:
            return self._prepared(access, question, documents)
        return await run_in_threadpool(self._read, access, question)

    def _read(self, access: Access, question: Question) -> Opened:
        """What a document comes to that was perhaps not met before. To refuse one is work too:
        whoever has no points left is not read. Blocking. Raises Throttled and as `_prepared`."""
        reading = self.buckets.reserve(access.context.principal.id, READING_COST)
        opened = self._prepared(access, question)
        reading.settle(0)
        return opened

    async def _reserve(self, opened: Opened, cost: int) -> Reservation:
        principal_id = opened.context.principal.id
        if self.buckets.knows(principal_id):
            return self.buckets.reserve(principal_id, max(1, cost))
        return await run_in_threadpool(self.buckets.reserve, principal_id, max(1, cost))

    def principal(self, asker: Asker) -> Principal:
        """Who asks. Blocking. Raises Unauthenticated."""
        with self.hub.database.read(_SCOPE) as session:
            return authenticate(session, asker)

    def open(self, question: Question, asker: Asker) -> Opened:
        """What will run and under which rights, as they are now. Blocking. Raises Unauthenticated,
        Throttled, Invalid, Rejected, CostExceeded, Forbidden or NotFound; refusals are written to
        the audit trail."""
        access = self._look_up(question, asker).value
        try:
            return self._read(access, question)
        except Exception as error:
            self._note_refusal(access, question, error)
            raise

    def event(self, opened: Opened, change: Change) -> dict[str, object] | None:
        """The `data` of one event of an opened subscription; None if its row may not be read.
        Blocking."""
        try:
            return opened.access.engine.event(opened.context, opened.prepared, change)
        except Forbidden as error:
            opened.access.engine.note_denial(opened.context, opened.prepared.name, str(error))
            raise

    def reserve(self, opened: Opened) -> Reservation:
        """Take the operation's cost from its principal's bucket; one point at least. Raises
        Throttled."""
        return self.buckets.reserve(opened.context.principal.id, max(1, opened.prepared.cost))

    def _prepared(
        self, access: Access, question: Question, documents: Documents | None = None
    ) -> Opened:
        """Raises Invalid, Rejected, CostExceeded or Forbidden."""
        text, variables = access.text, question.variables
        if text is None:
            text = question.query or ""
        if self._federation:
            text, variables = translated(text, variables)
        prepared = access.engine.prepare(
            access.context, text, variables, question.operation_name, documents
        )
        if access.context.scope.emergency is not None and (
            prepared.plan is None or prepared.plan.plain
        ):
            raise Forbidden("In an emergency access stored records are read, and nothing else.")
        return Opened(access, prepared)

    def _look_up(self, question: Question, asker: Asker) -> Holding[Access]:
        """Who asks and what they may read at this moment. Blocking. Raises Unauthenticated,
        Forbidden or NotFound."""
        now = self.hub.now()
        try:
            with self.hub.database.read(_SCOPE) as session:
                version = policy.version(session)  # first: a change meanwhile must be noticed
                principal = authenticate(session, asker)
                text, purpose = self._document(session, principal, question, asker)
                terms = terms_for(session, principal)
            # Only now: who holds one connection while waiting for another may stop everybody.
            emergency, ends = emergency_of(self.hub.database, principal, question, now)
        except Forbidden as refusal:
            self._note_denial(principal, str(refusal))
            raise
        scope = scope_for(principal, terms, purpose, now)
        if emergency is not None:
            scope = in_emergency(scope, emergency)
        access = self._access(principal, scope, version, text)
        midnight = None if scope.consents_at is None else next_midnight_anywhere(now)
        moments = [each for each in (next_change(terms, now), ends, midnight) if each is not None]
        return Holding(access, now, min(moments, default=None))

    def _access(
        self,
        principal: Principal,
        scope: Scope,
        version: int,
        text: str | None,
    ) -> Access:
        context = Context(
            self.hub.database,
            self.hub.crypto,
            principal,
            scope,
            self.hub.now,
            self._connectors,
            policy=version,
            prepare_connection=prepare_connection,
            own_documents=self._free_text(principal),
            ask_vendors=self._ask_vendors,
            describe_message=describe_message,
            copy_message=copying(self.hub.now),
        )
        return Access(context, self.engine(principal), text)

    def engine(self, principal: Principal) -> Engine:
        """Introspection is for developers and for the demonstration."""
        return self._introspecting if self._free_text(principal) else self._plain

    def _free_text(self, principal: Principal) -> bool:
        """True if the credential may send documents of its own."""
        return self._demo or principal.developer

    def _document(
        self, session: ScopedSession, principal: Principal, question: Question, asker: Asker
    ) -> tuple[str | None, Purpose]:
        if question.document_id is not None:
            stored = find_document(session, principal.id, question.document_id)
            if question.purpose not in (None, stored.purpose):
                raise Forbidden("The document is stored for another purpose than the stated one.")
            return stored.text, stated_purpose(principal, stored.purpose)
        # What is asked in a session is written in the console, not by whoever is signed in.
        if not (isinstance(asker, SignedIn) or self._free_text(principal)):
            raise Forbidden("This credential runs stored documents only; name a `documentId`.")
        return None, stated_purpose(principal, question.purpose)

    def _note_refusal(self, access: Access, question: Question, error: Exception) -> None:
        text = access.text if access.text is not None else question.query or ""
        access.engine.note_refusal(access.context, text, error)

    def _note_denial(self, principal: Principal, reason: str) -> None:
        event = audit.Event(
            now=self.hub.now(),
            principal_id=principal.id,
            principal_name=principal.name,
            purpose=principal.default_purpose.value,
            action="execute",
            outcome="denied",
            reason=reason,
        )
        self.hub.database.gather(event, audit.append_all).result()


def _refuse_if_not_a_query(kind: OperationType, method: str) -> None:
    if method != "POST":
        raise Rejected(f"Only queries may be sent with {method}; send this one with POST.")
    if kind is OperationType.SUBSCRIPTION:
        raise Rejected("Subscribe over WebSocket, or with the header Accept: text/event-stream.")


@cache
def _measured(mode: str, outcome: str) -> Histogram:
    return metrics.graphql_operations.labels(mode, outcome)


def _key(question: Question, asker: Asker) -> Hashable:
    """What decides who asks and under which rights; the credential only as a digest. What is no
    text is no purpose either, and is never kept."""
    who: Hashable = asker
    if not isinstance(asker, SignedIn):
        who = hashlib.sha256((asker or "").encode("utf-8", "replace")).digest()
    stated = question.purpose
    purpose = stated if isinstance(stated, str | None) else ""
    return who, purpose, question.document_id, question.emergency_access
