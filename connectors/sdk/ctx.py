"""What the engine hands to a connector for one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.sdk.config import ConnectorConfig

if TYPE_CHECKING:
    from connectors.sdk.http import Http


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class Secrets(Protocol):
    def get(self, reference: str) -> str:
        """The value behind a reference; raises ConfigError naming the reference if there is
        none."""
        ...


@dataclass(frozen=True, slots=True)
class Ctx:
    """One connection, one call. `config` is an instance of the connector's own Config class.

    `deadline` is when the engine wants control back (aware); a connector checks `cancelled()` and
    the deadline between pages and raises Cancelled or DeadlineNear.
    """

    connection_id: str
    config: ConnectorConfig
    http: Http
    secrets: Secrets
    clock: Clock
    deadline: datetime
    progress: Callable[[int], None]
    cancelled: Callable[[], bool]
