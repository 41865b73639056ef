"""The webhook receiver: what a signed request with an impossible id is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from connectors import registry
from connectors.sdk.signatures import scheme_from_manifest, sign
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.webhooks import LONGEST_ID, webhook_routes
from hub.services import connections
from hub.services.intake import Intake
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import InboundMessage

SCOPE = unrestricted_scope("test")
SECRET = "whsec_c3VwcGx5LXJlc3QtdGVzdC1zZWNyZXQ="
BODY = b'{"type": "order.confirmed"}'


def add_supplier(database: Database, crypto: Crypto, now: datetime, name: str) -> None:
    """A supplier's connection, whose endpoint's token is its name."""

    def seed(session: Any) -> None:
        connections.add(
            session, crypto, connection_id=name, name=name,
            connector_id="supply_rest", now=now, endpoint_token=name,
            config={
                "api_key": f"secret://conn/{name}/api_key",
                "webhook_secrets": [f"secret://conn/{name}/webhook"],
            },
            secrets={"api_key": "k", "webhook": SECRET},
        )  # fmt: skip

    database.transaction(SCOPE, seed)


@pytest.fixture
def http(database: Database, crypto: Crypto, now: datetime) -> Iterator[TestClient]:
    add_supplier(database, crypto, now, "door")
    hub: Any = SimpleNamespace(
        database=database,
        crypto=crypto,
        intake=Intake(database, crypto, lambda: now),
        now=lambda: now,
    )
    with TestClient(Starlette(routes=webhook_routes(hub)), base_url="http://localhost") as http:
        yield http


def push(http: TestClient, event_id: str, now: datetime) -> Any:
    webhook = registry.get("supply_rest").webhook
    assert webhook is not None
    scheme = scheme_from_manifest({"scheme": webhook.scheme, **webhook.params})
    headers = sign(scheme, SECRET, event_id=event_id, timestamp=now, body=BODY)
    headers["content-type"] = webhook.content_types[0]
    return http.post("/webhooks/supply_rest/door", content=BODY, headers=headers)


def stored(database: Database) -> list[InboundMessage]:
    with database.read(SCOPE) as session:
        return list(session.query(InboundMessage))


def test_an_id_of_the_longest_length_is_stored_and_taken_once(
    http: TestClient, database: Database, now: datetime
) -> None:
    first, again = push(http, "e" * LONGEST_ID, now), push(http, "e" * LONGEST_ID, now)
    assert (first.status_code, first.json()) == (202, again.json())
    assert [row.state for row in stored(database)] == ["received"]


def test_a_longer_id_is_refused_in_a_sentence_and_its_body_kept(
    http: TestClient, database: Database, now: datetime
) -> None:
    answer = push(http, "e" * (LONGEST_ID + 1), now)
    assert answer.status_code == 400
    assert answer.json() == {"error": f"An event id has at most {LONGEST_ID} characters."}
    [row] = stored(database)
    assert (row.state, row.fault_code, row.fault_path) == ("refused", "id", "id")


def test_what_is_refused_of_one_connection_leaves_room_for_anothers(
    http: TestClient,
    database: Database,
    crypto: Crypto,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.entrypoints.webhooks.REFUSED_KEPT", 2)
    add_supplier(database, crypto, now, "second")
    for number, token in enumerate(["door"] * 3 + ["second"]):
        answer = http.post(
            f"/webhooks/supply_rest/{token}",
            content=b"%d" % number,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 401
    kept = Counter(row.connection_id for row in stored(database))
    assert kept == {"door": 2, "second": 1}
