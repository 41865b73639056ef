"""Refused credentials are audited: at once, over every transport, and never one event each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints import refusals
from hub.entrypoints.exports import export_routes
from hub.entrypoints.refusals import MOST_ADDRESSES, OTHERS, Refusals
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage import audit
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import AuditEvent
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")
WRONG = "hub_0badc0de_not-a-key"
QUERY = {"query": "{ practices { nodes { name } } }"}


@pytest.fixture
def http(database: Database, crypto: Crypto, now: datetime, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    hub: Any = SimpleNamespace(settings=settings, database=database, crypto=crypto, now=lambda: now)
    app = create_app(hub, connectors=[], routes=export_routes(hub))
    with TestClient(app, base_url="http://localhost") as http:
        yield http


def events(database: Database) -> list[AuditEvent]:
    """What is audited once everything submitted before is committed."""
    database.submit(SCOPE, lambda session: None).result()
    with database.read(SCOPE) as session:
        return list(session.scalars(select(AuditEvent).order_by(AuditEvent.sequence)))


def counts(database: Database) -> list[int]:
    return [event.entities["Credential"] for event in events(database)]


def by_json(http: TestClient) -> None:
    headers = {"Authorization": f"Bearer {WRONG}"}
    assert http.post("/graphql", json=QUERY, headers=headers).status_code == 401


def by_stream(http: TestClient) -> None:
    headers = {"Authorization": f"Bearer {WRONG}", "Accept": "text/event-stream"}
    assert http.post("/graphql", json=QUERY, headers=headers).status_code == 401


def by_download(http: TestClient) -> None:
    headers = {"Authorization": f"Bearer {WRONG}"}
    assert http.get("/exports/token", headers=headers).status_code == 401


def by_socket(http: TestClient) -> None:
    url, protocols = "ws://localhost/graphql", ["graphql-transport-ws"]
    with http.websocket_connect(url, subprotocols=protocols) as socket:
        socket.send_json({"type": "connection_init", "payload": {"authorization": WRONG}})
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


@pytest.mark.parametrize("attempt", [by_json, by_stream, by_download, by_socket])
def test_a_refused_credential_is_audited_without_the_credential(
    http: TestClient, database: Database, attempt: Any
) -> None:
    attempt(http)
    [event] = events(database)
    assert (event.action, event.outcome, event.operation) == ("execute", "denied", "authenticate")
    assert event.entities == {"Credential": 1}
    assert event.reason == "Refused from testclient."
    assert "0badc0de" not in str(vars(event))
    with database.read(SCOPE) as session:
        assert audit.verify(session).intact


def test_a_flood_from_one_address_is_two_events_a_minute(
    http: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MINUTE", 0.5)
    for _ in range(20):
        by_json(http)
    wait_until(lambda: sum(counts(database)) >= 20)
    written = counts(database)
    assert written[0] == 1
    assert sum(written) == 20
    assert len(written) < 20


class Waiting:
    """An event loop whose minute never ends by itself."""

    def call_later(self, seconds: float, call: Any) -> None:
        assert seconds == refusals.MINUTE


def test_addresses_beyond_the_most_told_apart_share_one_count(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals.asyncio, "get_running_loop", Waiting)
    noted = Refusals(database, lambda: now)
    for number in range(MOST_ADDRESSES + 50):
        noted.note(f"192.0.2.{number}")
    noted.note("192.0.2.0")
    noted.flush()
    noted.flush()
    found = events(database)
    assert len(found) == MOST_ADDRESSES + 3
    assert [e.reason for e in found[-2:]] == ["Refused from 192.0.2.0.", f"Refused from {OTHERS}."]
    assert [e.entities["Credential"] for e in found[-3:]] == [1, 1, 49]
