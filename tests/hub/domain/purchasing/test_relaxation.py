"""The relaxation: its bound holds whatever prices it comes from and however few columns it had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing import relaxation, stages
from hub.domain.purchasing.check import check
from hub.domain.purchasing.instance import Instance, Limits
from hub.domain.purchasing.model import build
from hub.domain.purchasing.neighbourhoods import line_groups
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.relaxation import proven_bound, relax
from hub.domain.purchasing.search import greedy
from hub.domain.purchasing.solve import solve

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


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_columns_left_out_at_first_do_not_raise_the_bound(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    problem, least = compile_instance(instance), by_trial(instance)
    if least is None or problem.unfillable:
        return
    start, model = greedy(problem), build(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relaxation, "_AT_ONCE", 0)
        relaxed = relax(model, None if start.violation else start.chosen, seconds=10)
    assert relaxed is None or relaxed.bound <= least + 1e-6


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
