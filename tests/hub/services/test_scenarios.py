"""Scenarios over the locked demand of a round, beside its plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.domain.purchasing.scenarios import Changes
from hub.domain.purchasing.solve import solve
from hub.errors import Conflict, Rejected
from hub.services import rounds, scenarios
from hub.storage import scenarios as store
from hub.storage.tables import PurchaseOrder, PurchasingScenario, ScenarioShare
from tests.hub.services.test_rounds import part


def add(pool: Any, round_id: str, name: str, **changes: Any) -> str:
    scenario_id, _ = pool.work(
        lambda s: scenarios.add_scenario(
            s, round_id=round_id, name=name, changes=Changes(**changes), by="mso", now=pool.now
        )
    )
    return str(scenario_id)


def run(pool: Any, scenario_id: str) -> Any:
    problem, start = pool.work(
        lambda s: scenarios.load_scenario(
            s, scenario_id=scenario_id, on=pool.now.date(), seconds=10.0, gap=0
        )
    )
    plan = solve(problem.instance, start=start)
    pool.work(
        lambda s: scenarios.save_scenario(
            s, scenario_id=scenario_id, plan=plan, problem=problem, now=pool.now
        )
    )
    return pool.desk.one(PurchasingScenario, id=scenario_id), start


@pytest.fixture
def planned(pool: Any) -> Any:
    pool.round_id = pool.open()
    for practice in pool.practices:
        pool.want(pool.round_id, practice, gloves=50, gauze=20)
    pool.plan(pool.round_id)
    return pool


def test_scenarios_are_compared_with_the_plan_and_order_nothing(planned: Any) -> None:
    orders = len(planned.desk.rows(PurchaseOrder))
    row, start = run(planned, add(planned, planned.round_id, "No Acme", drop_vendors=("acme",)))
    assert start is not None
    assert (row.state, row.plan_version, row.suppliers) == ("solved", 1, 1)
    assert row.difference == Decimal("30.00")  # 30 packs at 9.00 in place of 8.00
    assert row.pooled_cost == row.base_cost + row.difference
    assert row.summary == "Without acme."
    half, _ = run(planned, add(planned, planned.round_id, "Later", demand_percent=(("gauze", 0),)))
    assert half.difference == Decimal("-60.00")
    assert len(planned.desk.rows(ScenarioShare)) == 12
    assert len(planned.desk.rows(PurchaseOrder)) == orders


def test_a_scenario_that_would_tell_of_one_practice_is_marked(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=50, **({"gauze": 20} if practice == "p1" else {}))
    pool.plan(round_id)
    of_one, _ = run(pool, add(pool, round_id, "Half", demand_percent=(("gauze", 50),)))
    of_all, _ = run(pool, add(pool, round_id, "Double", demand_percent=(("gloves", 200),)))
    assert (of_one.state, of_one.isolating) == ("solved", True)
    assert (of_all.state, of_all.isolating) == ("solved", False)


def test_a_scenario_solved_again_is_compared_with_what_it_showed_before(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=50, **({"gauze": 20} if practice == "p1" else {}))
    pool.plan(round_id)
    doubled = (("gloves", 200),)
    shown, _ = run(pool, add(pool, round_id, "What if", demand_percent=doubled))
    assert not shown.isolating
    without = (*doubled, ("gauze", 0))
    less, _ = run(pool, add(pool, round_id, "What if", demand_percent=without))
    assert less.isolating, "their difference is what one practice pays"
    again, _ = run(pool, add(pool, round_id, "What if", demand_percent=doubled))
    assert not again.isolating


def test_a_scenario_does_not_tell_of_a_plan_that_is_not_shown(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=50)
    pool.plan(round_id)
    pool.work(lambda s: rounds.reopen_round(s, round_id=round_id, why="One left.", now=pool.now))
    part(pool, round_id, "p1")
    assert pool.plan(round_id).isolating
    row, _ = run(pool, add(pool, round_id, "Double", demand_percent=(("gloves", 200),)))
    assert (row.state, row.plan_version, row.isolating) == ("solved", 2, True)


def test_a_scenario_without_a_plan_says_why(planned: Any) -> None:
    row, _ = run(planned, add(planned, planned.round_id, "No one", drop_vendors=("best",)))
    assert row.state == "infeasible"
    assert row.explanation
    with pytest.raises(Rejected, match="sells nothing"):
        run(planned, add(planned, planned.round_id, "Nobody", drop_vendors=("nobody",)))
    again = add(planned, planned.round_id, "No one")
    assert planned.desk.one(PurchasingScenario, id=again).state == "waiting"
    assert len(planned.desk.rows(PurchasingScenario)) == 2


def test_a_scenario_needs_locked_demand(pool: Any) -> None:
    with pytest.raises(Conflict, match="locked demand"):
        add(pool, pool.open(), "Early")


def test_choices_are_kept_for_the_same_problem_only(pool: Any) -> None:
    choices = {("p1", "gloves"): ("acme", "gloves")}
    pool.work(lambda s: store.save_checkpoint(s, "r", "d1", choices, pool.now))
    with pool.desk.database.read(pool.mso()) as session:
        assert store.checkpoint(session, "r", "d1") == choices
        assert store.checkpoint(session, "r", "d2") is None
        assert store.checkpoint(session, "r") == choices
