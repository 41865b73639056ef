"""Status codes: as the audits expect them, and as the draft of GraphQL over HTTP has them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.graphql_answer import Answer
from hub.entrypoints.graphql_request import GRAPHQL_JSON, JSON
from hub.entrypoints.web import create_app
from hub.settings import Settings

OUTCOMES = {
    "answered": ({"query": "{ practices { nodes { name } } }"}, 200, 200),
    "not GraphQL": ({"query": "{"}, 400, 400),
    "an unknown field": ({"query": "{ nothing }"}, 400, 422),
    "a variable of another type": (
        {
            "query": "query Q($n: Int) { practices(first: $n) { totalCount } }",
            "variables": {"n": "x"},
        },
        400,
        422,
    ),
    "not JSON as GraphQL wants it": ({"query": 1}, 400, 400),
}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The status is the same over every database."""
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture
def ask(database, crypto, now, tmp_path) -> Any:
    _, key = database.transaction(
        unrestricted_scope("test"),
        lambda s: create_client(s, "mso", PrincipalKind.MSO_APP, None, now=now),
    )

    def ask(mode: str, media_type: str, body: dict[str, Any]) -> int:
        settings = Settings(_env_file=None, data_dir=tmp_path, graphql_status=mode)
        hub = SimpleNamespace(settings=settings, database=database, crypto=crypto, now=lambda: now)
        headers = {"Authorization": f"Bearer {key}", "Accept": media_type}
        with TestClient(create_app(hub, connectors=[]), base_url="http://localhost") as http:
            return http.post("/graphql", json=body, headers=headers).status_code

    return ask


@pytest.mark.parametrize(("body", "audit", "draft"), OUTCOMES.values(), ids=OUTCOMES)
def test_each_outcome_has_its_status(ask, body, audit, draft):
    assert ask("audit", GRAPHQL_JSON, body) == audit
    assert ask("draft", GRAPHQL_JSON, body) == draft
    assert ask("draft", JSON, body) == draft


def test_plain_json_is_200_where_the_audits_are_followed(ask):
    assert ask("audit", JSON, OUTCOMES["an unknown field"][0]) == 200


def test_data_with_errors_is_a_partial_success_in_the_draft():
    partial = Answer(200, {"data": {"a": None}, "errors": [{"message": "no"}]})
    assert partial.response(GRAPHQL_JSON).status_code == 200
    assert partial.response(GRAPHQL_JSON, draft=True).status_code == 294
    assert partial.response(JSON, draft=True).status_code == 294
