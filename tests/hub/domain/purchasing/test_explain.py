"""Infeasible rounds: the fewest rules that clash, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.explain import restrict, rules_of, sentence
from hub.domain.purchasing.fewest import fewest
from hub.domain.purchasing.instance import (
    Commitment,
    Demand,
    Forbidden,
    Instance,
    Item,
    Offer,
    Practice,
    Rules,
    Tier,
    Vendor,
)
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.solve import solve

Tiny = st.SearchStrategy[Instance]

ROUND = Instance(
    practices=(Practice("a"), Practice("b")),
    items=(Item("i", "gloves"), Item("j", "gauze")),
    demand=(Demand("a", "i", 5), Demand("b", "j", 5)),
    vendors=(Vendor("v"), Vendor("w")),
    offers=(Offer("v", "i", 1, (Tier(0, 100),)), Offer("w", "j", 1, (Tier(0, 100),))),
)


def _because(**rules: object) -> tuple[str, ...]:
    return solve(replace(ROUND, rules=Rules(**rules))).infeasible_because  # type: ignore[arg-type]


def test_an_item_nobody_sells_is_named_once() -> None:
    wanted = (*ROUND.demand, Demand("a", "k", 1), Demand("b", "k", 1))
    plan = solve(replace(ROUND, items=(*ROUND.items, Item("k")), demand=wanted))
    assert (plan.status, plan.infeasible_because) == ("infeasible", ("No vendor sells item k.",))


def test_a_line_without_a_vendor_left_says_why() -> None:
    offers = (
        replace(ROUND.offers[0], max_packs=3),
        *ROUND.offers[1:],
        Offer("w", "i", 1, (Tier(0, 1),)),
    )
    rules = Rules(forbid=(Forbidden("a", "w"),))
    assert solve(replace(ROUND, offers=offers, rules=rules)).infeasible_because == (
        "Practice a cannot get item i: vendor v sells at most 3 packs, "
        "vendor w is forbidden to it.",
    )


def test_too_few_vendors_are_named() -> None:
    assert _because(max_vendors=1, max_vendors_per_practice=1) == (
        "The round may use at most 1 vendor.",
    )
    assert _because(max_vendors_per_practice=0) == ("A practice may use at most 0 vendors.",)
    assert _because(max_vendors_per_category=(("gauze", 0), ("gloves", 3))) == (
        "Category gauze may use at most 0 vendors.",
    )


def test_a_commitment_nobody_can_keep_is_named() -> None:
    promise = Commitment("v", "gauze", 250_000)
    assert _because(commitments=(promise,), max_vendors=2) == (
        "Vendor v must get at least 25 % of category gauze.",
    )


def test_a_minimum_order_out_of_reach_is_named() -> None:
    vendors = (Vendor("v", 501), Vendor("w", 500))
    assert solve(replace(ROUND, vendors=vendors)).infeasible_because == (
        "Each order at vendor v must reach 5.01.",
    )


def test_pack_limits_too_small_for_all_are_named() -> None:
    instance = replace(
        ROUND,
        demand=(Demand("a", "i", 5), Demand("b", "i", 5)),
        offers=(replace(ROUND.offers[0], max_packs=9),),
    )
    assert solve(instance).infeasible_because == ("Vendor v sells at most 9 packs of item i.",)


def test_two_rules_that_clash_are_named_though_five_others_do_as_well() -> None:
    """Leaving out one after another ends with five: sellers barred, few packs at the third."""
    sellers = ("v", "w", "x")
    instance = replace(
        ROUND,
        demand=(Demand("a", "i", 4), Demand("b", "i", 4)),
        vendors=tuple(map(Vendor, sellers)),
        offers=tuple(
            Offer(name, "i", 1, (Tier(0, 100),), max_packs=5 if name == "x" else None)
            for name in sellers
        ),
        rules=Rules(
            commitments=(Commitment("v", "gloves", 600_000), Commitment("w", "gloves", 600_000)),
            forbid=tuple(Forbidden(buyer, name) for buyer in "ab" for name in "vw"),
        ),
    )
    assert solve(instance).infeasible_because == (
        "Vendor v must get at least 60 % of category gloves.",
        "Vendor w must get at least 60 % of category gloves.",
    )


SETS = st.lists(st.frozensets(st.integers(0, 7), min_size=1, max_size=5), min_size=1, max_size=6)


@given(clashing=SETS)
def test_no_smaller_set_clashes_than_the_one_found(clashing: list[frozenset[int]]) -> None:
    def clash(kept: Sequence[int]) -> bool:
        return any(each <= set(kept) for each in clashing)

    found = fewest(range(8), range(8), clash, lambda: False)
    assert clash(found)
    assert len(found) == min(map(len, clashing))


@given(clashing=SETS, asked=st.integers(0, 30))
def test_what_was_found_in_time_still_clashes(clashing: list[frozenset[int]], asked: int) -> None:
    left = iter(range(asked))
    over = False

    def clash(kept: Sequence[int]) -> bool:
        nonlocal over
        over = over or next(left, None) is None
        return not over and any(each <= set(kept) for each in clashing)

    found = fewest(range(8), range(8), clash, lambda: over)
    assert any(each <= set(found) for each in clashing)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_rules_named_clash_and_none_can_be_left_out(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    plan = solve(instance)
    if plan.status != "infeasible" or compile_instance(instance).unfillable:
        return
    named = {
        rule for rule in rules_of(instance) if sentence(instance, rule) in plan.infeasible_because
    }
    assert len(named) == len(plan.infeasible_because)
    assert solve(restrict(instance, list(named))).status == "infeasible"
    for rule in named:
        assert solve(restrict(instance, list(named - {rule}))).status != "infeasible"
