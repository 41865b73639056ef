"""Stored documents: all that production runs, except for developers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.auth.documents import add_document, client_named, remove_document
from hub.domain.agreements import PrincipalKind, Purpose, unrestricted_scope
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import AuditEvent

SCOPE = unrestricted_scope("test")
TEXT = "query Names($n: Int) { practices(first: $n) { nodes { name } } }"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
PURPOSES = (Purpose.OPERATIONS, Purpose.PURCHASING)


class Production:
    """A hub in production with an app, another app and a developer."""

    def __init__(self, database: Database, http: TestClient, now: datetime) -> None:
        self.database = database
        self.http = http
        self.keys = {
            name: database.transaction(
                SCOPE,
                lambda s, name=name: create_client(
                    s,
                    name,
                    PrincipalKind.MSO_APP,
                    now=now,
                    purposes=PURPOSES,
                    developer=name == "developer",
                )[1],
            )
            for name in ("app", "other", "developer")
        }

    def post(self, name: str, **body: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {self.keys[name]}",
            "Accept": "application/graphql-response+json",
        }
        return self.http.post("/graphql", json=body, headers=headers)

    def code(self, name: str, **body: Any) -> tuple[int, str]:
        answer = self.post(name, **body)
        return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


@pytest.fixture
def production(database: Database, crypto: Crypto, now: datetime) -> Iterator[Production]:
    settings = Settings(_env_file=None, profile="production")
    hub = SimpleNamespace(settings=settings, database=database, crypto=crypto, now=lambda: now)
    with TestClient(create_app(hub, connectors=[]), base_url="http://localhost") as http:
        made = Production(database, http, now)
        database.transaction(
            SCOPE,
            lambda session: add_document(
                session,
                client_named(session, "app"),
                digest=DIGEST,
                name="names.graphql",
                text=TEXT,
                purpose=Purpose.PURCHASING,
                cost=26,
                now=now,
            ),
        )
        yield made


def test_a_stored_document_runs_by_its_digest_with_its_own_purpose(production):
    answer = production.post("app", documentId=f"sha256:{DIGEST}", variables={"n": 3})
    assert answer.json()["data"] == {"practices": {"nodes": []}}
    stated = {"purpose": "PURCHASING"}
    assert production.post("app", documentId=f"sha256:{DIGEST}", extensions=stated).is_success


def test_another_credential_does_not_get_it_and_a_missing_one_looks_the_same(production):
    known = production.post("other", documentId=f"sha256:{DIGEST}")
    missing = production.post("other", documentId="sha256:" + "0" * 64)
    assert known.status_code == missing.status_code == 404
    texts = [answer.json()["errors"][0]["message"] for answer in (known, missing)]
    assert texts[0] == texts[1]


def test_a_text_is_refused_in_production_and_the_refusal_is_audited(production):
    assert production.code("app", query=TEXT) == (403, "FORBIDDEN")
    with production.database.read(SCOPE) as session:
        [event] = session.scalars(select(AuditEvent).where(AuditEvent.outcome == "denied")).all()
    assert event.principal_name == "app"


def test_a_developer_may_send_texts_and_introspect(production):
    assert production.post("developer", query=TEXT).is_success
    schema = production.post("developer", query="{ __schema { queryType { name } } }")
    assert schema.json()["data"]["__schema"]["queryType"]["name"] == "Query"


def test_a_removed_document_and_another_purpose_are_refused(production):
    stated = {"purpose": "OPERATIONS"}
    by_id = f"sha256:{DIGEST}"
    assert production.code("app", documentId=by_id, extensions=stated) == (403, "FORBIDDEN")
    production.database.transaction(
        SCOPE, lambda s: remove_document(s, client_named(s, "app"), DIGEST)
    )
    assert production.code("app", documentId=by_id) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": 1},
        {"documentId": "md5:0"},
        {"documentId": f"sha256:{DIGEST}", "query": TEXT},
    ],
)
def test_a_malformed_document_id_is_no_request(production, body):
    assert production.code("app", **body) == (400, "BAD_INPUT")
