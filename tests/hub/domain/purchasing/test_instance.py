"""Instances: what is read, and the sentence each fault gets."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Offer,
    Practice,
    Shipping,
    SpendRebate,
    Tier,
    Vendor,
)
from hub.domain.purchasing.instance_file import load
from hub.errors import Rejected

FIXTURES = Path(__file__).parents[4] / "fixtures" / "purchasing"
GOOD = json.loads((FIXTURES / "three-clinics.json").read_text())

Edit = Callable[[dict[str, Any]], Any]


def test_reads_money_as_cents_and_rates_as_millionths() -> None:
    instance = load(GOOD)
    vendor = instance.vendors[0]
    assert (vendor.min_order, vendor.shipping) == (5_000, Shipping(1_500, 25_000))
    assert vendor.spend_rebates[0] == SpendRebate(250_000, 10_000)
    assert instance.offers[0].tiers[1] == Tier(150, 1_190)
    assert (instance.limits.seconds, instance.limits.gap) == (20.0, 0)


def test_optional_parts_have_defaults() -> None:
    small = {key: GOOD[key] for key in ("practices", "items", "demand", "vendors", "offers")}
    instance = load(small)
    assert instance.currency == "USD"
    assert instance.rules.max_vendors is None
    assert (instance.limits.seconds, instance.limits.gap) == (60.0, 1_000)


def test_packs_are_rounded_up_to_whole_multiples() -> None:
    offer = Offer("v", "i", 100, (Tier(0, 1),), multiple=4)
    assert [offer.packs_for(units) for units in (1, 400, 401)] == [4, 4, 8]


def test_price_follows_the_pooled_packs() -> None:
    offer = Offer("v", "i", 1, (Tier(0, 9), Tier(10, 7), Tier(20, 5)))
    assert [offer.price_at(packs) for packs in (1, 9, 10, 19, 20, 99)] == [9, 9, 7, 7, 5, 5]


FAULTS: list[tuple[str, Edit, str, str]] = [
    ("unknown key", lambda d: d.update(extra=1), "extra", "is not a key of the format"),
    ("key missing", lambda d: d.pop("offers"), "offers", "is missing"),
    ("no list", lambda d: d.update(demand={}), "demand", "must be a list"),
    ("no object", lambda d: d["items"].append(3), "items[4]", "must be an object"),
    (
        "unknown key in a line",
        lambda d: d["demand"][1].update(unit=3),
        "demand[1].unit",
        "is not a key of the format",
    ),
    (
        "unknown practice",
        lambda d: d["demand"][2].update(practice="fir"),
        "demand[2].practice",
        "names fir, which is not among practices",
    ),
    (
        "unknown item",
        lambda d: d["demand"][2].update(item="mask"),
        "demand[2].item",
        "names mask, which is not among items",
    ),
    (
        "unknown vendor",
        lambda d: d["offers"][0].update(vendor="acme"),
        "offers[0].vendor",
        "names acme, which is not among vendors",
    ),
    (
        "unknown equivalent",
        lambda d: d["items"][0].update(equivalents=["mask"]),
        "items[0].equivalents[0]",
        "not among items",
    ),
    (
        "unknown category",
        lambda d: d["rules"].update(max_vendors_per_category={"masks": 1}),
        "rules.max_vendors_per_category.masks",
        "not among the categories",
    ),
    (
        "forbidden vendor unknown",
        lambda d: d["rules"].update(forbid=[{"practice": "oak", "vendor": "acme"}]),
        "rules.forbid[0].vendor",
        "not among vendors",
    ),
    (
        "forbidden item unknown",
        lambda d: d["rules"].update(forbid=[{"practice": "oak", "offer_item": "mask"}]),
        "rules.forbid[0].offer_item",
        "not among items",
    ),
    (
        "nothing forbidden",
        lambda d: d["rules"].update(forbid=[{"practice": "oak", "item": "glove-m"}]),
        "rules.forbid[0]",
        "must name a vendor or an offer_item",
    ),
    (
        "committed vendor unknown",
        lambda d: d["rules"].update(
            commitments=[{"vendor": "acme", "category": "gloves", "share": "0.5"}]
        ),
        "rules.commitments[0].vendor",
        "not among vendors",
    ),
    (
        "share above one",
        lambda d: d["rules"].update(
            commitments=[{"vendor": "northway", "category": "gloves", "share": "1.5"}]
        ),
        "rules.commitments[0].share",
        "must not be above 1",
    ),
    (
        "incumbent unknown",
        lambda d: d["rules"]["switching_cost"][0].update(incumbent="acme"),
        "rules.switching_cost[0].incumbent",
        "not among vendors",
    ),
    (
        "practice twice",
        lambda d: d["practices"].append({"id": "oak"}),
        "practices[3].id",
        "repeats oak",
    ),
    (
        "line twice",
        lambda d: d["demand"].append(d["demand"][0]),
        "demand[7]",
        "repeats the same practice and item",
    ),
    (
        "offer twice",
        lambda d: d["offers"].append(d["offers"][0]),
        "offers[6]",
        "repeats the same vendor and offer",
    ),
    (
        "negative price",
        lambda d: d["offers"][0]["tiers"][0].update(price="-1.00"),
        "offers[0].tiers[0].price",
        "must not be negative",
    ),
    (
        "price as a number",
        lambda d: d["offers"][0]["tiers"][0].update(price=12.5),
        "offers[0].tiers[0].price",
        "must be an amount written as a text",
    ),
    (
        "price in words",
        lambda d: d["offers"][0]["tiers"][0].update(price="twelve"),
        "offers[0].tiers[0].price",
        "must be an amount written as a text",
    ),
    (
        "price with a third decimal",
        lambda d: d["offers"][0]["tiers"][0].update(price="1.005"),
        "offers[0].tiers[0].price",
        "at most two decimals",
    ),
    (
        "huge price",
        lambda d: d["offers"][0]["tiers"][0].update(price="999999999999.00"),
        "offers[0].tiers[0].price",
        "larger than ten billion",
    ),
    (
        "negative units",
        lambda d: d["demand"][0].update(units=-5),
        "demand[0].units",
        "must not be negative",
    ),
    ("no units", lambda d: d["demand"][0].update(units=0), "demand[0].units", "at least 1"),
    (
        "units as a text",
        lambda d: d["demand"][0].update(units="12"),
        "demand[0].units",
        "must be a whole number",
    ),
    (
        "units true",
        lambda d: d["demand"][0].update(units=True),
        "demand[0].units",
        "must be a whole number",
    ),
    (
        "too many units",
        lambda d: d["demand"][0].update(units=10**12),
        "demand[0].units",
        "larger than a billion",
    ),
    ("zero packs", lambda d: d["offers"][1].update(pack_units=0), "offers[1].pack_units", "1"),
    ("zero multiple", lambda d: d["offers"][1].update(multiple=0), "offers[1].multiple", "1"),
    ("no tiers", lambda d: d["offers"][1].update(tiers=[]), "offers[1].tiers", "at least one"),
    (
        "tiers out of order",
        lambda d: d["offers"][0]["tiers"].reverse(),
        "offers[0].tiers[0].from_packs",
        "must be 0",
    ),
    (
        "breaks out of order",
        lambda d: d["offers"][0]["tiers"][2].update(from_packs=150),
        "offers[0].tiers[2].from_packs",
        "must be above the tier before it",
    ),
    (
        "prices out of order",
        lambda d: d["offers"][0]["tiers"][2].update(price="12.00"),
        "offers[0].tiers[2].price",
        "must not be above the tier before it",
    ),
    (
        "rebates out of order",
        lambda d: d["vendors"][0]["spend_rebates"].reverse(),
        "vendors[0].spend_rebates[1].from",
        "must be above the level before it",
    ),
    (
        "rebate rates out of order",
        lambda d: d["vendors"][0]["spend_rebates"][1].update(rate="0.001"),
        "vendors[0].spend_rebates[1].rate",
        "must not be below the level before it",
    ),
    (
        "negative rate",
        lambda d: d["vendors"][0]["spend_rebates"][1].update(rate="-0.1"),
        "vendors[0].spend_rebates[1].rate",
        "must not be negative",
    ),
    (
        "rate in percent",
        lambda d: d["vendors"][0]["spend_rebates"][1].update(rate="2.5%"),
        "vendors[0].spend_rebates[1].rate",
        "must be a share",
    ),
    (
        "currency in words",
        lambda d: d.update(currency="dollars"),
        "currency",
        "must be a currency of three capital letters",
    ),
    (
        "vendor in euros",
        lambda d: d["vendors"][1].update(currency="EUR"),
        "vendors[1].currency",
        "must be USD",
    ),
    (
        "offer in euros",
        lambda d: d["offers"][1].update(currency="EUR"),
        "offers[1].currency",
        "must be USD",
    ),
    (
        "unknown kind of tiers",
        lambda d: d["offers"][1].update(tier_type="stepped"),
        "offers[1].tier_type",
        "must be all_units or incremental",
    ),
    (
        "unknown rule of sharing",
        lambda d: d.update(sharing={"rule": "equal"}),
        "sharing.rule",
        "must be standalone, volume or shapley",
    ),
    ("empty id", lambda d: d["practices"][0].update(id=" "), "practices[0].id", "not empty"),
    (
        "flag as a text",
        lambda d: d["vendors"][0].update(related_party="no"),
        "vendors[0].related_party",
        "must be true or false",
    ),
    ("no time", lambda d: d["limits"].update(seconds=0), "limits.seconds", "above 0"),
    ("gap as a number", lambda d: d["limits"].update(gap=0.1), "limits.gap", "must be a share"),
    (
        "nobody sells it",
        lambda d: (
            d["items"].append({"id": "mask"}),
            d["demand"].append({"practice": "oak", "item": "mask", "units": 5}),
        ),
        "demand[7]",
        "asks for item mask, which no vendor offers",
    ),
]


@pytest.mark.parametrize(
    ("edit", "path", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_each_fault_has_one_sentence_that_names_the_line(edit: Edit, path: str, words: str) -> None:
    document = copy.deepcopy(GOOD)
    edit(document)
    with pytest.raises(Rejected) as caught:
        load(document)
    message = str(caught.value)
    assert caught.value.path == path
    assert message.startswith(path)
    assert words in message
    assert message.endswith(".")
    assert message.count(". ") == 0
    assert caught.value.reason


def test_a_document_that_is_no_object_is_refused() -> None:
    with pytest.raises(Rejected, match=r"^The instance must be an object\.$"):
        load([])  # type: ignore[arg-type]


def test_an_instance_built_in_code_is_checked_too() -> None:
    with pytest.raises(Rejected, match=r"^demand\[0\]\.units must be at least 1\.$"):
        Instance((Practice("p"),), (Item("i"),), (Demand("p", "i", 0),), (), ())
    with pytest.raises(
        Rejected, match=r"^offers\[0\]\.tiers\[0\]\.price must be a whole number\.$"
    ):
        Instance(
            (),
            (Item("i"),),
            (),
            (Vendor("v"),),
            (Offer("v", "i", 1, (Tier(0, 1.5),)),),  # type: ignore[arg-type]
        )


def test_an_instance_built_in_code_may_ask_for_what_nobody_sells() -> None:
    instance = Instance((Practice("p"),), (Item("i"),), (Demand("p", "i", 1),), (), ())
    assert instance.demand[0].units == 1
