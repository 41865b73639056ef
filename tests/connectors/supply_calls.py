"""How connectors of suppliers are called in tests: at a fixed moment, on loopback, and against
their simulated vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.simulator import SimulatorServer

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Clock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Secrets:
    value: str = "simulated"

    def get(self, reference: str) -> str:
        return self.value


_open: list[Http] = []


def calling(config: ConnectorConfig, key: str, **options: Any) -> Ctx:
    """The context of a call; `options` are of its client, which `close_clients` closes."""
    _open.append(Http(egress=(), clock=Clock(), allow_loopback=True, **options))
    return Ctx(
        connection_id="con_1",
        config=config,
        http=_open[-1],
        secrets=Secrets(key),
        clock=Clock(),
        deadline=NOW + timedelta(minutes=5),
        progress=lambda _: None,
        cancelled=lambda: False,
    )


def close_clients() -> None:
    while _open:
        _open.pop().close()


@contextmanager
def serving(
    build: Callable[..., Starlette], **options: Any
) -> Iterator[tuple[SimulatorServer, Starlette]]:
    """The vendor that `build` makes, listening."""
    app = build(seed=7, today=TODAY, **options)
    with SimulatorServer(app) as server:
        try:
            yield server, app
        finally:
            app.state.vendor.orders.courier.close()
