"""The model: an allowed plan satisfies its rows and costs what the plan costs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.highs import run
from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Tier,
    Vendor,
)
from hub.domain.purchasing.model import build
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.search import greedy, improve
from hub.domain.purchasing.state import State

Tiny = st.SearchStrategy[Instance]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_an_allowed_plan_is_a_solution_at_its_cost(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances.filter(lambda i: not compile_instance(i).unfillable))
    problem = compile_instance(instance)
    state = improve(greedy(problem))
    if state.violation:
        return
    model = build(problem)
    values = model.encode(state.chosen)
    reached = model.matrix @ values
    assert (reached >= model.lower - 1e-9).all()
    assert (reached <= model.upper + 1e-9).all()
    assert abs(float(model.cost @ values) - state.cost) < 1e-6
    assert model.decode(values) == state.chosen


def test_a_tier_that_all_lines_together_cannot_reach_is_left_out() -> None:
    problem = compile_instance(_one_offer((Tier(0, 9), Tier(5, 8), Tier(20, 7), Tier(99, 1))))
    assert problem.breaks == ((0, 5, 20),)


def test_a_tier_at_the_price_of_the_one_before_is_left_out() -> None:
    problem = compile_instance(_one_offer((Tier(0, 9), Tier(5, 9), Tier(20, 7))))
    assert (problem.breaks, problem.prices) == (((0, 20),), ((9, 7),))


def test_a_line_too_large_for_a_tier_has_no_column_there() -> None:
    model = build(compile_instance(_one_offer((Tier(0, 9), Tier(5, 8), Tier(20, 7)))))
    pairs = set(zip(model.uses.line.tolist(), model.uses.tier.tolist(), strict=True))
    assert pairs == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2)}


def test_the_solver_starts_from_the_plan_it_is_given() -> None:
    problem = compile_instance(_one_offer((Tier(0, 9), Tier(20, 7))))
    seen: list[list[int]] = []
    outcome = run(build(problem), seconds=10, gap=0.0, start=[0, 0], found=seen.append)
    assert outcome.ended == "solved"
    assert outcome.chosen == [0, 0]
    assert all(chosen == [0, 0] for chosen in seen)
    assert State(problem, outcome.chosen).cost == 22 * 7
    assert np.isclose(outcome.bound, 22 * 7, atol=0.5)


def test_without_time_nothing_is_proven() -> None:
    outcome = run(build(compile_instance(_one_offer((Tier(0, 9),)))), seconds=0.0, gap=0.0)
    assert (outcome.ended, outcome.chosen, outcome.bound) == ("limit", None, -np.inf)


def _one_offer(tiers: tuple[Tier, ...]) -> Instance:
    return Instance(
        practices=(Practice("a"), Practice("b")),
        items=(Item("i"),),
        demand=(Demand("a", "i", 4), Demand("b", "i", 18)),
        vendors=(Vendor("v"),),
        offers=(Offer("v", "i", 1, tiers),),
        limits=Limits(gap=0),
    )
