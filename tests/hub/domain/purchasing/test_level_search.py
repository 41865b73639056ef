"""Rounds that only rebates on spend tie together: bounds, branch and bound over their levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing import stages
from hub.domain.purchasing.check import check
from hub.domain.purchasing.highs import Outcome
from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Rules,
    Shipping,
    SpendRebate,
    Tier,
    Vendor,
)
from hub.domain.purchasing.level_search import run_by_levels
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.search import greedy
from hub.domain.purchasing.solve import solve
from hub.domain.purchasing.spend_levels import (
    Levels,
    levels_of,
    levels_within,
    look,
    purchases_within,
)
from hub.domain.purchasing.state import State

Trial = Callable[[Instance], int | None]
Tiny = st.SearchStrategy[Instance]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_search_over_levels_equals_trying_every_plan(
    data: st.DataObject, tiny_rebates: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_rebates)
    problem, least = compile_instance(instance), by_trial(instance)
    if problem.unfillable or least is None:
        return
    levels = _levels(instance)
    outcome = run_by_levels(levels, [0] * len(problem.lines), seconds=30)
    assert outcome.ended == "solved"
    assert outcome.chosen is not None
    assert State(problem, outcome.chosen).cost == least
    assert least - len(problem.vendors) <= outcome.bound <= least


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_price_of_the_lines_proves_a_bound(
    data: st.DataObject, tiny_rebates: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_rebates)
    problem, least = compile_instance(instance), by_trial(instance)
    if problem.unfillable or least is None:
        return
    levels = _levels(instance)
    prices = np.array([data.draw(st.integers(0, 40_000)) for _ in problem.lines], dtype=float)
    assert look(levels, prices, levels.reachable).bound <= least + 1e-6


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_struck_out_is_in_no_plan_that_costs_less(
    data: st.DataObject, tiny_rebates: Tiny
) -> None:
    instance = data.draw(tiny_rebates)
    problem = compile_instance(instance)
    if problem.unfillable:
        return
    levels = _levels(instance)
    chosen = [data.draw(st.integers(0, len(options) - 1)) for options in problem.options]
    cost = State(problem, chosen).cost + 1e-6
    prices = np.array([data.draw(st.integers(0, 40_000)) for _ in chosen], dtype=float)
    bought = (levels.option == np.array(chosen)[levels.line]) & (levels.amount > 0)
    spend = (levels.amount * bought).sum(axis=1)
    reached = (levels.least <= spend[:, None]).sum(axis=1) - 1
    everyone = np.arange(len(reached))
    at_all = look(levels, prices, levels.reachable)
    assert levels_within(at_all, cost)[everyone, reached].all()
    only = np.zeros_like(levels.reachable)
    only[everyone, reached] = True
    at_these = look(levels, prices, only)
    assert at_these.bound <= cost
    found = np.zeros_like(bought)
    found[purchases_within(levels, at_these, cost)] = True
    assert found[bought].all()


def test_the_search_over_levels_agrees_with_the_whole_model() -> None:
    instance = _crowded(seed=5, suppliers=5, goods=16)
    by_levels = solve(instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "levels_of", lambda _: None)
        by_model = solve(instance)
    assert (by_levels.status, by_model.status) == ("optimal", "optimal")
    assert by_levels.cost == by_model.cost
    assert by_levels.baselines.local_search != by_levels.cost
    assert check(instance, by_levels) == []


def test_a_round_that_the_whole_model_does_not_solve_in_minutes_is_solved() -> None:
    plan = solve(_crowded(seed=1, suppliers=20, goods=50))
    assert plan.status == "optimal"
    assert plan.cost is not None
    assert plan.baselines.local_search is not None
    assert plan.cost < plan.baselines.local_search


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_stopped_on_the_way_plan_and_bound_hold(looks: int) -> None:
    instance = _crowded(seed=5, suppliers=5, goods=16)
    least = solve(instance).cost
    told: list[float] = []
    found: list[list[int]] = []

    def watch(bound: float) -> bool:
        told.append(bound)
        return len(told) >= looks

    start = greedy(compile_instance(instance)).chosen
    outcome = run_by_levels(_levels(instance), start, seconds=30, watch=watch, found=found.append)
    assert outcome.ended == "limit"
    assert outcome.chosen is not None
    assert least is not None
    assert told == sorted(told)
    assert outcome.bound <= least <= State(compile_instance(instance), outcome.chosen).cost
    assert not found or found[-1] == outcome.chosen


def test_no_time_leaves_the_plan_it_began_from() -> None:
    instance = _crowded(seed=5, suppliers=5, goods=16)
    start = greedy(compile_instance(instance)).chosen
    outcome = run_by_levels(_levels(instance), start, seconds=0)
    assert (outcome.ended, outcome.chosen) == ("limit", start)


@pytest.mark.parametrize(
    "tied",
    [
        lambda i: replace(i, rules=Rules(max_vendors=2)),
        lambda i: replace(i, rules=Rules(max_vendors_per_practice=2)),
        lambda i: replace(i, rules=Rules(split_lines=True)),
        lambda i: replace(i, vendors=tuple(replace(v, min_order=1) for v in i.vendors)),
        lambda i: replace(i, vendors=tuple(replace(v, shipping=Shipping(1)) for v in i.vendors)),
        lambda i: replace(i, vendors=tuple(replace(v, spend_rebates=()) for v in i.vendors)),
        lambda i: replace(i, offers=tuple(replace(o, max_packs=500) for o in i.offers)),
        lambda i: replace(
            i, offers=tuple(replace(o, tiers=(*o.tiers, Tier(9, 1))) for o in i.offers)
        ),
        lambda i: replace(i, offers=(replace(i.offers[0], tiers=(Tier(0, 0),)), *i.offers[1:])),
    ],
)
def test_anything_else_that_ties_lines_together_is_left_to_the_model(
    tied: Callable[[Instance], Instance],
) -> None:
    instance = _crowded(seed=5, suppliers=3, goods=6)
    assert levels_of(compile_instance(instance)) is not None
    assert levels_of(compile_instance(tied(instance))) is None


def test_an_error_of_the_listener_reaches_the_caller() -> None:
    instance = _crowded(seed=5, suppliers=5, goods=16)

    def fail(bound: float) -> bool:
        raise KeyError("listener")

    with pytest.raises(KeyError, match="listener"):
        _run(instance, fail)


def _run(instance: Instance, watch: Callable[[float], bool]) -> Outcome:
    start = greedy(compile_instance(instance)).chosen
    return run_by_levels(_levels(instance), start, seconds=30, watch=watch)


def _levels(instance: Instance) -> Levels:
    levels = levels_of(compile_instance(instance))
    assert levels is not None
    return levels


def _crowded(seed: int, suppliers: int, goods: int) -> Instance:
    """Every supplier sells every good, and discounts far apart compete with prices close by."""
    chance = np.random.default_rng(seed)
    base, units = chance.integers(500, 5_000, goods), chance.integers(5, 50, goods)
    spend = int((base * units).sum()) // suppliers
    rebates = tuple(
        SpendRebate(spend * (2 * level + 1) // 2, 20_000 * level) for level in range(1, 5)
    )
    return Instance(
        practices=(Practice("p"),),
        items=tuple(Item(f"i{n:02d}") for n in range(goods)),
        demand=tuple(Demand("p", f"i{n:02d}", int(units[n])) for n in range(goods)),
        vendors=tuple(Vendor(f"v{n:02d}", spend_rebates=rebates) for n in range(suppliers)),
        offers=tuple(
            Offer(f"v{v:02d}", f"i{n:02d}", 1, (Tier(0, int(base[n] * chance.uniform(0.9, 1.1))),))
            for v in range(suppliers)
            for n in range(goods)
        ),
        limits=Limits(60.0, 0),
    )
