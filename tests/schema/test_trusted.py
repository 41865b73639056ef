"""How operations are planned: shown to developers, asked before a document is stored, made when the
service starts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hub.auth.documents import add_document, client_named
from hub.domain.agreements import Domain, Purpose, unrestricted_scope
from hub.entrypoints.graphql_extensions import asked_beside
from hub.entrypoints.graphql_operations import Operations
from hub.entrypoints.graphql_request import Question
from hub.entrypoints.stored_documents import plan_stored
from hub.errors import Forbidden, Rejected
from hub.settings import Settings
from hub.storage.reads.explain import TableAccess
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema
from schema.trusted import ShownPlan, refuse_scans, sampled, shown_plan

SCOPE = unrestricted_scope("test")
TREE = """query Tree($id: ID!, $first: Int, $name: String!) {
  node(id: $id) { ... on Practice { name patients(first: $first) { nodes {
    familyName appointments(first: 2) { nodes { startsAt provider { familyName } } } } } } }
  patients(where: {familyName: {prefix: $name}}) { totalCount nodes { sex } }
  ages: patients(first: 1) { nodes { age } }
  again: nodes(ids: [$id]) { __typename }
  items { nodes { name } }
}"""


@pytest.fixture
def api(world):
    practice = world.practice("North")
    for domain in Domain:
        world.agreement(practice, domain)
    world.visits(practice, world.patients(practice, 3))
    return world.mso()


def plan_of(world: Any, text: str, **more: Any) -> Any:
    body = {"query": text, "extensions": {"plan": True}, **more}
    return world.mso("planner").raw(body).json()


def test_a_developer_sees_modes_cost_and_indexes_and_no_value(world, api):
    variables = {"id": "UHJhY3RpY2U6bm8=", "first": 3, "name": "Secretive"}
    plan = plan_of(world, TREE, variables=variables)["extensions"]["plan"]
    by_statement = dict.fromkeys(("node", "patients", "ages", "items"), "text")
    assert plan["modes"] == {**by_statement, "again": "rows"}
    assert plan["cost"] > 0
    assert plan["kept"] is False
    tables = {read["table"] for read in plan["reads"]}
    assert {"practices", "patients", "appointments", "providers", "items"} <= tables
    for read in plan["reads"]:
        if read["table"] in ("patients", "appointments", "providers"):
            assert read["scanned"] is False
            assert read["index"] is not None
    assert "Secretive" not in str(plan)


def test_a_catalogue_answer_is_shown_as_kept(world, api):
    assert plan_of(world, "{ items { nodes { name } } }")["extensions"]["plan"]["kept"] is True


def test_who_may_not_send_documents_of_its_own_sees_no_plan(world, api):
    context = context_of(world, own_documents=False)
    prepared = engine().prepare(context, "{ items { nodes { name } } }", {}, None)
    with pytest.raises(Forbidden):
        asked_beside(Question("", {}, None, plan=True), context, prepared)


def engine() -> Engine:
    return Engine(hub_schema(), introspection=False)


def context_of(world: Any, scope: Any = SCOPE, **more: Any) -> Context:
    principal: Any = SimpleNamespace(id="x", name="x")
    return Context(world.database, world.crypto, principal, scope, lambda: world.now, **more)


def test_a_read_of_every_practice_is_seen_as_a_scan(world, api):
    """As the hub itself could, whose scope has no practice."""
    context, asking = context_of(world), engine()
    prepared = asking.prepare(context, "{ patients(first: 1) { nodes { sex } } }", {}, None)
    plan = shown_plan(context, prepared)
    assert [(a.table, a.scanned) for a in plan.accesses] == [("patients", True)]
    with pytest.raises(Rejected, match="every row of patients"):
        refuse_scans(plan)


def test_a_scan_of_a_catalogue_is_no_reason_to_refuse():
    refuse_scans(ShownPlan({}, 1, True, (TableAccess("items", None, True),)))


def test_variables_are_made_up_for_each_type_a_fragment_names(world, api):
    context = context_of(world)
    text = """query Q(
      $id: ID!, $ids: [ID!]!, $n: Int = 3, $s: String, $w: PatientFilter, $b: Boolean!
    ) {
      node(id: $id) { ... on Patient { sex @include(if: $b) } ...F }
      nodes(ids: $ids) { id }
      patients(first: $n, after: $s, where: $w) { totalCount }
    }
    fragment F on Practice { name }"""
    found = list(sampled(engine(), context, text))
    assert len(found) == 2
    named = {str(p.operation.variables.coerced["id"])[:8] for p in found}
    assert len(named) == 2
    assert found[0].operation.variables.coerced["n"] == 3


def test_stored_documents_are_planned_at_start_and_what_cannot_run_is_told(world, api):
    world.app(world.practices[0], "app")

    def store(text: str, digest: str) -> None:
        world.database.transaction(
            SCOPE,
            lambda s: add_document(
                s,
                client_named(s, "app"),
                digest=digest,
                name=digest,
                text=text,
                purpose=Purpose.OPERATIONS,
                cost=1,
                now=world.now,
            ),
        )

    store("query Names($first: Int!) { patients(first: $first) { nodes { sex } } }", "good")
    store("{ noLongerThere }", "bad")
    hub = SimpleNamespace(
        settings=Settings(_env_file=None),
        database=world.database,
        crypto=world.crypto,
        now=lambda: world.now,
    )
    operations = Operations(hub, [])
    assert plan_stored(hub, operations.engine) == 1
    engines = operations._plain, operations._introspecting
    [document] = [each for engine in engines for each in engine._kept._kept.values()]
    assert len(document.plans) == 1

    def take_purpose_away(session: Any) -> None:
        client = client_named(session, "app")
        client.purposes, client.default_purpose = ["PAYMENT"], "PAYMENT"

    world.database.transaction(SCOPE, take_purpose_away)
    assert plan_stored(hub, operations.engine) == 0  # and the service starts
