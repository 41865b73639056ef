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

from hub.auth import credentials
from hub.auth.credentials import create_client, revoke_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints import key_limit, refusals
from hub.entrypoints.exports import export_routes
from hub.entrypoints.key_limit import MOST_REFUSED_KEYS
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


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time a key is looked up in the database, or those in use are read."""
    found: list[str] = []
    by_key, in_use = credentials._by_key, key_limit.digests_in_use

    def looked_up(session: Any, header: Any) -> Any:
        found.append("key")
        return by_key(session, header)

    def read(session: Any) -> Any:
        found.append("all")
        return in_use(session)

    monkeypatch.setattr(credentials, "_by_key", looked_up)
    monkeypatch.setattr(key_limit, "digests_in_use", read)
    monkeypatch.setattr(key_limit, "FRESH_SECONDS", 3600.0)
    return found


def asked(http: TestClient, key: str) -> Any:
    return http.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {key}"})


def app(database: Database, now: datetime, name: str) -> str:
    def work(session: Any) -> str:
        return create_client(session, name, PrincipalKind.MSO_APP, now=now)[1]

    return database.transaction(SCOPE, work)


def test_unknown_keys_are_turned_away_unread_and_a_key_in_use_is_not(
    http: TestClient, database: Database, now: datetime, lookups: list[str]
) -> None:
    key = app(database, now, "app")
    for _ in range(MOST_REFUSED_KEYS):
        by_json(http)
    del lookups[:]
    for number in range(50):
        refused = asked(http, f"hub_{number:08x}_guess")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    stream = {"Authorization": f"Bearer {WRONG}", "Accept": "text/event-stream"}
    assert http.post("/graphql", json=QUERY, headers=stream).status_code == 429
    stated = {"Authorization": f"Bearer {WRONG}"}
    assert http.get("/exports/token", headers=stated).status_code == 429
    assert lookups == ["all"]
    assert asked(http, key).status_code == 200
    assert asked(http, key[:-1] + "?").status_code == 429


def test_a_socket_with_an_unknown_key_is_closed_as_well(
    http: TestClient, database: Database, now: datetime, lookups: list[str]
) -> None:
    for _ in range(MOST_REFUSED_KEYS):
        by_socket(http)
    del lookups[:]
    url, protocols = "ws://localhost/graphql", ["graphql-transport-ws"]
    with http.websocket_connect(url, subprotocols=protocols) as socket:
        socket.send_json(
            {"type": "connection_init", "payload": {"authorization": f"Bearer {WRONG}"}}
        )
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1013
    assert lookups == ["all"]


def test_a_credential_made_meanwhile_is_known_and_a_revoked_one_refused(
    http: TestClient, database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limit, "FRESH_SECONDS", 0.0)
    for _ in range(MOST_REFUSED_KEYS):
        by_json(http)
    assert asked(http, WRONG).status_code == 429
    key = app(database, now, "new")
    assert asked(http, key).status_code == 200
    database.transaction(SCOPE, lambda session: revoke_client(session, "new", now=now))
    assert asked(http, key).status_code == 401
    assert asked(http, WRONG).status_code == 429
    assert asked(http, key).status_code == 429


def test_credentials_of_another_form_are_left_to_who_judges_them(http: TestClient) -> None:
    for _ in range(MOST_REFUSED_KEYS):
        by_json(http)
    for header in ("Basic dXNlcjp3b3Jk", "Bearer of-a-vendor"):
        answer = http.post("/graphql", json=QUERY, headers={"Authorization": header})
        assert answer.status_code == 401
    assert http.get("/livez").status_code == 200


def test_keys_turned_away_are_audited_as_refused(
    http: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MINUTE", 0.5)
    for _ in range(MOST_REFUSED_KEYS):
        by_json(http)
    for _ in range(7):
        assert asked(http, WRONG).status_code == 429
    wait_until(lambda: sum(counts(database)) >= MOST_REFUSED_KEYS + 7)


def test_an_address_may_be_refused_again_after_a_minute(now: datetime) -> None:
    limit = key_limit.Attempts(2)
    limit.note("192.0.2.1", now)
    limit.note("192.0.2.1", now)
    assert limit.are_too_many("192.0.2.1", now)
    assert not limit.are_too_many("192.0.2.2", now)
    assert not limit.are_too_many("192.0.2.1", now + key_limit.MINUTE)
    for number in range(key_limit.MOST_KEPT + 50):
        limit.note(number, now)
    assert len(limit._refused) == key_limit.MOST_KEPT


@pytest.mark.parametrize(
    ("tried", "again", "elsewhere"),
    [
        ("2001:db8:0:7::{}", "2001:db8:0:7:ffff::1", "2001:db8:0:8::1"),
        ("fe80::{}%eth0", "fe80::ffff", "fe80:0:0:1::1"),
        ("::ffff:198.51.100.7", "198.51.100.7", "198.51.100.8"),
    ],
)
def test_a_network_of_ipv6_is_limited_like_one_address(
    http: TestClient, lookups: list[str], tried: str, again: str, elsewhere: str
) -> None:
    def status(address: str) -> int:
        client = TestClient(http.app, base_url="http://localhost", client=(address, 50000))
        return int(asked(client, WRONG).status_code)

    answers = {status(tried.format(f"{n:x}")) for n in range(1, MOST_REFUSED_KEYS + 1)}
    assert (answers, status(again), status(elsewhere)) == ({401}, 429, 401)
