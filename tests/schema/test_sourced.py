"""Where a record came from: its connection, its key there, and when it arrived."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.agreements import DataClass, Domain
from hub.storage import tables
from schema.mapping import limits
from schema.root import TYPES
from tests.schema.conftest import gid

SOURCES = "{ patients { nodes { source { connection { name } externalId receivedAt } } } }"
BY_IDS = """query($ids: [ID!]!) { nodes(ids: $ids) {
  __typename ... on Sourced { source { connection { name } externalId } }
} }"""
ARRIVED = "2026-03-02T15:00:00.000000Z"


@pytest.fixture
def north(world) -> str:
    return world.practice("North")


def connection(world: Any, practice_id: str | None, name: str) -> str:
    row = tables.Connection(
        id=tables.new_id(), connector_id="ehr-hl7v2", practice_id=practice_id, name=name,
        config={}, routing={}, status="active", created_at=world.now,
    )  # fmt: skip
    world.add(row)
    return row.id


def patient(world: Any, practice_id: str, connection_id: str | None, key: str = "MRN-1") -> str:
    row = tables.Patient(
        id=tables.new_id(), practice_id=practice_id, family_name="Fam", external_id=key,
        connection_id=connection_id, received_at=world.now,
    )  # fmt: skip
    world.add(row)
    return row.id


def sources(api: Any, **more: Any) -> list[Any]:
    return [node["source"] for node in api.data(SOURCES, **more)["patients"]["nodes"]]


def test_a_record_tells_its_connection_its_key_there_and_when_it_arrived(world, north):
    patient(world, north, connection(world, north, "EHR"))
    found = {"connection": {"name": "EHR"}, "externalId": "MRN-1", "receivedAt": ARRIVED}
    assert sources(world.app(north)) == [found]


def test_what_no_connector_brought_has_no_source(world, north):
    patient(world, north, None)
    assert sources(world.app(north)) == [None]


def test_a_feed_that_practices_share_is_named_to_the_mso_only(world, north):
    world.agreement(north, Domain.CLINICAL)
    patient(world, north, connection(world, None, "Shared"))
    assert [source["connection"] for source in sources(world.app(north))] == [None]
    assert [source["connection"] for source in sources(world.mso())] == [{"name": "Shared"}]


def test_limited_rows_do_not_tell_the_key_at_the_source(world, north):
    world.agreement(north, Domain.CLINICAL, "LIMITED")
    patient(world, north, connection(world, north, "EHR"))
    found = {"connection": {"name": "EHR"}, "externalId": None, "receivedAt": ARRIVED}
    assert sources(world.mso()) == [found]


def test_a_key_has_the_data_class_of_its_record(world, north):
    made = connection(world, north, "EHR")
    patient(world, north, made)
    provider = tables.Provider(
        practice_id=north, id=tables.new_id(), external_id="D1", connection_id=made
    )
    world.add(provider)
    app = world.app(north, classes=[DataClass.OPERATIONAL])
    asked = "{ providers { nodes { source { externalId } } } }"
    assert app.data(asked)["providers"]["nodes"] == [{"source": {"externalId": "D1"}}]
    assert app.code("{ patients { nodes { source { externalId } } } }") == "FORBIDDEN"
    assert app.data("{ patients { nodes { source { receivedAt } } } }")


def test_records_of_several_types_tell_their_source_by_one_name(world, north):
    made = connection(world, north, "EHR")
    world.add(
        provider := tables.Provider(
            practice_id=north, id=tables.new_id(), external_id="D1", connection_id=made
        )
    )
    ids = [gid("Patient", patient(world, north, made)), gid("Provider", provider.id)]
    answer = world.app(north).data(BY_IDS, ids=[*ids, gid("Practice", north)])["nodes"]
    name = {"name": "EHR"}
    assert answer == [
        {"__typename": "Patient", "source": {"connection": name, "externalId": "MRN-1"}},
        {"__typename": "Provider", "source": {"connection": name, "externalId": "D1"}},
        {"__typename": "Practice"},
    ]


def test_lists_below_the_interface_cost_what_they_cost_below_a_type(world, north, monkeypatch):
    monkeypatch.setattr(limits, "COST", 60)
    below = "source { connection { checks(first: 50) { nodes { ok } } } }"
    ids = [gid("Patient", patient(world, north, connection(world, north, "EHR")))] * 2
    for condition in ("Patient", "Sourced"):
        text = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {condition} {{ {below} }} }} }}"
        assert world.app(north, name=condition).code(text, ids=ids) == "COST_EXCEEDED"


def test_every_type_whose_table_keeps_a_source_shows_it():
    kept = {item.name for item in TYPES if issubclass(item.table, tables.Sourced)}
    assert kept == {item.name for item in TYPES if "source" in item.facets} - OTHERS


def test_offers_and_documents_of_orders_tell_who_sent_them(world, north):
    made = connection(world, north, "Supplier")
    supplier = tables.Supplier(id=tables.new_id(), name="S", connection_id=made)
    item = tables.Item(id=tables.new_id(), gtin="1", name="Gloves")
    world.add(supplier, item)
    facts: dict[str, Any] = {
        "supplier_id": supplier.id,
        "item_id": item.id,
        "pack_units": 1,
        "pack_unit_code": "EA",
        "updated_at": world.now,
    }
    world.add(
        tables.Offer(external_id="V-1", vendor_part="V-1", connection_id=made, **facts),
        tables.Offer(external_id="bid:1", vendor_part="V-2", **facts),
    )
    asked = "{ offers { nodes { vendorPart source { connection { name } externalId } } } }"
    found = world.app(north).data(asked)["offers"]["nodes"]
    assert {each["vendorPart"]: each["source"] for each in found} == {
        "V-1": {"connection": {"name": "Supplier"}, "externalId": "V-1"},
        "V-2": None,
    }


OTHERS = {"Offer", "OrderDocument"}
"""Types that tell their source by columns of their own."""
