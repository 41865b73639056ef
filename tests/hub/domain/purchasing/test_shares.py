"""Shares: exact, nobody worse than alone, alike for alike, whatever the order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.baseline import alone, local_search
from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Shipping,
    SpendRebate,
    Tier,
    Vendor,
)
from hub.domain.purchasing.pricing import reprice
from hub.domain.purchasing.shares import compute_shares, nobody_worse
from hub.domain.purchasing.solve import solve

Tiny = st.SearchStrategy[Instance]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_shares_are_exact_and_nobody_pays_more_than_alone(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    priced = local_search(instance)
    assume(priced is not None)
    assert priced is not None
    single = alone(instance)
    shares = compute_shares(instance, priced, single.costs)
    assert sum(share.pays for share in shares) == priced.invoiced
    assert all(share.pays >= 0 for share in shares)
    bearable = all(share.alone is not None and share.alone >= share.switching for share in shares)
    if bearable and single.total is not None and priced.cost <= single.total:
        assert nobody_worse(shares)
    asking = {line.practice for line in instance.demand}
    if nobody_worse(shares):
        assert all(share.pays == 0 for share in shares if share.practice not in asking)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_practices_alike_pay_alike(data: st.DataObject, tiny_instances: Tiny) -> None:
    instance = data.draw(tiny_instances)
    first = instance.practices[0].id
    twin = tuple(
        replace(line, practice="twin") for line in instance.demand if line.practice == first
    )
    rules = replace(
        instance.rules,
        forbid=(
            *instance.rules.forbid,
            *(replace(b, practice="twin") for b in instance.rules.forbid if b.practice == first),
        ),
        switching_cost=(
            *instance.rules.switching_cost,
            *(
                replace(s, practice="twin")
                for s in instance.rules.switching_cost
                if s.practice == first
            ),
        ),
    )
    doubled = replace(
        instance,
        practices=(*instance.practices, Practice("twin")),
        demand=(*instance.demand, *twin),
        rules=rules,
    )
    priced = local_search(doubled)
    assume(priced is not None)
    assert priced is not None
    shares = {s.practice: s for s in compute_shares(doubled, priced, alone(doubled).costs)}
    if shares[first].switching == shares["twin"].switching:
        assert abs(shares[first].pays - shares["twin"].pays) <= 1


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_order_of_practices_does_not_matter(data: st.DataObject, tiny_instances: Tiny) -> None:
    instance = data.draw(tiny_instances)
    priced = local_search(instance)
    assume(priced is not None)
    assert priced is not None
    turned = replace(
        instance,
        practices=tuple(reversed(instance.practices)),
        demand=tuple(reversed(instance.demand)),
    )
    back = replace(priced, awards=tuple(reversed(priced.awards)))
    costs = alone(instance).costs
    assert set(compute_shares(instance, priced, costs)) == set(compute_shares(turned, back, costs))


def test_tier_gains_and_rebates_are_shared_by_standalone_cost() -> None:
    instance = Instance(
        practices=(Practice("big"), Practice("small"), Practice("idle")),
        items=(Item("i"),),
        demand=(Demand("big", "i", 90), Demand("small", "i", 10)),
        vendors=(Vendor("v", spend_rebates=(SpendRebate(80_000, 100_000),)),),
        offers=(Offer("v", "i", 1, (Tier(0, 1_000), Tier(50, 900), Tier(100, 800))),),
        limits=Limits(gap=0),
    )
    plan = solve(instance)
    # Alone: big 90 × 9.00 less a tenth = 729.00, small 100.00. Pooled: 800.00 less 80.00.
    assert [share.alone for share in plan.shares] == [72_900, 10_000, 0]
    # Own bills 810.00 + 100.00; gains 190.00 by 729 : 100.
    assert [share.pays for share in plan.shares] == [64_292, 7_708, 0]
    assert sum(share.pays for share in plan.shares) == 72_000


def test_what_a_practice_would_pay_above_alone_is_spread_over_the_others() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 10), Demand("b", "i", 10)),
        vendors=(Vendor("v"), Vendor("w", shipping=Shipping(300))),
        offers=(
            Offer("v", "i", 1, (Tier(0, 100),)),
            Offer("w", "i", 1, (Tier(0, 70),)),
        ),
    )
    priced = reprice(instance, {("a", "i"): ("v", "i"), ("b", "i"): ("w", "i")})
    shares = compute_shares(instance, priced, {"a": 950, "b": 1_200})
    assert [share.pays for share in shares] == [950, 1_050]
    assert nobody_worse(shares)


def test_a_plan_dearer_than_all_alone_says_that_somebody_is_worse_off() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 10), Demand("b", "i", 10)),
        vendors=(Vendor("v"),),
        offers=(Offer("v", "i", 1, (Tier(0, 100),)),),
    )
    priced = reprice(instance, {("a", "i"): ("v", "i"), ("b", "i"): ("v", "i")})
    shares = compute_shares(instance, priced, {"a": 900, "b": 900})
    assert [share.pays for share in shares] == [1_000, 1_000]
    assert not nobody_worse(shares)


def test_a_practice_that_cannot_buy_alone_pays_at_most_its_own_bill() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 10), Demand("b", "i", 5)),
        vendors=(Vendor("v"),),
        offers=(Offer("v", "i", 1, (Tier(0, 100), Tier(15, 80))),),
    )
    priced = reprice(instance, {("a", "i"): ("v", "i"), ("b", "i"): ("v", "i")})
    shares = compute_shares(instance, priced, {"a": 1_000, "b": None})
    assert [share.pays for share in shares] == [800, 400]
    assert shares[1].saving is None
