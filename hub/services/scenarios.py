"""Scenarios: named changes over a round's locked demand, each solved by a job of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from hub.domain.jobs import Job
from hub.domain.purchasing.plan import Plan, to_result
from hub.domain.purchasing.rounds import RoundStatus
from hub.domain.purchasing.scenarios import (
    Changes,
    apply_changes,
    changes_from_json,
    changes_to_json,
    in_words,
)
from hub.errors import Conflict, NotFound, Rejected
from hub.services.frozen import freeze_if_needed
from hub.services.plans import NOTHING_FOUND, figures_of, is_shown, isolating
from hub.services.problems import (
    RoundProblem,
    demand_digest,
    in_names,
    load_problem,
    names_of,
)
from hub.storage import purchasing, queue
from hub.storage import rounds as plans
from hub.storage import scenarios as store
from hub.storage.session import ScopedSession
from hub.storage.tables import Item, PurchasingScenario, ScenarioShare, new_id

LONGEST_NAME = 100
WITH_DEMAND = frozenset(RoundStatus) - {RoundStatus.OPEN, RoundStatus.CANCELLED}


def add_scenario(
    session: ScopedSession,
    *,
    round_id: str,
    name: str,
    changes: Changes,
    by: str,
    now: datetime,
) -> tuple[str, int]:
    """Name a what-if and add the job that solves it; the same name again replaces it.

    Returns its id and the job's. Conflict while the round's demand may still change.
    """
    row = purchasing.get_round(session, round_id)
    if row is None:
        raise NotFound(sought=round_id)
    if row.status not in WITH_DEMAND:
        raise Conflict("A scenario needs the locked demand of a round.")
    freeze_if_needed(session, row, now)
    if not 1 <= len(name.strip()) <= LONGEST_NAME:
        raise Rejected(f"A name has 1 to {LONGEST_NAME} characters.", path="name")
    names = {supplier.id: supplier.name for supplier in purchasing.suppliers(session)}
    for each in changes.offer_tiers:
        item = session.get(Item, each.item)
        names[each.item] = item.name if item else each.item
    scenario = store.by_name(session, round_id, name.strip())
    if scenario is None:
        scenario = PurchasingScenario(
            id=new_id(), round_id=round_id, name=name.strip(), changes={}, created_at=now
        )
        session.add(scenario)
    scenario.changes = changes_to_json(changes)
    scenario.summary = in_words(changes, names)
    scenario.state, scenario.created_by, scenario.solved_at = "waiting", by, None
    session.flush()
    job_id = queue.add(
        session,
        Job.SOLVE_SCENARIO,
        {"scenario_id": scenario.id},
        now=now,
        unique_key=solve_key(scenario.id),
        max_attempts=3,
    )
    return scenario.id, job_id


def load_scenario(
    session: ScopedSession, *, scenario_id: str, on: date, seconds: float, gap: int
) -> tuple[RoundProblem, Mapping[tuple[str, str], tuple[str, str]] | None]:
    """The changed problem of a scenario, and the choices of the round's plan to begin from.

    Raises NotFound, or Rejected where a change names nothing of the round.
    """
    row = session.get(PurchasingScenario, scenario_id)
    if row is None:
        raise NotFound
    problem = load_problem(session, round_id=row.round_id, on=on, seconds=seconds, gap=gap)
    changed = apply_changes(problem.instance, changes_from_json(row.changes))
    start = store.checkpoint(session, scenario_id, demand_digest(changed))
    return (
        RoundProblem(changed, problem.offers),
        start or store.checkpoint(session, row.round_id),
    )


def save_scenario(
    session: ScopedSession, *, scenario_id: str, plan: Plan, problem: RoundProblem, now: datetime
) -> None:
    """Keep what a scenario came to, beside the round's plan of this moment. Its figures are not
    shown to whom those of the plan are not, as it names the difference."""
    row = session.get_one(PurchasingScenario, scenario_id)
    # Locked, as what is solved at the same time shows figures to compare with as well.
    round_ = purchasing.get_round(session, row.round_id, locked=True)
    base = None if round_ is None else plans.plan(session, row.round_id, round_.plan_version)
    store.drop_shares(session, row)
    row.solved_at, row.solver_status = now, plan.status
    row.demand_digest, row.document = demand_digest(problem.instance), to_result(plan)
    row.plan_version = 0 if base is None else base.version
    row.base_cost = None if base is None else base.pooled_cost
    for name, value in figures_of(plan).items():
        if name != "greedy_cost":
            setattr(row, name, value)
    row.isolating = isolating(session, row.round_id, plan) or not (
        base is None or is_shown(session, base)
    )
    row.explanation = ""
    row.difference, row.suppliers, row.orders = None, None, None
    if plan.cost is None:
        row.state = "infeasible" if plan.status == "infeasible" else "failed"
        names = names_of(session, problem)
        row.explanation = in_names(plan.infeasible_because, names) or NOTHING_FOUND
        return
    row.state = "solved"
    row.suppliers, row.orders = len({o.vendor for o in plan.orders}), len(plan.orders)
    if row.base_cost is not None and row.pooled_cost is not None:
        row.difference = row.pooled_cost - row.base_cost
    session.add_all(
        ScenarioShare(
            practice_id=share.practice,
            scenario_id=scenario_id,
            standalone_cost=_amount(share.alone),
            pays=_amount(share.pays),
            saving=_amount(share.saving),
        )
        for share in plan.shares
    )


def fail_scenario(session: ScopedSession, *, scenario_id: str, why: str) -> None:
    """The scenario was not solved; `why` is a sentence. Nothing if it is over anyway."""
    row = session.get(PurchasingScenario, scenario_id)
    if row is not None and row.state == "waiting":
        row.state, row.explanation = "failed", why


def wait_again(session: ScopedSession, *, scenario_id: str) -> None:
    """A dead solve of the scenario is tried again."""
    session.get_one(PurchasingScenario, scenario_id).state = "waiting"


def ask_to_stop(session: ScopedSession, *, scenario_id: str, now: datetime) -> int | None:
    """Stop the solve of a scenario, which then says so; returns the job, None if there is none.
    Conflict unless it waits for its solve."""
    row = session.get(PurchasingScenario, scenario_id, with_for_update=True)
    if row is None:
        raise NotFound(sought=scenario_id)
    if row.state != "waiting":
        raise Conflict(f"The scenario is {row.state}; there is nothing to stop.")
    job_id, runs = queue.ask_to_stop(session, solve_key(scenario_id), now=now)
    if not runs:
        fail_scenario(session, scenario_id=scenario_id, why="It was stopped before it was solved.")
    return job_id


def solve_key(scenario_id: str) -> str:
    """The unique key of the job that solves a scenario."""
    return f"scenario:{scenario_id}"


def _amount(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents).scaleb(-2)
