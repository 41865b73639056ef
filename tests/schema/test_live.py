"""Live fields: asked at vendors after the reads; who does not answer takes nothing else away."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from hub.domain.agreements import DataClass, Domain, unrestricted_scope
from hub.entrypoints import graphql_operations, live
from hub.entrypoints.live import LiveAnswers
from hub.entrypoints.web import create_app
from hub.errors import Held, NoAnswer, RateLimited, Transient
from hub.settings import Settings
from hub.storage import tables
from hub.storage.reads.write import global_id
from jobs.context import JobContext
from schema.mapping import checks
from schema.mapping.checks import Unsound
from schema.mapping.declare import live as live_field
from schema.mapping.declare import stored

HEALTH = "{ connections(orderBy: ID) { nodes { name health } } practices { nodes { name } } }"


class Vendors:
    """Answers by a connection's name, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open_reads: list[int] = []
        self.release = threading.Event()

    def health(self, context: JobContext, row: Any, seconds: float) -> str:
        pool: Any = context.database.request_engine.pool
        self.open_reads.append(pool.checkedout())
        with context.database.read(unrestricted_scope("test")) as session:
            name = session.get_one(tables.Connection, row["id"]).name
        self.asked.append(name)
        if name == "down":
            raise Transient("The vendor answered with 503.")
        if name == "broken":
            raise KeyError("a secret detail")
        if name == "slow":
            self.release.wait(10)
        return f"{name} is well"


@pytest.fixture
def vendors(monkeypatch) -> Any:
    vendors = Vendors()

    def answers(context: JobContext) -> LiveAnswers:
        return LiveAnswers(context, {"connection.health": vendors.health}, seconds=0.3, calls=4)

    monkeypatch.setattr(graphql_operations, "LiveAnswers", answers)
    yield vendors
    vendors.release.set()


@pytest.fixture
def world(world, vendors, tmp_path) -> Any:
    """The world behind an application that asks these vendors."""
    world.app_with = lambda **settings: create_app(
        SimpleNamespace(
            settings=Settings(_env_file=None, data_dir=tmp_path, **settings),
            database=world.database,
            crypto=world.crypto,
            now=lambda: world.now,
        ),
        connectors=[],
    )
    with TestClient(world.app_with(), base_url="http://localhost") as http:
        world.http = http
        yield world


@pytest.fixture
def mso(world) -> Any:
    practice = world.practice("North")
    for domain in Domain:
        world.agreement(practice, domain)
    return world.mso()


def connect(world: Any, *names: str) -> None:
    for place, name in enumerate(names):
        world.add(
            tables.Connection(
                id=f"00000000-0000-4000-8000-{place:012d}",
                name=name,
                connector_id="x",
                config={},
                routing={},
                created_at=world.now,
            )
        )


def test_each_vendor_answers_once_a_level(world, mso, vendors):
    connect(world, "a", "b")
    answer = mso.raw({"query": HEALTH}).json()
    found = answer["data"]["connections"]["nodes"]
    assert found == [
        {"name": "a", "health": "a is well"},
        {"name": "b", "health": "b is well"},
    ]
    assert "errors" not in answer
    assert sorted(vendors.asked) == ["a", "b"]


def test_vendors_that_fail_or_are_slow_leave_null_and_an_error_with_its_path(world, mso):
    connect(world, "a", "down", "slow", "broken", "b")
    response = mso.raw({"query": HEALTH})
    answer = response.json()
    health = [node["health"] for node in answer["data"]["connections"]["nodes"]]
    assert health == ["a is well", None, None, None, "b is well"]
    assert answer["data"]["practices"]["nodes"] == [{"name": "North"}]
    errors = {tuple(error["path"]): error for error in answer["errors"]}
    assert set(errors) == {("connections", "nodes", place, "health") for place in (1, 2, 3)}
    messages = [errors["connections", "nodes", place, "health"]["message"] for place in (1, 2, 3)]
    assert messages[0] == "The vendor answered with 503."
    assert "did not answer within" in messages[1]
    assert "secret" not in messages[2]
    for error in errors.values():
        assert error["extensions"]["code"] == "UPSTREAM"
        assert error["extensions"]["errorId"]
    assert response.status_code == 200


def test_the_draft_calls_that_a_partial_success(world, mso):
    connect(world, "down")
    app = world.app_with(graphql_status="draft")
    with TestClient(app, base_url="http://localhost") as http:
        answer = http.post("/graphql", json={"query": HEALTH}, headers=mso.headers)
    assert answer.status_code == 294


def test_a_row_in_several_places_is_asked_about_once_and_fails_in_each(world, mso, vendors):
    connect(world, "down")
    (connection_id,) = [f"00000000-0000-4000-8000-{0:012d}"]
    for number in range(2):
        world.add(
            tables.SyncRun(
                id=tables.new_id(),
                connection_id=connection_id,
                stream=str(number),
                started_at=world.now,
            )
        )
    text = "{ syncRuns { nodes { c: connection { h: health } } } }"
    answer = mso.raw({"query": text}).json()
    assert vendors.asked == ["down"]
    assert [error["path"] for error in answer["errors"]] == [
        ["syncRuns", "nodes", 0, "c", "h"],
        ["syncRuns", "nodes", 1, "c", "h"],
    ]


def test_vendors_are_asked_when_no_read_is_open(world, mso, vendors):
    connect(world, "a")
    assert mso.raw({"query": HEALTH}).json()["data"]
    assert vendors.open_reads == [0]


def test_a_live_field_costs_20_for_each_parent(world, mso):
    plain = "{ connections(first: 10) { nodes { name } } }"
    with_live = "{ connections(first: 10) { nodes { name health } } }"
    costs = [
        mso.raw({"query": text}).json()["extensions"]["cost"]["requestedQueryCost"]
        for text in (plain, with_live)
    ]
    assert costs[1] - costs[0] == 200
    assert mso.code("{ connections(first: 100) { nodes { a: health b: health c: health } } }")


def test_vendors_are_asked_in_queries_only(world, mso, vendors):
    connect(world, "a")
    connection_id = global_id("Connection", f"00000000-0000-4000-8000-{0:012d}")
    text = """mutation P($id: ID!) { pauseConnection(input: {connectionId: $id}) {
      ... on PauseConnectionPayload { connection { health } } } }"""
    assert mso.code(text, id=connection_id) == "BAD_INPUT"
    (paused,) = world.read(lambda s: s.scalars(select(tables.Connection.paused)).all())
    assert paused is False
    assert vendors.asked == []


def test_an_answer_with_a_live_field_is_not_kept(world, mso):
    connect(world, "a")
    answer = mso.http.request("QUERY", "/graphql", json={"query": HEALTH}, headers=mso.headers)
    assert answer.status_code == 200
    assert "ETag" not in answer.headers


def test_a_live_field_that_is_not_nullable_is_refused_at_start():
    broken = stored(
        "Broken",
        table=tables.Supplier,
        access=checks.Access.CATALOGUE,
        fields={},
        computed={"x": live_field("x", DataClass.OPERATIONAL, needs=("id",), returns="str")},
    )
    with pytest.raises(Unsound, match="not nullable"):
        checks.check([broken])


@pytest.mark.parametrize(
    "failure",
    [
        RateLimited("The vendor asks to wait.", retry_at=None),  # type: ignore[arg-type]
        Held("The connection is paused.", retry_at=None),  # type: ignore[arg-type]
    ],
)
def test_a_failure_is_told_in_its_own_words(failure):
    def fail(*_: Any) -> None:
        raise failure

    context: Any = None
    ((answer,),) = LiveAnswers(context, {"q": fail})([("q", [{"id": "1"}])])
    assert isinstance(answer, NoAnswer)
    assert str(answer) == str(failure)


def test_calls_beyond_the_cap_wait_for_a_thread():
    running, most, lock = [], [], threading.Lock()

    def ask(_: Any, row: Any, __: float) -> str:
        with lock:
            running.append(row["id"])
            most.append(len(running))
        threading.Event().wait(0.02)
        with lock:
            running.remove(row["id"])
        return str(row["id"])

    context: Any = None
    rows = [{"id": str(number)} for number in range(6)]
    (answers,) = LiveAnswers(context, {"q": ask}, calls=2)([("q", rows)])
    assert answers == [str(number) for number in range(6)]
    assert max(most) <= 2


def test_an_order_never_sent_is_not_asked_about(world, mso, monkeypatch):
    practice = world.practices[0]
    supplier, round_id = tables.new_id(), tables.new_id()
    connect(world, "supplier")
    supplier_connection = f"00000000-0000-4000-8000-{0:012d}"
    world.add(
        tables.Supplier(id=supplier, name="S", connection_id=supplier_connection),
        tables.PurchasingRound(id=round_id, name="R", opened_at=world.now),
    )
    order = tables.PurchaseOrder(
        id=tables.new_id(),
        practice_id=practice,
        round_id=round_id,
        supplier_id=supplier,
        number="PO-1",
        ordered_on=date(2026, 3, 2),
        goods=Decimal(1),
        shipping=Decimal(0),
        total=Decimal(1),
        created_at=world.now,
    )
    world.add(order)
    context = JobContext(world.database, world.crypto, Settings(_env_file=None), lambda: world.now)
    assert live.held_as(context, {"practice_id": practice, "id": order.id}, 1.0) is None
