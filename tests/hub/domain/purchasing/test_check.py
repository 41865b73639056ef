"""The checker accepts what the solver gives and refuses every kind of altered plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from hub.domain.purchasing.check import check
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
from hub.domain.purchasing.plan import Plan
from hub.domain.purchasing.pricing import reprice
from hub.domain.purchasing.solve import solve

ROUND = Instance(
    practices=(Practice("a"), Practice("b")),
    items=(Item("i", "gloves"), Item("j", "gauze")),
    demand=tuple(
        Demand(p, i, n) for (p, i), n in zip(product("ab", "ij"), (5, 7, 8, 9), strict=True)
    ),
    vendors=(
        Vendor(
            "v",
            1_000,
            Shipping(500, 12_000),
            (SpendRebate(5_000, 10_000), SpendRebate(20_000, 50_000)),
        ),
        Vendor("w", 4_000),
    ),
    offers=(
        Offer("v", "i", 1, (Tier(0, 1_000), Tier(10, 800)), max_packs=14),
        Offer("v", "j", 1, (Tier(0, 600),)),
        Offer("w", "i", 1, (Tier(0, 1_100),)),
        Offer("w", "j", 2, (Tier(0, 1_250),)),
    ),
    rules=Rules(switching_cost=(SwitchingCost("a", "j", "w", 30),)),
    limits=Limits(gap=0),
)
PLAN = solve(ROUND)

Alter = Callable[[Plan], Plan]


def _award(change: dict[str, object]) -> Alter:
    return lambda plan: replace(plan, awards=(replace(plan.awards[0], **change), *plan.awards[1:]))


def _order(change: dict[str, object]) -> Alter:
    return lambda plan: replace(plan, orders=(replace(plan.orders[0], **change), *plan.orders[1:]))


def _rebate(change: dict[str, object]) -> Alter:
    return lambda plan: replace(plan, rebates=(replace(plan.rebates[0], **change),))


ALTERED: dict[str, tuple[Alter, str]] = {
    "line missing": (lambda p: replace(p, awards=p.awards[1:]), "gets no award of item i"),
    "line twice": (lambda p: replace(p, awards=(*p.awards, p.awards[0])), "more than once"),
    "line never asked for": (_award({"practice": "z"}), "never asked for"),
    "offer that does not exist": (_award({"vendor": "x"}), "does not offer item i"),
    "no equivalent": (_award({"offer_item": "j"}), "may not replace"),
    "wrong tier": (_award({"price": 700, "amount": 3_500}), "should read 5 packs"),
    "wrong amount": (_award({"amount": 1}), "should read 5 packs"),
    "fewer packs": (_award({"packs": 4}), "should read 5 packs"),
    "wrong units": (_award({"units": 50}), "should read 5 packs"),
    "other vendor": (_award({"vendor": "w"}), "should read"),
    "free freight not reached": (_order({"shipping": 0}), "order of practice a at vendor v"),
    "wrong goods": (_order({"goods": 1}), "order of practice a at vendor v"),
    "order missing": (lambda p: replace(p, orders=p.orders[1:]), "order of practice a"),
    "order twice": (lambda p: replace(p, orders=(*p.orders, p.orders[0])), "order is repeated"),
    "rebate missing": (lambda p: replace(p, rebates=()), "rebate of vendor v is wrong"),
    "rebate not earned": (_rebate({"rate": 60_000}), "rebate of vendor v is wrong"),
    "rebate too large": (_rebate({"amount": 99_999}), "rebate of vendor v is wrong"),
    "wrong switching cost": (lambda p: replace(p, switching=0), "switching costs should be 0.30"),
    "wrong cost": (lambda p: replace(p, cost=(p.cost or 0) - 1), "The cost should be"),
    "bound above the cost": (
        lambda p: replace(p, lower_bound=(p.cost or 0) + 1),
        "lower bound is above",
    ),
    "no cost": (lambda p: replace(p, cost=None), "awards but no cost"),
    "shares that miss a cent": (
        lambda p: replace(p, shares=(replace(p.shares[0], pays=p.shares[0].pays - 1), p.shares[1])),
        "shares should add up",
    ),
    "practice without a share": (
        lambda p: replace(p, shares=(replace(p.shares[0], pays=p.invoiced),)),
        "name each practice once",
    ),
    "negative share": (
        lambda p: replace(
            p,
            shares=(
                replace(p.shares[0], pays=-1),
                replace(p.shares[1], pays=p.invoiced + 1),
            ),
        ),
        "may be negative",
    ),
}


def test_the_solvers_plan_is_accepted() -> None:
    assert check(ROUND, PLAN) == []
    assert PLAN.rebates
    assert PLAN.switching == 30
    assert PLAN.orders[0].shipping == 500


@pytest.mark.parametrize(("alter", "words"), ALTERED.values(), ids=ALTERED.keys())
def test_each_altered_plan_is_refused(alter: Alter, words: str) -> None:
    faults = check(ROUND, alter(PLAN))
    assert any(words in fault for fault in faults)
    assert all(fault.endswith(".") for fault in faults)


BROKEN: dict[str, tuple[Instance, str]] = {
    "minimum order": (
        replace(ROUND, vendors=(replace(ROUND.vendors[0], min_order=50_000), ROUND.vendors[1])),
        "below the minimum of 500.00",
    ),
    "pack limit": (
        replace(ROUND, offers=(replace(ROUND.offers[0], max_packs=12), *ROUND.offers[1:])),
        "at most 12 packs of item i",
    ),
    "vendors of the round": (replace(ROUND, rules=Rules(max_vendors=0)), "The round uses more"),
    "vendors of a practice": (
        replace(ROUND, rules=Rules(max_vendors_per_practice=0)),
        "Practice a uses more than 0 vendors",
    ),
    "vendors of a category": (
        replace(ROUND, rules=Rules(max_vendors_per_category=(("gauze", 0),))),
        "Category gauze uses more than 0 vendors",
    ),
    "forbidden vendor": (
        replace(ROUND, rules=Rules(forbid=(Forbidden("b", "v"),))),
        "Practice b may not buy from vendor v",
    ),
    "commitment": (
        replace(ROUND, rules=Rules(commitments=(Commitment("w", "gauze", 900_000),))),
        "Vendor w gets less of category gauze than committed",
    ),
}


@pytest.mark.parametrize(("instance", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_rule_is_named(instance: Instance, words: str) -> None:
    assert any(words in fault for fault in check(instance, PLAN))


def test_prices_follow_pooled_packs_and_free_freight_the_invoiced_goods() -> None:
    priced = reprice(ROUND, {(p, i): ("v", i) for p, i in product("ab", "ij")})
    assert [award.price for award in priced.awards] == [800, 600, 800, 600]
    assert [(order.goods, order.shipping) for order in priced.orders] == [
        (8_200, 500),
        (11_800, 500),
    ]
    assert [(rebate.spend, rebate.amount) for rebate in priced.rebates] == [(20_000, 1_000)]
    assert priced.cost == 20_000 + 1_000 - 1_000 + 30


def test_a_ban_may_hold_for_one_line_or_one_equivalent() -> None:
    offer = Offer("v", "j", 1, (Tier(0, 1),))
    assert Forbidden("a", "v", "i").bars("i", offer)
    assert not Forbidden("a", "v", "k").bars("i", offer)
    assert Forbidden("a", "", "i", "j").bars("i", offer)
    assert not Forbidden("a", "", "i", "i").bars("i", offer)
    assert Forbidden("a", "v", "i").sentence == "Practice a may not buy for item i from vendor v."
    assert Forbidden("a", "", "i", "j").sentence == "Practice a may not buy item j for item i."
