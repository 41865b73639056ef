"""What operations cost, what is left, and what happens when it is used up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.auth.buckets import Buckets
from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.web import create_app
from hub.errors import Throttled
from hub.settings import Settings
from hub.storage import costs
from hub.storage.crypto import Crypto
from hub.storage.session import Database

SCOPE = unrestricted_scope("test")
PAGE = "query($n: Int) { practices(first: $n) { nodes { id patients { totalCount } } } }"


def cost(app: Any, query: str, **variables: Any) -> dict[str, Any]:
    answer = app.raw({"query": query, "variables": variables}).json()
    found: dict[str, Any] = answer["extensions"]["cost"]
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 1),
        ("{ practices(first: 10) { nodes { name } } }", 1 + 10),
        ("{ practices { nodes { name } } }", 1 + 25),
        ("{ practices(first: 10) { totalCount nodes { name } } }", 1 + 10 + 5),
        ("{ practices(first: 10) { edges { node { name } } } }", 1 + 10),
        ("{ practices(first: 2) { nodes { patients(first: 3) { nodes { id } } } } }", 1 + 2 * 5),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ("{ practices(first: 4) { ...p } } fragment p on PracticeConnection { nodes { id } }", 5),
    ],
)
def test_the_price_follows_page_sizes_through_fragments(world, query, expected):
    app = world.mso()
    assert cost(app, query)["requestedQueryCost"] == expected


def test_page_sizes_in_variables_are_priced_per_request(world):
    app = world.mso()
    assert [cost(app, PAGE, n=n)["requestedQueryCost"] for n in (1, 10, 50)] == [8, 71, 351]


def test_rows_that_were_not_there_are_given_back(world):
    for name in "ABC":
        world.practice(name)
    app = world.app(world.practices[0])
    found = cost(app, PAGE, n=50)
    assert found["actualQueryCost"] == 1 + 1 * 7
    status = found["throttleStatus"]
    assert (status["maximumAvailable"], status["restoreRate"]) == (10**9, 300)
    assert 10**9 - 8 <= status["currentlyAvailable"] <= 10**9


def test_the_schema_itself_has_a_price(world):
    mso = world.mso()
    whole = "{ __schema { types { name fields { name } } } }"
    assert cost(mso, whole)["actualQueryCost"] == 2_000
    assert cost(mso, '{ __type(name: "Patient") { fields { name } } }')["actualQueryCost"] == 200
    thrice = "{ a: __schema { ...s } b: __schema { ...s } c: __schema { ...s } } "
    assert mso.code(thrice + "fragment s on __Schema { types { name } }") == "COST_EXCEEDED"


@pytest.fixture
def small(database: Database, crypto: Crypto, now: datetime) -> Iterator[TestClient]:
    """A hub whose credential may spend 5000 points at once and gets back one a second."""
    hub = SimpleNamespace(
        settings=Settings(_env_file=None, graphql_cost_maximum=5_000, graphql_restore_rate=1),
        database=database,
        crypto=crypto,
        now=lambda: now,
    )
    _, key = database.transaction(
        SCOPE, lambda s: create_client(s, "mso", PrincipalKind.MSO_APP, now=now)
    )
    headers = {"Authorization": f"Bearer {key}"}
    app = create_app(hub, connectors=[])
    with TestClient(app, base_url="http://localhost", headers=headers) as http:
        yield http


def test_a_credential_that_used_up_its_cost_is_told_when_to_come_back(small):
    query = """{ a: patients(first: 100) { nodes { appointments(first: 23) { nodes { id } } } }
      b: patients(first: 100) { nodes { appointments(first: 22) { nodes { id } } } } }"""
    answers = [small.post("/graphql", json={"query": query}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]  # nothing there, given back
    endpoint = small.app.routes[0].endpoint.__self__
    endpoint.operations.buckets.reserve(principal_of(small), 4_980)
    refused = small.post("/graphql", json={"query": query})
    assert refused.status_code == 429
    assert 4_000 < int(refused.headers["retry-after"]) <= 5_000
    [error] = refused.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert small.post("/graphql", json={"query": "{ __typename }"}).status_code == 200


def test_refused_documents_use_up_the_bucket_and_are_then_not_read(small):
    def refused(number: int) -> str:
        answer = small.post("/graphql", json={"query": f"{{ nothing{number} }}"})
        return str(answer.json()["errors"][0]["extensions"]["code"])

    for _ in range(2):  # kept from the second time on
        assert small.post("/graphql", json={"query": "{ __typename }"}).status_code == 200
    buckets = small.app.routes[0].endpoint.__self__.operations.buckets
    assert buckets.available(principal_of(small)) > 4_990, "given back"
    assert refused(0) == "BAD_INPUT"
    assert buckets.available(principal_of(small)) <= 4_990
    buckets.reserve(principal_of(small), buckets.available(principal_of(small)) - 5)
    assert refused(1) == "RATE_LIMITED"
    assert small.post("/graphql", json={"query": "{ __typename }"}).status_code == 200, "known"


def principal_of(http: TestClient) -> str:
    [principal] = http.app.routes[0].endpoint.__self__.operations.buckets._buckets
    return str(principal)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_bucket_leaks_and_never_holds_more_than_its_size(database, now):
    clock = Clock()
    buckets = Buckets(database, size=100, rate=10, now=lambda: now, clock=clock)
    buckets.reserve("p", 100)
    with pytest.raises(Throttled) as refusal:
        buckets.reserve("p", 50)
    assert refusal.value.retry_after == 5.0
    clock.seconds = 5.0
    buckets.reserve("p", 50)
    assert buckets.available("p") == 0
    clock.seconds = 1000.0
    assert buckets.available("p") == 100


def test_processes_share_one_bucket(database, now):
    clock, moment = Clock(), [now]
    first, second = (
        Buckets(database, size=100, rate=10, now=lambda: moment[0], clock=clock) for _ in "ab"
    )
    first.reserve("p", 60)
    assert second.available("p") == 100  # not told yet
    clock.seconds, moment[0] = 1.0, now + timedelta(seconds=1)
    first.reserve("p", 10)
    database.submit(SCOPE, lambda session: None).result()  # what was submitted before is done
    with database.read(SCOPE) as session:
        assert costs.level(session, "p", rate=10, now=moment[0]) == 70
    third = Buckets(database, size=100, rate=10, now=lambda: moment[0], clock=clock)
    assert third.available("p") == 30
    clock.seconds, moment[0] = 2.0, now + timedelta(seconds=2)
    second.reserve("p", 5)
    database.submit(SCOPE, lambda session: None).result()
    assert second.available("p") == 100 - (70 - 10 + 5)
