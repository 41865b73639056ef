"""The state kept by increments always equals pricing from scratch."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.purchasing.check import faults_of_rules
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.pricing import reprice
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.search import greedy, improve
from hub.domain.purchasing.state import State

Tiny = st.SearchStrategy[Instance]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_cost_and_violations_stay_exact_under_moves(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances.filter(lambda i: not compile_instance(i).unfillable))
    problem = compile_instance(instance)
    state = State(problem, [0] * len(problem.lines))
    for _ in range(data.draw(st.integers(0, 6))):
        lines = data.draw(st.sets(st.integers(0, len(problem.lines) - 1), max_size=3))
        state.move([(n, data.draw(st.integers(0, len(problem.options[n]) - 1))) for n in lines])
    priced = reprice(instance, problem.choices(state.chosen))
    allowed = not faults_of_rules(instance, priced.awards)
    assert (state.violation == 0) == allowed
    if allowed:
        assert state.cost == priced.cost


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_move_undone_leaves_everything_as_it_was(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances.filter(lambda i: not compile_instance(i).unfillable))
    problem = compile_instance(instance)
    state = State(problem, [0] * len(problem.lines))
    before = (state.rank, list(state.chosen), list(state.goods), list(state.packs))
    lines = data.draw(st.sets(st.integers(0, len(problem.lines) - 1), max_size=4))
    changes = [(n, data.draw(st.integers(0, len(problem.options[n]) - 1))) for n in lines]
    state.move(state.move(changes))
    assert (state.rank, list(state.chosen), list(state.goods), list(state.packs)) == before


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_local_search_never_ends_worse_than_greedy(
    data: st.DataObject, tiny_instances: Tiny
) -> None:
    instance = data.draw(tiny_instances.filter(lambda i: not compile_instance(i).unfillable))
    state = greedy(compile_instance(instance))
    before = state.rank
    assert improve(state).rank <= before


def test_choices_and_options_are_each_others_inverse(tiny_instances: Tiny) -> None:
    @settings(max_examples=50, deadline=None)
    @given(instance=tiny_instances)
    def holds(instance: Instance) -> None:
        problem = compile_instance(instance)
        if not problem.unfillable:
            chosen = [len(options) - 1 for options in problem.options]
            assert problem.chosen(problem.choices(chosen)) == chosen

    holds()
