"""QUERY: answers a client may keep, the tag that says whether they hold, and what is never kept."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from hub.domain.agreements import DataClass, Domain, unrestricted_scope
from hub.storage.reads.driver import TextReads
from hub.storage.tables import Provider, PurchasingShare, ServiceAgreement
from hub.storage.tables.epochs import COUNTED
from schema.caching import holds
from schema.root import TYPES

SCOPE = unrestricted_scope("test")
PROVIDERS = """query P($first: Int) {
  practices { nodes { name } } providers(first: $first) { nodes { npi } }
}"""
NEVER = {
    "patients": "{ practices { nodes { name } } patients { nodes { familyName } } }",
    "a patient's operational facts": "{ patients { nodes { id } } }",
    "how many patients": "{ patients { totalCount } }",
    "below a practice": "{ practices { nodes { appointments: patients { nodes { id } } } } }",
    "pay": "{ workers { nodes { id } } }",
    "the hub's own records": "{ jobs { nodes { kind } } }",
    "introspection": "{ __schema { queryType { name } } }",
    "nothing stored": "{ connectors { nodes { id } } }",
}


@pytest.fixture
def api(world):
    practice = world.practice("North")
    for domain in Domain:
        world.agreement(practice, domain)
    world.visits(practice, world.patients(practice, 2))
    return world.mso()


def query(api: Any, text: str, tag: str | None = None, **body: Any) -> Any:
    headers = api.headers if tag is None else {**api.headers, "If-None-Match": tag}
    return api.http.request("QUERY", "/graphql", json={"query": text, **body}, headers=headers)


def test_an_answer_that_still_holds_is_not_read_again(api, monkeypatch):
    first = query(api, PROVIDERS)
    assert first.status_code == 200
    assert first.json()["data"]["providers"]["nodes"] == [{"npi": "1234567893"}]
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert first.headers["Vary"] == "Authorization, Accept"
    statements: list[str] = []
    execute = TextReads.run
    monkeypatch.setattr(
        TextReads,
        "run",
        lambda *given, **more: statements.append(given[3].sql) or execute(*given, **more),
    )
    again = query(api, PROVIDERS, first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "Content-Type" not in again.headers
    assert len(statements) == 1
    assert "epochs" in statements[0]


def test_a_change_of_what_was_read_makes_it_new(api, world):
    tag = query(api, PROVIDERS).headers["ETag"]
    world.database.transaction(SCOPE, lambda s: s.execute(update(Provider).values(npi="9")))
    answer = query(api, PROVIDERS, tag)
    assert answer.status_code == 200
    assert answer.json()["data"]["providers"]["nodes"] == [{"npi": "9"}]
    assert answer.headers["ETag"] != tag


def test_a_change_of_something_else_does_not(api, world):
    tag = query(api, PROVIDERS).headers["ETag"]
    world.patients(world.practices[0], 1, "New")
    assert query(api, PROVIDERS, tag).status_code == 304


def test_a_change_in_a_practice_out_of_scope_does_not(api, world):
    tag = query(api, "{ providers { nodes { npi } } }").headers["ETag"]
    other = world.practice("South")
    world.visits(other, world.patients(other, 1))
    assert query(api, "{ providers { nodes { npi } } }", tag).status_code == 304


def test_what_is_asked_how_and_by_whom_decides_the_tag(api, world):
    practice = world.practices[0]
    answers = [
        query(api, PROVIDERS),
        query(api, PROVIDERS, variables={"first": 2}),
        query(api, PROVIDERS + " "),
        query(api, PROVIDERS, extensions={"purpose": "PURCHASING"}),
        query(world.app(practice), PROVIDERS),
    ]
    tags = {answer.headers["ETag"] for answer in answers}
    assert len(tags) == len(answers)


def test_an_agreement_that_ends_makes_it_new(api, world):
    tag = query(api, PROVIDERS).headers["ETag"]
    ended = {"ends_on": date(2026, 1, 2)}
    world.database.transaction(SCOPE, lambda s: s.execute(update(ServiceAgreement).values(ended)))
    answer = query(api, PROVIDERS, tag)
    assert answer.status_code == 200
    assert answer.json()["data"]["providers"]["nodes"] == []


def test_shares_of_practices_out_of_sight_make_a_rounds_figures_new(api, world):
    text = "{ purchasingRounds { nodes { pooledCost } } }"
    app, south = world.app(world.practices[0]), world.practice("South")
    round_id = world.round("Spring", {world.practices[0]: "5.00"})
    tag = query(app, text).headers["ETag"]
    cost = Decimal("5.00")
    world.add(
        PurchasingShare(
            practice_id=south, round_id=round_id, standalone_cost=cost, pays=cost, saving=cost
        )
    )
    assert query(app, text).headers["ETag"] != tag


@pytest.mark.parametrize("text", NEVER.values(), ids=NEVER)
def test_what_may_not_be_kept_has_no_tag(api, text):
    answer = query(api, text, "*")
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_post_is_answered_whatever_the_client_has(api):
    tag = query(api, PROVIDERS).headers["ETag"]
    answer = api.http.post(
        "/graphql", json={"query": PROVIDERS}, headers={**api.headers, "If-None-Match": tag}
    )
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_failures_are_not_kept(api):
    answer = query(api, "{ practices(first: 0) { nodes { name } } }")
    assert "errors" in answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_a_tag_is_no_credential(api):
    tag = query(api, PROVIDERS).headers["ETag"]
    headers = {"Authorization": "Bearer no", "If-None-Match": tag}
    answer = api.http.request("QUERY", "/graphql", json={"query": PROVIDERS}, headers=headers)
    assert answer.status_code == 401


def test_a_mutation_is_no_query(api):
    answer = query(api, 'mutation { syncConnection(input: {connectionId: "x"}) { __typename } }')
    assert answer.json()["errors"][0]["message"].startswith("Only queries may be sent with QUERY")


def test_an_event_stream_is_not_asked_for_with_query(api):
    answer = api.http.request(
        "QUERY",
        "/graphql",
        json={"query": "subscription { jobProgress { event } }"},
        headers={**api.headers, "Accept": "text/event-stream"},
    )
    assert answer.status_code == 406


@pytest.mark.parametrize("method", ["PUT", "OPTIONS"])
def test_other_methods_are_told_what_is_allowed(api, method):
    answer = api.http.request(method, "/graphql", headers=api.headers)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST, QUERY"
    assert answer.headers["Accept-Query"] == "application/json"


def test_a_query_of_another_media_type_is_told_which_one(api):
    answer = api.http.request(
        "QUERY",
        "/graphql",
        content=PROVIDERS,
        headers={**api.headers, "Content-Type": "application/graphql"},
    )
    assert answer.status_code == 415
    assert answer.headers["Accept-Query"] == "application/json"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("*", True),
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ('W/"b"', False),
        ("a", False),
    ],
)
def test_tags_are_compared_weakly(header, expected):
    assert holds(header, 'W/"a"') is expected


def test_no_table_of_patients_or_of_pay_is_counted():
    for item in TYPES:
        sensitive = item.subject is not None or item.domain is Domain.PAYROLL
        assert not (sensitive and item.table.__tablename__ in COUNTED), item.name
    assert DataClass.PHI not in {
        col.data_class
        for item in TYPES
        if item.table.__tablename__ in COUNTED
        for col in item.fields.values()
    }
