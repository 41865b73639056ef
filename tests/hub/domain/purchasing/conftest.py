"""Random tiny instances and an answer found by trying every plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from hub.domain.purchasing.check import faults_of_rules
from hub.domain.purchasing.instance import (
    Commitment,
    Demand,
    Forbidden,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Rules,
    Shipping,
    SpendRebate,
    SwitchingCost,
    Tier,
    Vendor,
)
from hub.domain.purchasing.pricing import price

EXACT = Limits(seconds=30.0, gap=0)
DOLLAR = 100


@st.composite
def tiny(draw: st.DrawFn, *, rules: bool = True) -> Instance:
    """Up to 3 practices, 3 items and 3 vendors; prices in whole dollars, so rebates are exact."""
    practices = [f"p{n}" for n in range(draw(st.integers(1, 3)))]
    items = [f"i{n}" for n in range(draw(st.integers(1, 3)))]
    vendors = [f"v{n}" for n in range(draw(st.integers(1, 3)))]
    category = {item: draw(st.sampled_from(["gloves", "gauze"])) for item in items}
    lines = draw(
        st.lists(
            st.tuples(st.sampled_from(practices), st.sampled_from(items)),
            min_size=1,
            max_size=6,
            unique=True,
        )
    )
    sold = draw(st.sets(st.tuples(st.sampled_from(vendors), st.sampled_from(items)), max_size=6))
    if draw(st.integers(0, 7)):
        sold |= {(draw(st.sampled_from(vendors)), item) for item in items}
    second = draw(st.sets(st.sampled_from(sorted(sold)), max_size=1)) if sold else set()
    return Instance(
        practices=tuple(map(Practice, practices)),
        items=tuple(
            Item(item, category[item], draw(st.sampled_from([(), (), tuple(items[:1])])))
            for item in items
        ),
        demand=tuple(Demand(p, i, draw(st.integers(1, 40))) for p, i in lines),
        vendors=tuple(draw(vendor(name)) for name in vendors),
        offers=(
            *(draw(offer(v, i)) for v, i in sorted(sold)),
            *(draw(offer(v, i, f"{i}-large")) for v, i in sorted(second)),
        ),
        rules=draw(some_rules(practices, lines, vendors, category)) if rules else Rules(),
        limits=EXACT,
    )


@st.composite
def vendor(draw: st.DrawFn, name: str) -> Vendor:
    starts = sorted(draw(st.sets(st.integers(1, 40), max_size=2)))
    rates = sorted(draw(st.sets(st.sampled_from([10_000, 50_000, 200_000]), max_size=2)))
    return Vendor(
        name,
        draw(st.sampled_from([0, 0, 10, 40])) * DOLLAR,
        Shipping(
            draw(st.sampled_from([0, 5, 15])) * DOLLAR,
            draw(st.sampled_from([None, 0, 2_000, 6_000])),
        ),
        tuple(
            SpendRebate(start * 10 * DOLLAR, rate)
            for start, rate in zip(starts, rates, strict=False)
        ),
    )


@st.composite
def offer(draw: st.DrawFn, seller: str, item: str, name: str = "") -> Offer:
    starts = [0, *sorted(draw(st.sets(st.integers(1, 30), max_size=2)))]
    prices = sorted(
        draw(st.lists(st.integers(1, 12), min_size=len(starts), max_size=len(starts))),
        reverse=True,
    )
    return Offer(
        seller,
        item,
        draw(st.sampled_from([1, 2, 5, 10])),
        tuple(Tier(start, price * DOLLAR) for start, price in zip(starts, prices, strict=True)),
        draw(st.sampled_from([None, None, None, 12])),
        draw(st.sampled_from([1, 1, 3])),
        draw(st.sampled_from(["all_units", "all_units", "incremental"])),
        name,
    )


@st.composite
def some_rules(
    draw: st.DrawFn,
    practices: list[str],
    lines: list[tuple[str, str]],
    vendors: list[str],
    category: dict[str, str],
) -> Rules:
    names = sorted(set(category.values()))
    limit = st.sampled_from([None, None, 1, 2])
    switched = draw(st.sets(st.sampled_from(lines), max_size=2))
    return Rules(
        max_vendors=draw(limit),
        max_vendors_per_practice=draw(limit),
        max_vendors_per_category=tuple(
            (name, draw(st.integers(1, 2)))
            for name in draw(st.sets(st.sampled_from(names), max_size=1))
        ),
        forbid=tuple(draw(st.lists(some_ban(practices, lines, vendors), max_size=2))),
        commitments=tuple(
            Commitment(
                draw(st.sampled_from(vendors)), name, draw(st.sampled_from([300_000, 800_000]))
            )
            for name in draw(st.sets(st.sampled_from(names), max_size=1))
            if draw(st.booleans())
        ),
        switching_cost=tuple(
            SwitchingCost(p, i, draw(st.sampled_from(vendors)), 7 * DOLLAR)
            for p, i in sorted(switched)
        ),
    )


@st.composite
def some_ban(
    draw: st.DrawFn, practices: list[str], lines: list[tuple[str, str]], vendors: list[str]
) -> Forbidden:
    """A vendor for a practice, for one of its lines, or an item in place of another."""
    kind = draw(st.sampled_from(["vendor", "line", "equivalent"]))
    practice, item = draw(st.sampled_from(lines))
    if kind == "vendor":
        return Forbidden(draw(st.sampled_from(practices)), draw(st.sampled_from(vendors)))
    if kind == "line":
        return Forbidden(practice, draw(st.sampled_from(vendors)), item)
    return Forbidden(practice, "", item, draw(st.sampled_from(lines))[1])


def cheapest_by_trial(instance: Instance) -> int | None:
    """The least cost over every way to buy each line; None if none is allowed."""
    lines = [(line.practice, line.item) for line in instance.demand]
    costs = []
    for picked in itertools.product(*(ways(instance, line) for line in instance.demand)):
        priced = price(instance, dict(zip(lines, picked, strict=True)))
        if not faults_of_rules(instance, priced.awards):
            costs.append(priced.cost)
    return min(costs, default=None)


def ways(instance: Instance, line: Demand) -> list[dict[tuple[str, str], int]]:
    """Packs by source: whole at one offer, or every division of the units over offers."""
    serves = next({i.id, *i.equivalents} for i in instance.items if i.id == line.item)
    offers = [offer for offer in instance.offers if offer.item in serves]
    if not instance.rules.split_lines:
        return [{(o.vendor, o.key): o.packs_for(line.units)} for o in offers]
    found = [{}]
    for units in itertools.product(range(line.units + 1), repeat=max(0, len(offers) - 1)):
        last = line.units - sum(units)
        if offers and last >= 0:
            found.append(
                {
                    (o.vendor, o.key): o.packs_for(part)
                    for o, part in zip(offers, (*units, last), strict=True)
                    if part
                }
            )
    return [dict(way) for way in {tuple(sorted(way.items())) for way in found if way}]


@pytest.fixture(scope="session")
def by_trial() -> Callable[[Instance], int | None]:
    return cheapest_by_trial


@pytest.fixture(scope="session")
def tiny_instances() -> st.SearchStrategy[Instance]:
    return tiny()


@st.composite
def tiny_split(draw: st.DrawFn) -> Instance:
    """Up to three lines of few units that may be divided over up to three offers each."""
    instance = draw(tiny())
    sold: dict[str, int] = {}
    offers = []
    for each in instance.offers:
        sold[each.item] = sold.get(each.item, 0) + 1
        if sold[each.item] <= 2:
            offers.append(each)
    return replace(
        instance,
        items=tuple(replace(item, equivalents=()) for item in instance.items),
        demand=tuple(replace(line, units=line.units % 13 + 1) for line in instance.demand[:3]),
        offers=tuple(offers),
        rules=replace(
            instance.rules,
            split_lines=True,
            switching_cost=tuple(
                s
                for s in instance.rules.switching_cost
                if any((d.practice, d.item) == (s.practice, s.item) for d in instance.demand[:3])
            ),
        ),
    )


@pytest.fixture(scope="session")
def tiny_splits() -> st.SearchStrategy[Instance]:
    return tiny_split()


@st.composite
def tiny_rebate(draw: st.DrawFn) -> Instance:
    """Only rebates on spend tie lines together; one to three vendors sell all of the items."""
    instance = draw(tiny())
    demand = instance.demand[:3]
    lines = {(line.practice, line.item) for line in demand}
    chance = draw(st.randoms(use_true_random=False))
    return replace(
        instance,
        demand=demand,
        vendors=tuple(
            Vendor(
                each.id,
                shipping=Shipping(500, 0),
                spend_rebates=each.spend_rebates or (SpendRebate(5 * DOLLAR, 100_000),),
            )
            for each in instance.vendors
        ),
        offers=tuple(
            replace(each, tiers=each.tiers[:1], max_packs=None) for each in instance.offers
        )
        + tuple(
            Offer(
                each.id,
                item.id,
                1,
                (Tier(0, chance.randint(1, 12) * DOLLAR),),
                id=f"{item.id}-each",
            )
            for each in instance.vendors
            for item in instance.items
        ),
        rules=Rules(
            forbid=instance.rules.forbid,
            switching_cost=tuple(
                s for s in instance.rules.switching_cost if (s.practice, s.item) in lines
            ),
        ),
    )


@pytest.fixture(scope="session")
def tiny_rebates() -> st.SearchStrategy[Instance]:
    return tiny_rebate()
