"""What one request carries: who asks, for what, and the means to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from hub.domain.agreements import Principal, Scope
from hub.storage.crypto import Crypto
from hub.storage.session import Database


class ConnectorEntry(TypedDict):
    """A connector as the catalogue lists it; handed in, because the schema knows no connector."""

    id: str
    name: str
    kind: str
    version: str
    capabilities: list[str]


@dataclass(frozen=True)
class Context:
    """The surroundings of one request; `now` is the aware present moment."""

    database: Database
    crypto: Crypto
    principal: Principal
    scope: Scope
    now: Callable[[], datetime]
    connectors: Sequence[ConnectorEntry] = ()
