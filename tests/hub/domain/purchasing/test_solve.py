"""The solver: equal to trying everything, unmoved by order and scale, stoppable."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.check import check
from hub.domain.purchasing.instance import (
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
from hub.domain.purchasing.instance_file import load
from hub.domain.purchasing.problem import Problem, compile_instance
from hub.domain.purchasing.solve import Progress, easy_bound, solve
from hub.domain.purchasing.state import State

EXAMPLES = int(os.environ.get("PURCHASING_EXAMPLES", "250"))
"""Random rounds compared with trying every plan; thousands take minutes."""

Trial = Callable[[Instance], int | None]
Tiny = st.SearchStrategy[Instance]


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_the_solver_equals_trying_every_plan(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    least = by_trial(instance)
    plan = solve(instance)
    assert plan.cost == least
    if least is None:
        assert plan.status == "infeasible"
        assert plan.infeasible_because
    else:
        assert plan.status == "optimal"
        assert plan.lower_bound is not None
        assert plan.lower_bound <= least
        assert check(instance, plan) == []


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_with_split_lines_the_solver_equals_trying_every_division(
    data: st.DataObject, tiny_splits: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_splits)
    least = by_trial(instance)
    plan = solve(instance)
    assert plan.cost == least
    if least is not None:
        assert plan.status == "optimal"
        assert check(instance, plan) == []


def test_two_parts_of_one_pack_each_may_reach_a_minimum_order_together() -> None:
    instance = Instance(
        practices=(Practice("p"),),
        items=(Item("i"),),
        demand=(Demand("p", "i", 2),),
        vendors=(Vendor("v", min_order=4_000),),
        offers=(
            Offer("v", "i", 1, (Tier(0, 400),), multiple=3),
            Offer("v", "i", 1, (Tier(0, 1_000),), multiple=3, id="large"),
        ),
        rules=Rules(split_lines=True),
    )
    plan = solve(instance)
    assert plan.cost == 4_200
    assert check(instance, plan) == []


@settings(max_examples=50, deadline=None)
@given(data=st.data(), factor=st.integers(2, 7))
def test_prices_scaled_scale_the_cost(
    data: st.DataObject, factor: int, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    cost, scaled = solve(instance).cost, solve(_scaled(instance, factor)).cost
    assert scaled == (None if cost is None else cost * factor)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_order_of_the_input_does_not_matter(data: st.DataObject, tiny_instances: Tiny) -> None:
    instance = data.draw(tiny_instances)
    turned = replace(
        instance,
        **{
            name: tuple(reversed(getattr(instance, name)))
            for name in ("practices", "items", "demand", "vendors", "offers")
        },
    )
    first, second = solve(instance), solve(turned)
    assert first.cost == second.cost
    assert set(first.awards) == set(second.awards)
    assert set(first.shares) == set(second.shares)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), price=st.integers(0, 500))
def test_an_added_offer_never_raises_the_cost(
    data: st.DataObject, price: int, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    item = data.draw(st.sampled_from(instance.items)).id
    rules = replace(instance.rules, commitments=())
    before = replace(instance, rules=rules)
    after = replace(
        before,
        vendors=(*before.vendors, Vendor("new")),
        offers=(*before.offers, Offer("new", item, 5, (Tier(0, price),))),
    )
    old, new = solve(before).cost, solve(after).cost
    assert old is None or (new is not None and new <= old)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_harder_rule_never_lowers_the_cost(data: st.DataObject, tiny_instances: Tiny) -> None:
    instance = data.draw(tiny_instances)
    ban = Forbidden(
        data.draw(st.sampled_from(instance.practices)).id,
        data.draw(st.sampled_from(instance.vendors)).id,
    )
    harder = data.draw(
        st.sampled_from(
            [
                {"max_vendors": 1},
                {"max_vendors_per_practice": 1},
                {"max_vendors_per_category": ((instance.items[0].category, 1),)},
                {"forbid": (*instance.rules.forbid, ban)},
            ]
        )
    )
    if "max_vendors_per_category" in harder and instance.rules.max_vendors_per_category:
        harder = {"max_vendors": 1}
    loose = solve(instance).cost
    tight = solve(replace(instance, rules=replace(instance.rules, **harder))).cost
    assert tight is None or (loose is not None and tight >= loose)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_bound_without_a_solver_holds(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    problem = compile_instance(instance)
    least = by_trial(instance)
    if least is not None and not problem.unfillable:
        assert easy_bound(problem) <= least


def test_pooling_reaches_a_tier_that_nobody_reaches_alone() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 6), Demand("b", "i", 6)),
        vendors=(Vendor("v"), Vendor("w")),
        offers=(
            Offer("v", "i", 1, (Tier(0, 1_000), Tier(10, 700))),
            Offer("w", "i", 1, (Tier(0, 900),)),
        ),
        limits=Limits(gap=0),
    )
    plan = solve(instance)
    assert (plan.cost, plan.baselines.alone) == (8_400, 10_800)
    assert {award.vendor for award in plan.awards} == {"v"}
    assert [share.pays for share in plan.shares] == [4_200, 4_200]


def test_a_lower_price_that_breaks_the_minimum_order_cannot_be_declined() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 5), Demand("b", "i", 5)),
        vendors=(Vendor("v", min_order=4_000), Vendor("w")),
        offers=(
            Offer("v", "i", 1, (Tier(0, 1_000), Tier(10, 700))),
            Offer("w", "i", 1, (Tier(0, 1_200),)),
        ),
        limits=Limits(gap=0),
    )
    plan = solve(instance)
    assert (plan.status, plan.cost, plan.lower_bound) == ("optimal", 11_000, 11_000)


def test_an_equivalent_is_bought_in_its_own_packs() -> None:
    instance = Instance(
        practices=(Practice("a"),),
        items=(Item("i", equivalents=("j",)), Item("j")),
        demand=(Demand("a", "i", 250),),
        vendors=(Vendor("v"),),
        offers=(
            Offer("v", "i", 10, (Tier(0, 200),)),
            Offer("v", "j", 100, (Tier(0, 900),), multiple=2),
        ),
    )
    (award,) = solve(instance).awards
    assert (award.offer_item, award.packs, award.units, award.amount) == ("j", 4, 400, 3_600)


def test_incremental_tiers_credit_only_the_packs_from_their_break_on() -> None:
    instance = Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 6), Demand("b", "i", 6)),
        vendors=(Vendor("v", shipping=Shipping(500, 6_000)),),
        offers=(Offer("v", "i", 1, (Tier(0, 1_000), Tier(10, 700)), tier_type="incremental"),),
        limits=Limits(gap=0),
    )
    plan = solve(instance)
    # Each order reaches free freight at 60.00 invoiced; packs 10 to 12 bring 3.00 back each.
    assert (plan.cost, plan.status) == (12_000 - 900, "optimal")
    assert [(c.packs, c.amount) for c in plan.credits] == [(12, 900)]
    assert [order.shipping for order in plan.orders] == [0, 0]
    assert [share.pays for share in plan.shares] == [5_550, 5_550]
    altered = replace(plan, credits=(replace(plan.credits[0], amount=1_200),))
    assert "The credit of vendor v is wrong." in check(instance, altered)


def test_a_split_line_takes_what_one_vendor_has_and_the_rest_elsewhere() -> None:
    instance = Instance(
        practices=(Practice("a"),),
        items=(Item("i"),),
        demand=(Demand("a", "i", 25),),
        vendors=(Vendor("v"), Vendor("w")),
        offers=(
            Offer("v", "i", 10, (Tier(0, 1_000),), max_packs=2),
            Offer("w", "i", 1, (Tier(0, 150),)),
        ),
        limits=Limits(gap=0),
    )
    assert solve(instance).cost == 25 * 150
    split = replace(instance, rules=Rules(split_lines=True))
    plan = solve(split)
    assert (plan.cost, plan.status) == (2 * 1_000 + 5 * 150, "optimal")
    assert [(a.vendor, a.packs) for a in plan.awards] == [("v", 2), ("w", 5)]
    more = replace(plan.awards[1], packs=16, units=16, amount=2_400)
    altered = replace(plan, awards=(plan.awards[0], more))
    assert check(split, altered) == [
        "The parts of item i for practice a do not make up its 25 units."
    ]


def test_the_better_of_two_offers_of_one_vendor_is_named() -> None:
    instance = Instance(
        practices=(Practice("a"),),
        items=(Item("i"),),
        demand=(Demand("a", "i", 100),),
        vendors=(Vendor("v"),),
        offers=(
            Offer("v", "i", 1, (Tier(0, 10),)),
            Offer("v", "i", 100, (Tier(0, 900),), id="case"),
        ),
    )
    (award,) = solve(instance).awards
    assert (award.offer, award.offer_item, award.packs, award.amount) == ("case", "i", 1, 900)


def test_a_switching_cost_keeps_a_line_where_the_saving_is_smaller() -> None:
    instance = _two_vendors(SwitchingCost("a", "i", "v", 150))
    plan = solve(instance)
    assert (plan.awards[0].vendor, plan.cost, plan.switching) == ("v", 1_000, 0)
    plan = solve(_two_vendors(SwitchingCost("a", "i", "v", 50)))
    assert (plan.awards[0].vendor, plan.cost, plan.switching) == ("w", 950, 50)
    assert (plan.invoiced, plan.shares[0].pays, plan.shares[0].saving) == (900, 900, 0)


def test_a_rebate_is_rounded_down_to_the_cent() -> None:
    instance = Instance(
        practices=(Practice("a"),),
        items=(Item("i"),),
        demand=(Demand("a", "i", 1),),
        vendors=(Vendor("v", spend_rebates=(SpendRebate(100, 15_000),)),),
        offers=(Offer("v", "i", 1, (Tier(0, 199),)),),
        limits=Limits(gap=0),
    )
    plan = solve(instance)
    assert (plan.cost, plan.rebates[0].amount, plan.status) == (197, 2, "optimal")


def test_nothing_asked_for_costs_nothing() -> None:
    plan = solve(Instance((Practice("a"),), (), (), (), ()))
    assert (plan.status, plan.cost, plan.gap) == ("optimal", 0, 0.0)
    assert [share.pays for share in plan.shares] == [0]


def test_asked_to_stop_it_keeps_the_best_plan_with_its_bound() -> None:
    instance = _larger()
    phases: list[str] = []
    plan = solve(instance, lambda told: phases.append(told.phase), lambda: "solver" in phases)
    assert plan.interrupted
    assert plan.cost is not None
    assert plan.lower_bound is not None
    assert 0 < plan.lower_bound <= plan.cost
    assert check(instance, plan) == []


def test_out_of_time_it_keeps_the_best_plan_with_its_bound() -> None:
    instance = replace(_larger(), limits=Limits(seconds=0.05, gap=0))
    plan = solve(instance)
    assert plan.cost is not None
    assert plan.lower_bound is not None
    assert plan.lower_bound <= plan.cost
    assert check(instance, plan) == []


def test_stopped_before_the_first_plan_it_says_so() -> None:
    instance = replace(
        _larger(), vendors=tuple(replace(v, min_order=50_000) for v in _larger().vendors)
    )
    plan = solve(instance, should_stop=lambda: True)
    assert (plan.status, plan.cost, plan.awards) == ("time_limit", None, ())
    assert plan.interrupted


def test_progress_tells_cost_and_bound_that_only_improve() -> None:
    told: list[Progress] = []
    plan = solve(_larger(), told.append)
    costs = [step.cost for step in told if step.cost is not None]
    bounds = [step.lower_bound for step in told if step.lower_bound is not None]
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    assert {"greedy", "local_search", "alone", "solver"} == {step.phase for step in told}
    assert plan.cost is not None
    assert plan.cost <= costs[-1]


def test_an_error_of_the_listener_reaches_the_caller() -> None:
    def fail(told: Progress) -> None:
        if told.phase == "solver":
            raise KeyError("listener")

    with pytest.raises(KeyError, match="listener"):
        solve(_larger(), fail)


def _two_vendors(switch: SwitchingCost) -> Instance:
    instance = Instance(
        practices=(Practice("a"),),
        items=(Item("i"),),
        demand=(Demand("a", "i", 1),),
        vendors=(Vendor("v"), Vendor("w")),
        offers=(Offer("v", "i", 1, (Tier(0, 1_000),)), Offer("w", "i", 1, (Tier(0, 900),))),
        limits=Limits(gap=0),
    )
    return replace(instance, rules=replace(instance.rules, switching_cost=(switch,)))


def _larger() -> Instance:
    """A round of 12 practices, 40 items and 2 vendors, with every kind of terms."""
    practices = [f"p{n:02d}" for n in range(12)]
    items = [f"i{n:02d}" for n in range(40)]
    return Instance(
        practices=tuple(map(Practice, practices)),
        items=tuple(map(Item, items)),
        demand=tuple(
            Demand(p, i, 40 + (a * 7 + b * 13) % 90)
            for a, p in enumerate(practices)
            for b, i in enumerate(items)
            if (a * 3 + b * 5) % 4
        ),
        vendors=(
            Vendor("v", 5_000, Shipping(1_500, 25_000), (SpendRebate(400_000, 20_000),)),
            Vendor("w", 2_500, Shipping(1_200, 30_000)),
        ),
        offers=tuple(
            Offer(
                vendor,
                item,
                10,
                (Tier(0, base), Tier(20, base * 97 // 100), Tier(45, base * 90 // 100)),
            )
            for b, item in enumerate(items)
            for vendor, base in (("v", 300 + b * 11), ("w", 310 + (b * 17) % 400))
        ),
        limits=Limits(seconds=20, gap=1_000),
    )


def _scaled(instance: Instance, factor: int) -> Instance:
    """Every amount of money times `factor`."""
    return replace(
        instance,
        vendors=tuple(
            Vendor(
                v.id,
                v.min_order * factor,
                Shipping(
                    v.shipping.fee * factor,
                    None if v.shipping.free_from is None else v.shipping.free_from * factor,
                ),
                tuple(SpendRebate(r.from_spend * factor, r.rate) for r in v.spend_rebates),
            )
            for v in instance.vendors
        ),
        offers=tuple(
            replace(o, tiers=tuple(Tier(t.from_packs, t.price * factor) for t in o.tiers))
            for o in instance.offers
        ),
        rules=replace(
            instance.rules,
            switching_cost=tuple(
                replace(s, cost=s.cost * factor) for s in instance.rules.switching_cost
            ),
        ),
    )


def test_stopped_early_the_practices_own_plans_are_mended_into_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiers = [{"from_packs": 0, "price": "2.00"}, {"from_packs": 12, "price": "0.90"}]
    offers = {"dear": [{"from_packs": 0, "price": "11.00"}], "pool": tiers}
    offers["plain"] = [{"from_packs": 0, "price": "2.10"}]
    instance = load(
        {
            "practices": [{"id": "p"}, {"id": "q"}],
            "items": [{"id": "g", "category": "x"}],
            "demand": [{"practice": who, "item": "g", "units": 10} for who in "pq"],
            "vendors": [{"id": name, "min_order": "10.00"} for name in offers],
            "offers": [
                {"vendor": name, "item": "g", "pack_units": 1, "tiers": each}
                for name, each in offers.items()
            ],
        }
    )

    def all_at_the_dear_one(problem: Problem, _: object) -> State:
        dear = dict.fromkeys(problem.lines, ("dear", "g"))
        return State(problem, problem.chosen(dear))

    monkeypatch.setattr("hub.domain.purchasing.solve.greedy", all_at_the_dear_one)
    plan = solve(instance, should_stop=lambda: True)
    assert (plan.baselines.greedy, plan.baselines.alone, plan.cost) == (22000, 4000, 4100)
