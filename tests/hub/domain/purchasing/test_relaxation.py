"""The relaxation: its bound holds whatever prices it comes from and wherever the method stops."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing import stages
from hub.domain.purchasing.check import check
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
from hub.domain.purchasing.model import build
from hub.domain.purchasing.neighbourhoods import line_groups, undecided
from hub.domain.purchasing.part import whole
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.progress import Search
from hub.domain.purchasing.relaxation import proven_bound, relax
from hub.domain.purchasing.search import greedy, never
from hub.domain.purchasing.solve import solve
from hub.domain.purchasing.state import State

Trial = Callable[[Instance], int | None]
Tiny = st.SearchStrategy[Instance]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1_000))
def test_any_prices_prove_a_bound(
    data: st.DataObject, seed: int, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    problem, least = compile_instance(instance), by_trial(instance)
    if least is None or problem.unfillable:
        return
    model = build(problem)
    prices = np.random.default_rng(seed).normal(0, 1_000, len(model.lower))
    bound, reduced = proven_bound(model, prices)
    assert bound <= least + 1e-6
    assert len(reduced) == len(model.cost)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), looks=st.integers(1, 12))
def test_every_bound_on_the_way_holds_wherever_the_method_stops(
    data: st.DataObject, looks: int, tiny_instances: Tiny, tiny_splits: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(st.one_of(tiny_instances, tiny_splits))
    problem, least = compile_instance(instance), by_trial(instance)
    if least is None or problem.unfillable:
        return
    start, told, asked = greedy(problem), [0.0], itertools.count()
    relaxed = relax(
        build(problem),
        None if start.violation else start.chosen,
        seconds=10,
        stop=lambda: next(asked) >= looks,
        proven=told.append,
    )
    assert relaxed is not None
    assert told == sorted(told)
    assert told[-1] == relaxed.bound <= least + 1e-6


def test_the_bound_comes_close_to_the_value_of_the_relaxation() -> None:
    model = build(compile_instance(crowded(seed=3)))
    solver: Any = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("solve_relaxation", True)
    whole(model).hand_over(solver)
    solver.run()
    value = solver.getInfo().objective_function_value
    relaxed = relax(model, None, seconds=30)
    assert relaxed is not None
    assert value * 0.998 <= relaxed.bound <= value + 1e-3


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_plan_with_a_column_costs_less_than_bound_and_reduced_cost(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    problem = compile_instance(data.draw(tiny_instances))
    start = State(problem, [0] * len(problem.lines)) if not problem.unfillable else None
    if start is None or start.violation:
        return
    model = build(problem)
    relaxed = relax(model, None, seconds=10)
    assert relaxed is not None
    dearest = (relaxed.reduced * model.encode(start.chosen)).max()
    assert start.cost >= relaxed.bound + max(0.0, dearest) - 1e-6


def crowded(seed: int) -> Instance:
    """12 practices, 20 items and 4 vendors with tiers, freight, minimum orders and rebates."""
    chance = np.random.default_rng(seed)
    worth = chance.integers(500, 4_000, 20)
    return Instance(
        practices=tuple(Practice(f"p{n:02d}") for n in range(12)),
        items=tuple(Item(f"i{n:02d}") for n in range(20)),
        demand=tuple(
            Demand(f"p{p:02d}", f"i{i:02d}", int(chance.integers(1, 9)))
            for p in range(12)
            for i in range(20)
            if chance.random() < 0.5
        ),
        vendors=tuple(
            Vendor(
                f"v{n}",
                int(chance.integers(0, 5_000)),
                Shipping(1_500, 20_000),
                (SpendRebate(300_000, 20_000), SpendRebate(600_000, 40_000)),
            )
            for n in range(4)
        ),
        offers=tuple(
            Offer(f"v{v}", f"i{i:02d}", 1, (Tier(0, dear), Tier(15, int(dear * 0.93))))
            for v in range(4)
            for i in range(20)
            for dear in [int(worth[i] * chance.uniform(0.9, 1.1))]
        ),
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_parts_of_the_model_give_allowed_plans_and_honest_bounds(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "_SMALL", 0)
        plan = solve(instance)
    assert plan.cost == by_trial(instance)
    assert plan.cost is None or check(instance, plan) == []


def test_the_relaxation_rounded_and_mended_is_an_allowed_plan() -> None:
    instance = crowded(seed=4)
    problem = compile_instance(instance)
    model, start = build(problem), greedy(problem)
    relaxed = relax(model, None, seconds=30)
    assert relaxed is not None
    search = Search(instance, problem, lambda _: None, never)
    better = stages.better_rounded(search, model, relaxed, start)
    assert better.rank <= start.rank
    assert search.best is not None
    assert relaxed.bound <= search.best.cost <= 1.1 * relaxed.bound


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_model_too_large_to_solve_whole_still_gives_plan_and_bound(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = replace(data.draw(tiny_instances), limits=Limits(seconds=0.5, gap=0))
    least = by_trial(instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "_SMALL", 0)
        patch.setattr(stages, "_WHOLE", 0)
        plan = solve(instance)
    if plan.cost is not None and plan.lower_bound is not None and least is not None:
        assert plan.lower_bound <= least <= plan.cost
        assert check(instance, plan) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_groups_of_lines_hold_whole_categories_or_practices(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    problem = compile_instance(data.draw(tiny_instances))
    groups = line_groups(problem, 2)
    for of in (problem.category_of, problem.practice_of):
        lines = next(groups)
        assert len(lines) == len(set(lines)) > 0
        kept = {of[line] for line in lines}
        assert set(lines) == {n for n, key in enumerate(of) if key in kept}


def test_lines_the_plan_and_the_relaxation_differ_about_come_first() -> None:
    problem = compile_instance(crowded(seed=4))
    model, start = build(problem), greedy(problem).chosen
    relaxed = relax(model, start, seconds=30)
    assert relaxed is not None
    lines = undecided(model, relaxed, start)
    assert 0 < len(lines) < len(problem.lines)
    as_relaxed = model.decode(relaxed.values)
    assert {n for n, k in enumerate(start) if k != as_relaxed[n]} <= set(lines)
    groups, seen = line_groups(problem, 10, lines), list[int]()
    while len(seen) < len(lines):
        seen += next(groups)
    assert sorted(seen) == lines
    assert len(next(groups)) > 0
