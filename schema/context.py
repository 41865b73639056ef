"""What one request carries: who asks, for what, and the means to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from hub.domain.agreements import Principal, Scope
from hub.storage.crypto import Crypto
from hub.storage.running import Running
from hub.storage.session import Database, ScopedSession


class ConnectorEntry(TypedDict):
    """A connector as the catalogue lists it; handed in, because the schema knows no connector."""

    id: str
    name: str
    kind: str
    version: str
    capabilities: list[str]


@dataclass(frozen=True)
class Context:
    """The surroundings of one request; `now` is the aware present moment, `running` what can be
    stopped when nobody waits for the answer any more."""

    database: Database
    crypto: Crypto
    principal: Principal
    scope: Scope
    now: Callable[[], datetime]
    connectors: Sequence[ConnectorEntry] = ()
    running: Running | None = None

    def read(self) -> AbstractContextManager[ScopedSession]:
        """A read under the rights of the request. Raises TooSlow when it is stopped."""
        return self.database.read(self.scope, self.running)
