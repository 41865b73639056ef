"""The hub as a Federation 2 subgraph: entities are nodes, and nothing changes while it is off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from graphql import build_schema
from starlette.testclient import TestClient

from hub.domain.agreements import DataClass
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage import tables
from hub.storage.reads.write import global_id
from schema.root import hub_schema

ENTITIES = """query($r: [_Any!]!, $n: Int) { _entities(representations: $r) { __typename
  ... on Patient { familyName appointments(first: $n) { totalCount } }
  ... on Practice { name } } }"""
SERVICE = "{ _service { sdl } }"


@pytest.fixture
def gateway(world):
    """The same world behind a hub with federation on."""
    settings = Settings(_env_file=None, graphql_federation=True, graphql_cost_maximum=10**9)
    hub = SimpleNamespace(
        settings=settings, database=world.database, crypto=world.crypto, now=lambda: world.now
    )
    with TestClient(create_app(hub, connectors=[]), base_url="http://localhost") as http:
        world.http = http
        yield world


def entity(kind: str, row_id: str) -> dict[str, Any]:
    return {"__typename": kind, "id": global_id(kind, row_id)}


def test_entities_are_the_nodes_of_their_ids_in_the_order_asked_for(gateway):
    practice, other = gateway.practice("North"), gateway.practice("South")
    [patient], [foreign] = gateway.patients(practice, 1), gateway.patients(other, 1)
    wrong = {"__typename": "Encounter", "id": global_id("Patient", patient)}
    asked = [
        entity("Practice", practice),
        entity("Patient", patient),
        entity("Patient", foreign),
        entity("Patient", tables.new_id()),
        wrong,
    ]
    data = gateway.app(practice).data(ENTITIES, r=asked, n=3)
    assert data["_entities"] == [
        {"__typename": "Practice", "name": "North"},
        {"__typename": "Patient", "familyName": "Fam0000", "appointments": {"totalCount": 0}},
        None,
        None,
        None,
    ]


def test_entities_written_into_the_document_and_under_an_alias_are_answered_too(gateway):
    practice = gateway.practice("North")
    key = global_id("Practice", practice)
    query = f"""{{ found: _entities(representations: [{{__typename: "Practice", id: "{key}"}}]) {{
      ... on Practice {{ name }} }} practices {{ totalCount }} }}"""
    data = gateway.app(practice).data(query)
    assert data == {"found": [{"name": "North"}], "practices": {"totalCount": 1}}


@pytest.mark.parametrize("wrong", [None, "x", ["x"], [{"id": "x"}], [{"__typename": "Patient"}]])
def test_what_is_no_representation_is_refused(gateway, wrong):
    app = gateway.app(gateway.practice("North"))
    assert app.code(ENTITIES, r=wrong) == "BAD_INPUT"


def test_at_most_a_hundred_entities_are_answered(gateway):
    practice = gateway.practice("North")
    asked = [entity("Practice", practice)] * 101
    query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Practice { name } } }"
    assert gateway.app(practice).code(query, r=asked) == "BAD_INPUT"


def test_the_subgraph_names_a_key_for_every_node_and_shows_what_is_granted(gateway):
    practice = gateway.practice("North")
    sdl = gateway.mso().data(SERVICE)["_service"]["sdl"]
    for item in hub_schema().declared.values():
        also = "".join(f" & {facet.interface}" for facet in item.facets.values())
        keyed = f'type {item.name} implements Node{also} @key(fields: "id") {{' in sdl
        assert keyed == item.node, item.name
    assert "_Service" not in sdl
    link = "directive @link(url: String!, import: [String!]) on SCHEMA\n"
    build_schema(f"{link}directive @key(fields: String!) on OBJECT\n{sdl}")
    limited = gateway.app(practice, classes=[DataClass.OPERATIONAL])
    assert "birthDate" not in limited.data(SERVICE)["_service"]["sdl"]


def test_in_production_the_subgraph_is_shown_to_developers_only(world):
    settings = Settings(_env_file=None, profile="production", graphql_federation=True)
    hub = SimpleNamespace(
        settings=settings, database=world.database, crypto=world.crypto, now=lambda: world.now
    )
    with TestClient(create_app(hub, connectors=[]), base_url="http://localhost") as http:
        world.http = http
        assert world.mso().code(SERVICE) == "FORBIDDEN"
        assert "@key" in world.mso("gateway", developer=True).data(SERVICE)["_service"]["sdl"]


def test_while_it_is_off_nothing_of_it_exists(world):
    app = world.app(world.practice("North"))
    assert app.code(SERVICE) == app.code(ENTITIES, r=[]) == "BAD_INPUT"
    assert "_Service" not in hub_schema().sdl()
    assert hub_schema(federation=True).sdl() != hub_schema().sdl()
