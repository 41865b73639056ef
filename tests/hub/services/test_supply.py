"""The catalogue: one item per GTIN, offers with tiers, terms of the supplier."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.supply import Item, Offer, PriceTier, SupplierTerms
from hub.storage import tables

ITEM = Item("614141999996", "Gloves M", "gloves", "Acme", "G-M")
TIERS = (PriceTier(0, Decimal("9.50")), PriceTier(10, Decimal("8.75")))
OFFER = Offer(ITEM, "V-1", 100, "BX", TIERS, max_packs=500, multiple=2)


def put(desk: Any, data: object, key: str = "V-1", minute: int | None = None, **more: Any) -> str:
    options = {"practice": None, "connection": "vendor", **more}
    return str(desk.put(data, key, minute, **options))


def prices(desk: Any) -> list[tuple[int, Decimal]]:
    return sorted((row.from_packs, row.price) for row in desk.rows(tables.OfferTier))


def test_an_offer_brings_its_supplier_item_and_tiers(desk: Any) -> None:
    assert put(desk, OFFER, minute=1) == "created"
    assert put(desk, OFFER, minute=1) == "unchanged"
    supplier, item = desk.one(tables.Supplier), desk.one(tables.Item)
    assert (supplier.name, supplier.connection_id) == ("vendor", "vendor")
    assert (item.gtin, item.name) == ("00614141999996", "Gloves M")
    row = desk.one(tables.Offer)
    assert (row.supplier_id, row.item_id) == (supplier.id, item.id)
    assert row.connection_id == "vendor"
    assert (row.pack_units, row.max_packs, row.multiple) == (100, 500, 2)
    assert prices(desk) == [(0, Decimal("9.50")), (10, Decimal("8.75"))]


def test_new_prices_replace_every_tier_and_older_ones_do_not(desk: Any) -> None:
    put(desk, OFFER, minute=2)
    assert put(desk, replace(OFFER, tiers=TIERS[:1]), minute=3) == "changed"
    assert put(desk, OFFER, minute=1) == "stale"
    assert prices(desk) == [(0, Decimal("9.50"))]


def test_a_withdrawn_offer_ended_yesterday_and_may_come_back(desk: Any) -> None:
    put(desk, OFFER, minute=1)
    assert put(desk, OFFER, minute=2, op="delete") == "changed"
    assert desk.one(tables.Offer).ends_on == date(2026, 3, 2)
    assert put(desk, OFFER, minute=3) == "changed"
    assert desk.one(tables.Offer).ends_on is None


def test_two_suppliers_share_an_item_and_the_first_names_it(desk: Any) -> None:
    put(desk, replace(OFFER, item=replace(ITEM, manufacturer="")))
    same = replace(ITEM, gtin="00614141999996", name="Handschuhe", manufacturer="Acme")
    assert put(desk, replace(OFFER, item=same), connection="rival") == "created"
    item = desk.one(tables.Item)
    assert (item.name, item.manufacturer) == ("Gloves M", "Acme")
    assert len(desk.rows(tables.Offer)) == len(desk.rows(tables.Supplier)) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tiers": ()}, "offer_without_price"),
        ({"tiers": TIERS[::-1]}, "offer_tiers"),
        ({"tiers": (TIERS[0], TIERS[0])}, "offer_tiers"),
        ({"tiers": (PriceTier(0, Decimal("1.005")),)}, "amount_precision"),
        ({"tiers": (PriceTier(0, Decimal("-1")),)}, "offer_price"),
        ({"pack_units": 0}, "offer_pack"),
        ({"multiple": 0}, "offer_pack"),
        ({"item": replace(ITEM, gtin="")}, "missing_gtin"),
    ],
)
def test_an_offer_that_cannot_be_priced_is_rejected(
    desk: Any, change: dict[str, Any], code: str
) -> None:
    assert put(desk, replace(OFFER, **change)) == "rejected"
    assert desk.codes == [code]
    assert desk.rows(tables.Offer) == []


def test_a_wrong_check_digit_is_flagged_and_kept(desk: Any) -> None:
    put(desk, replace(OFFER, item=replace(ITEM, gtin="614141999991", gtin_valid=False)))
    assert desk.one(tables.Item).gtin_valid is False


def test_terms_are_set_once_and_changed_in_place(desk: Any) -> None:
    terms = SupplierTerms(
        Decimal("50.00"),
        Decimal("7.95"),
        Decimal("200.00"),
        rebates=((Decimal("1000.00"), Decimal("0.02")),),
    )
    assert put(desk, terms) == "created"
    assert put(desk, terms) == "unchanged"
    assert put(desk, replace(terms, free_shipping_from=None)) == "changed"
    row = desk.one(tables.Supplier)
    assert (row.min_order, row.shipping_fee, row.free_shipping_from) == (
        Decimal("50.00"),
        Decimal("7.95"),
        None,
    )
    assert row.rebates == {"levels": [["1000.00", "0.02"]]}


def test_an_item_alone_is_created_and_then_left_alone(desk: Any) -> None:
    assert put(desk, ITEM) == "created"
    assert put(desk, replace(ITEM, name="Other")) == "unchanged"
    assert desk.one(tables.Item).name == "Gloves M"
