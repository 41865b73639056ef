"""What a mutation did not find is named by the input field that holds its id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.domain.agreements import Domain
from hub.storage import tables
from hub.storage.reads.write import global_id as gid

ABSENT = {kind: gid(kind, tables.new_id()) for kind in ("Item", "Practice", "Supplier")}
GLOVES, MASKS = gid("Item", "gloves"), gid("Item", "masks")


@pytest.fixture
def market(world: Any) -> Any:
    """A practice that shares its supplies, another that does not, two items and a supplier."""
    world.north, world.south = world.practice("North"), world.practice("South")
    world.agreement(world.north, Domain.SUPPLY)
    world.add(
        tables.Connection(
            id="c", name="c", connector_id="supply_rest", config={}, created_at=world.now
        ),
        tables.Item(id="gloves", gtin="00012345678905", name="Gloves"),
        tables.Item(id="masks", gtin="00012345678912", name="Masks"),
        tables.Supplier(id="acme", name="Acme", connection_id="c", rebates={}),
        tables.PurchasingRound(id="march", name="March", opened_at=world.now, status="open"),
    )
    world.office = world.mso(write=True, approve=True)
    return world


def refused(api: Any, name: str, **given: Any) -> Any:
    """What a mutation says it did not find, and where."""
    kind = name[0].upper() + name[1:]
    document = f"""mutation($input: {kind}Input!) {{ {name}(input: $input) {{
        ... on UserErrors {{ errors {{ code field }} }} }} }}"""
    [error] = api.data(document, input=given)[name]["errors"]
    assert error["code"] == "NOT_FOUND"
    return error["field"]


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("submitRequisition", {"roundId": gid("PurchasingRound", "x")}, "roundId"),
        ("submitRequisition", {"roundId": "nonsense"}, "roundId"),
        (
            "submitRequisition",
            {"lines": [{"itemId": GLOVES, "units": 1}, {"itemId": ABSENT["Item"], "units": 1}]},
            "lines[1].itemId",
        ),
        ("submitRequisition", {"practiceId": ABSENT["Practice"]}, "practiceId"),
        (
            "setParLevels",
            {"levels": [{"itemId": ABSENT["Item"], "parUnits": 1}]},
            "levels[0].itemId",
        ),
        ("approveEquivalent", {"itemId": ABSENT["Item"], "equivalentId": MASKS}, "itemId"),
        ("approveEquivalent", {"itemId": GLOVES, "equivalentId": ABSENT["Item"]}, "equivalentId"),
        ("excludeFromRound", {"itemId": GLOVES, "supplierId": ABSENT["Supplier"]}, "supplierId"),
        ("excludeFromRound", {"itemId": gid("Supplier", "acme")}, "itemId"),
    ],
)
def test_the_field_whose_id_was_not_found_is_named(
    market: Any, name: str, change: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {"practiceId": gid("Practice", market.north)}
    if name in ("submitRequisition", "excludeFromRound"):
        given["roundId"] = gid("PurchasingRound", "march")
    if name == "submitRequisition":
        given["lines"] = [{"itemId": GLOVES, "units": 1}]
    if name == "excludeFromRound":
        given["why"] = "r"
    assert refused(market.office, name, **{**given, **change}) == field


def test_the_supplier_that_may_not_be_invited_is_named_by_its_place(market: Any) -> None:
    given = {
        "roundId": gid("PurchasingRound", "march"),
        "supplierIds": [gid("Supplier", "acme"), ABSENT["Supplier"]],
        "deadline": (market.now + timedelta(days=1)).isoformat(),
    }
    assert refused(market.office, "inviteBids", **given) == "supplierIds[1]"
    given["supplierIds"] = ["nonsense", gid("Supplier", "acme")]
    assert refused(market.office, "inviteBids", **given) == "supplierIds[0]"


def test_a_hidden_practice_is_answered_like_an_absent_one(market: Any) -> None:
    given = {"itemId": GLOVES, "equivalentId": ABSENT["Item"]}
    for practice in (gid("Practice", market.south), ABSENT["Practice"], "nonsense"):
        found = refused(market.office, "approveEquivalent", practiceId=practice, **given)
        assert found == "practiceId"
