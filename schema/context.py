"""What one request carries: who asks, for what, and the means to answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypedDict

from hub.domain.agreements import Principal, Scope
from hub.services.arrivals import Arrival
from hub.services.emergencies import PURPOSE as EMERGENCY
from hub.storage import audit
from hub.storage.crypto import Crypto
from hub.storage.reads.scoping import ScopeShape, Sets, split
from hub.storage.running import Running
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Connection, InboundMessage
from schema.caching import KeptScope, kept_scope
from schema.live import AskVendors


class ConnectorEntry(TypedDict):
    """A connector as the catalogue lists it; handed in, because the schema knows no connector."""

    id: str
    name: str
    kind: str
    version: str
    capabilities: list[str]


@dataclass(frozen=True, slots=True)
class PreparedConnection:
    """A connection's settings checked by its connector; `has_webhook` if it needs an address of its
    own, `moved` if an address it asks is another than before."""

    config: Mapping[str, Any]
    routing: Mapping[str, Any]
    has_webhook: bool
    moved: bool = False


class PrepareConnection(Protocol):
    """Checks the settings of a connection, a new one where `before` is None; handed in, because the
    schema knows no connector.

    Raises Rejected or NotFound naming the setting, never a value.
    """

    def __call__(
        self,
        connector_id: str,
        config: Mapping[str, Any],
        routing: Mapping[str, Any],
        secrets: Collection[str],
        connection_id: str,
        before: Mapping[str, Any] | None = None,
    ) -> PreparedConnection: ...


class DescribeMessage(Protocol):
    """Reads an HL7 v2 message by the dialect of a stored connection (None: the standard) as plain
    values: text, segments, records, issues. Never raises for what stands in it."""

    def __call__(
        self, content: bytes, connection: Connection | None, headers: Mapping[str, str]
    ) -> Mapping[str, Any]: ...


class CopyMessage(Protocol):
    """An edited copy of a stored message under a control id of its own, as the settings of now
    judge it. Raises Rejected for what is not one message."""

    def __call__(
        self, session: ScopedSession, message: InboundMessage, content: bytes
    ) -> Arrival: ...


@dataclass(frozen=True)
class Context:
    """The surroundings of requests with the same rights; `now` is the aware present moment,
    `policy` the version under which the rights were looked up (None: the hub's own work, whose
    rights nobody takes away), `own_documents` whether the caller may send documents of its own,
    `ask_vendors` how live fields are answered, `describe_message` how messages are read,
    `copy_message` how edited copies of them are judged."""

    database: Database
    crypto: Crypto
    principal: Principal
    scope: Scope
    now: Callable[[], datetime]
    connectors: Sequence[ConnectorEntry] = ()
    policy: int | None = None
    prepare_connection: PrepareConnection | None = None
    own_documents: bool = False
    ask_vendors: AskVendors | None = None
    describe_message: DescribeMessage | None = None
    copy_message: CopyMessage | None = None

    @cached_property
    def scope_parts(self) -> tuple[ScopeShape, Sets]:
        """The scope as reads take it."""
        return split(self.scope)

    @cached_property
    def kept_scope(self) -> KeptScope:
        """The scope as the tags of answers take it."""
        return kept_scope(self.scope, *self.scope_parts)

    @cached_property
    def kept_practices(self) -> str:
        """Its practices as the database takes them."""
        return self.database.text_reads.writer.list_text(self.kept_scope.practices)

    def audit_event(self, operation: str, action: str, outcome: str, **facts: Any) -> audit.Event:
        """An audit event of a request; `facts` are further members of it. In an emergency it tells
        why."""
        purpose, emergency = self.scope.purpose.value, self.scope.emergency
        if emergency is not None:
            purpose, facts = EMERGENCY, {"reason": emergency.reason, **facts}
        return audit.Event(
            now=self.now(),
            principal_id=self.principal.id,
            principal_name=self.principal.name,
            purpose=purpose,
            action=action,
            outcome=outcome,
            operation=operation,
            **facts,
        )

    def read(self, running: Running | None = None) -> AbstractContextManager[ScopedSession]:
        """A read under the rights of the request. Raises TooSlow when `running` is stopped."""
        return self.database.read(self.scope, running)
