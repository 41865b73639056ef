"""Other rules to share by, and what is sampled of coalitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.domain.purchasing import sampling
from hub.domain.purchasing.baseline import alone, local_search
from hub.domain.purchasing.check import check
from hub.domain.purchasing.coalitions import Growing, coalitions_of
from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Sharing,
    Shipping,
    SpendRebate,
    Tier,
    Vendor,
)
from hub.domain.purchasing.plan import to_result
from hub.domain.purchasing.pricing import reprice
from hub.domain.purchasing.sampling import better_alone, shapley
from hub.domain.purchasing.shares import nobody_worse, share_out
from hub.domain.purchasing.solve import solve

Tiny = st.SearchStrategy[Instance]
RULES = st.sampled_from(["standalone", "volume", "shapley"])

POOL = Instance(
    practices=(Practice("a"), Practice("b"), Practice("c"), Practice("idle")),
    items=(Item("i"),),
    demand=(Demand("a", "i", 6), Demand("b", "i", 6), Demand("c", "i", 12)),
    vendors=(Vendor("v", 0, Shipping(500, 9_000), (SpendRebate(15_000, 100_000),)),),
    offers=(Offer("v", "i", 1, (Tier(0, 1_000), Tier(12, 900), Tier(24, 800))),),
    limits=Limits(gap=0),
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rule=RULES)
def test_every_rule_is_exact_repeatable_and_leaves_nobody_worse(
    data: st.DataObject, rule: str, tiny_instances: Tiny
) -> None:
    sharing = Sharing(rule, sample=True, seed=7)  # type: ignore[arg-type]
    instance = replace(data.draw(tiny_instances), sharing=sharing)
    priced = local_search(instance)
    assume(priced is not None)
    assert priced is not None
    single = alone(instance)
    shares, sampled = share_out(instance, priced, single.costs)
    assert sampled is not None
    assert sum(share.pays for share in shares) == priced.invoiced
    bearable = all(s.alone is not None and s.alone >= s.switching for s in shares)
    if bearable and single.total is not None and priced.cost <= single.total:
        assert nobody_worse(shares)
    turned = replace(instance, practices=tuple(reversed(instance.practices)))
    again, _ = share_out(turned, priced, single.costs)
    assert set(again) == set(shares)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_coalition_that_grows_pays_what_it_would_from_the_start(
    data: st.DataObject, seed: int, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    priced = local_search(instance)
    assume(priced is not None)
    assert priced is not None
    coalitions = coalitions_of(instance, priced, {p.id: 10**9 for p in instance.practices})
    growing, members = Growing(coalitions), np.zeros(len(coalitions.names), dtype=bool)
    for member in np.random.default_rng(seed).permutation(len(members)).tolist():
        members[member] = True
        assert growing.join(member) == coalitions.cost(members)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_coalition_pays_what_its_own_lines_cost_or_less(
    data: st.DataObject, seed: int, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    priced = local_search(instance)
    assume(priced is not None)
    assert priced is not None
    single = alone(instance).costs
    coalitions = coalitions_of(instance, priced, single)
    members = np.random.default_rng(seed).random(len(coalitions.names)) < 0.5
    assume(not members.all())
    names = set(np.array(coalitions.names)[members].tolist())
    choices = {(a.practice, a.item): a.source for a in priced.awards}
    part = replace(
        instance,
        demand=tuple(line for line in instance.demand if line.practice in names),
    )
    own = sum(int(cost) for cost, member in zip(coalitions.alone, members, strict=True) if member)
    assert coalitions.cost(members) == min(reprice(part, choices).invoiced, own)


def test_the_shapley_value_adds_up_and_treats_alike_alike() -> None:
    plan = solve(replace(POOL, sharing=Sharing("shapley", seed=3)))
    pays = {share.practice: share.pays for share in plan.shares}
    assert sum(pays.values()) == plan.invoiced
    assert abs(pays["a"] - pays["b"]) <= 1
    assert pays["idle"] == 0
    assert pays["c"] > pays["a"]
    assert plan.sampled is not None
    assert plan.sampled.orders > 0
    assert check(POOL, plan) == []
    assert {"sampled", "better_alone", "orders", "standard_error"} <= to_result(plan)[
        "coalitions"
    ].keys()


@pytest.mark.parametrize("pooling", [True, False])
def test_sampled_values_repeat_and_are_as_near_the_exact_ones_as_they_say(
    pooling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = replace(POOL, vendors=(Vendor("v"),), offers=(Offer("v", "i", 1, (Tier(0, 1_000),)),))
    priced = local_search(POOL if pooling else apart)
    assert priced is not None
    instance = POOL if pooling else apart
    coalitions = coalitions_of(instance, priced, alone(instance).costs)
    exact = shapley(coalitions, 5)
    assert exact.error == 0
    monkeypatch.setattr(sampling, "_FEW", 0)
    monkeypatch.setattr(sampling, "_EVALUATIONS", 400)
    value = shapley(coalitions, 5)
    assert value == shapley(coalitions, 5)
    assert sum(value.due.values()) == sum(exact.due.values()) == priced.invoiced
    assert (value.error > 0) == pooling
    for name, due in exact.due.items():
        assert abs(value.due[name] - due) <= 5 * value.error


def test_a_coalition_that_would_do_better_alone_is_reported() -> None:
    priced = local_search(POOL)
    assert priced is not None
    single = alone(POOL).costs
    coalitions = coalitions_of(POOL, priced, single)
    shares, _ = share_out(POOL, priced, single)
    assert better_alone(coalitions, shares, 1)[1] == ()
    burden = tuple(
        replace(s, pays=s.pays + 5_000 * (1 if s.practice == "c" else 0)) for s in shares
    )
    count, blocking = better_alone(coalitions, burden, 1)
    assert count > 0
    assert all("c" in found.practices and found.cost < found.pays for found in blocking)
    assert blocking


@pytest.mark.parametrize("rule", ["standalone", "volume"])
def test_nothing_is_sampled_unless_asked(rule: str) -> None:
    sharing = Sharing(rule)  # type: ignore[arg-type]
    plan = solve(replace(POOL, sharing=sharing))
    assert plan.sampled is None
    assert "coalitions" not in to_result(plan)
