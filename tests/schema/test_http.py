"""The HTTP edge: what is refused before GraphQL, limits on documents, and masked errors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.reads.driver import TextReads
from hub.storage.session import Database
from schema.export import sdl

QUERY = {"query": "{ practices { nodes { name } } }"}
BOMB = (
    "{ practices { nodes { ...f0 } } }"
    + "".join(f"fragment f{i} on Practice {{ ...f{i + 1} ...f{i + 1} }} " for i in range(90))
    + "fragment f90 on Practice { name }"
)
ALIASES = "{ practices { nodes { " + " ".join(f"a{i}: name" for i in range(16)) + " } } }"
ALIAS_BOMB = (
    "{ practices { nodes { ...f0 } } }"
    + "".join(
        f"fragment f{i} on Practice {{ a{i}: patients {{ nodes {{ practice {{ "
        f"...f{i + 1} }} }} }} }} "
        for i in range(30)
    )
    + "fragment f30 on Practice { name }"
)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The edge is the same over every database."""
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture
def app(world):
    return world.app(world.practice("North"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"7", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff\xfe", 400),
        (b"{", 400),
        (b'{"query": 1}', 400),
        (b'{"query": "{ a }", "variables": {"a": "\\u0000"}}', 400),
        (b'{"query": "{ a }", "variables": []}', 400),
        (b'{"query": "{ a }", "variables": {"a": NaN}}', 400),
        (b'{"query": "{ a }", "variables": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"query": "' + b"x" * 20_000_000 + b'"}', 413),
    ],
)
def test_bodies_that_are_no_graphql_request_are_refused(app, body, status):
    headers = {**app.headers, "Content-Type": "application/json"}
    answer = app.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


def test_a_body_without_length_is_cut_off(app):
    def endless():
        for _ in range(100):
            yield b"x" * 10_000

    headers = {**app.headers, "Content-Type": "application/json"}
    assert app.http.post("/graphql", content=endless(), headers=headers).status_code == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_only_json_is_taken(app, kind):
    answer = app.http.post("/graphql", content=b"{}", headers={**app.headers, "Content-Type": kind})
    assert answer.status_code == 415


def test_compressed_bodies_are_refused(app):
    headers = {**app.headers, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert app.http.post("/graphql", content=b"x", headers=headers).status_code == 415


def test_get_is_refused_with_allow(app):
    answer = app.http.get("/graphql", params=QUERY, headers=app.headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, QUERY")


def test_a_foreign_host_header_is_refused(app):
    answer = app.http.post("/graphql", json=QUERY, headers={**app.headers, "Host": "evil.example"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer x", "Bearer hub_00000000_x", "Basic aHVi", "Bearer hub_é_x"],
)
def test_without_a_valid_credential_there_is_one_answer(app, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = app.http.post("/graphql", json=QUERY, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    [error] = answer.json()["errors"]
    assert error["message"] == "The credential is missing, unknown or revoked."
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (ALIASES, "BAD_INPUT"),
        (ALIAS_BOMB, "BAD_INPUT"),
        ("{ practices { nodes { ...f } } } fragment f on Practice { ...f }", "BAD_INPUT"),
        ("{ practices { nodes { ...missing } } }", "BAD_INPUT"),
        ("{ " + "practices { nodes { patients { nodes { " * 6, "BAD_INPUT"),
        ("{ " * 3000 + " }" * 3000, "BAD_INPUT"),
        ("{ " + "a" * 15_000 + " }", "BAD_INPUT"),
        ("{ practices { nodes { name " + "@skip(if: false) " * 51 + "} } }", "BAD_INPUT"),
        (
            "{ " + " ".join(f"p{i}: practices {{ totalCount }}" for i in range(11)) + " }",
            "BAD_INPUT",
        ),
        (
            "{ patients(first: 100) { nodes { appointments(first: 100) { nodes { id } } } } }",
            "COST_EXCEEDED",
        ),
        ("query A { __typename } query B { __typename }", "BAD_INPUT"),
        ("{ practises { nodes { name } } }", "BAD_INPUT"),
        ('{ patients(where: { birthDate: { eq: "1-1-secret" } }) { totalCount } }', "BAD_INPUT"),
    ],
)
def test_documents_beyond_the_limits_get_a_clean_error(app, query, code):
    answer = app.post(query)
    assert answer["errors"][0]["extensions"]["code"] == code
    assert "data" not in answer
    assert "secret" not in str(answer)


def test_a_fragment_bomb_is_measured_in_the_time_of_its_text(app):
    assert app.data(BOMB) == {"practices": {"nodes": [{"name": "North"}]}}


def test_page_sizes_in_variables_are_priced(app):
    query = """query($n: Int) { patients(first: $n) { nodes { appointments(first: $n) {
      nodes { id } } } } }"""
    assert app.data(query, n=50)["patients"]["nodes"] == []
    assert app.code(query, n=100) == "COST_EXCEEDED"


def test_values_of_variables_never_come_back_in_an_error(app):
    answer = app.post(
        "query($w: PatientFilter) { patients(where: $w) { totalCount } }",
        w={"birthDate": {"eq": "Jane Roe"}, "ssn": "123"},
    )
    said = [one["message"] for one in answer["errors"]]
    assert said[0] == "`$w.birthDate.eq` takes Date."
    assert said[1].startswith("`$w` takes PatientFilter, whose fields are")
    assert "Jane" not in str(answer)


def test_the_media_type_is_negotiated(app):
    def post(accept, body=QUERY):
        return app.http.post("/graphql", json=body, headers={**app.headers, "Accept": accept})

    ours = "application/graphql-response+json"
    assert post(ours).headers["content-type"].startswith(ours)
    assert post("*/*").headers["content-type"].startswith("application/json")
    assert post(f"application/json;q=0.5, {ours}").headers["content-type"].startswith(ours)
    assert post("image/png").status_code == 406
    assert post(ours, {"query": "{ nope }"}).status_code == 400
    assert post("application/json", {"query": "{ nope }"}).status_code == 200


def test_an_unexpected_failure_is_masked(world, app, monkeypatch):
    def fail(*_):
        raise RuntimeError("patient Jane Roe")

    monkeypatch.setattr(TextReads, "run", fail)
    answer = app.post("{ practices { nodes { name } } }")
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "Jane" not in str(answer)


def test_health_is_public(app):
    assert app.http.get("/livez").json() == {"status": "ok"}
    assert app.http.get("/readyz").json() == {"status": "ok"}


def test_the_committed_schema_is_the_exported_one(request):
    committed = request.config.rootpath / "schema" / "schema.graphql"
    assert committed.read_text() == sdl()


def test_a_process_that_cannot_work_is_not_ready(database: Database, crypto: Crypto):
    hub = SimpleNamespace(
        database=database, crypto=crypto, settings=Settings(), now=lambda: datetime.now(UTC)
    )
    stale = create_app(hub, connectors=[], ready=lambda: "HL7 routes are too old")
    with TestClient(stale, base_url="http://localhost") as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "HL7 routes are too old"})
