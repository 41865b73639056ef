"""Buying alone, greedily, and by local search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.baseline import alone, greedy, local_search, one_by_one
from hub.domain.purchasing.instance import Instance, Rules
from hub.domain.purchasing.solve import solve

Trial = Callable[[Instance], int | None]
Tiny = st.SearchStrategy[Instance]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_alone_is_the_best_each_practice_can_do(
    data: st.DataObject, tiny_instances: Tiny, by_trial: Trial
) -> None:
    instance = data.draw(tiny_instances)
    single = alone(instance)
    assert single.proven
    assert list(single.costs) == [practice.id for practice in instance.practices]
    for practice, own in one_by_one(instance):
        assert single.costs[practice] == by_trial(own)
    asking = {line.practice for line in instance.demand}
    assert all(single.costs[p.id] == 0 for p in instance.practices if p.id not in asking)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_removing_a_practice_changes_no_other_practices_cost_alone(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances)
    gone = data.draw(st.sampled_from(instance.practices)).id
    demand = tuple(line for line in instance.demand if line.practice != gone)
    costs = alone(instance).costs
    left = alone(replace(instance, demand=demand)).costs
    assert left == {**costs, gone: 0}


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_plan_is_dearer_than_the_baselines(data: st.DataObject, tiny_instances: Tiny) -> None:
    instance = data.draw(tiny_instances)
    plan = solve(instance)
    for simple in (greedy(instance), local_search(instance)):
        assert simple is None or (plan.cost is not None and plan.cost <= simple.cost)


def test_rules_of_the_pool_do_not_bind_a_practice_that_buys_alone(tiny_instances: Tiny) -> None:
    @settings(max_examples=40, deadline=None)
    @given(instance=tiny_instances)
    def holds(instance: Instance) -> None:
        freed = replace(
            instance.rules, max_vendors=None, max_vendors_per_category=(), commitments=()
        )
        assert alone(instance).costs == alone(replace(instance, rules=freed)).costs

    holds()


def test_stopped_at_once_each_practice_is_still_estimated(tiny_instances: Tiny) -> None:
    @settings(max_examples=40, deadline=None)
    @given(instance=tiny_instances)
    def holds(instance: Instance) -> None:
        instance = replace(instance, rules=Rules())
        quick, exact = alone(instance, stop=lambda: True), alone(instance)
        for practice, cost in quick.costs.items():
            best = exact.costs[practice]
            assert cost is None or (best is not None and cost >= best)

    holds()
