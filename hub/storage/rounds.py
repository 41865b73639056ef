"""Queries on the history of purchasing rounds: steps, participation, plan versions, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import delete, func, select, tuple_

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    PlanAward,
    PlanShare,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingDecision,
    PurchasingExclusion,
    PurchasingParticipation,
    PurchasingPlan,
    PurchasingScenario,
    PurchasingShare,
    PurchasingStep,
    ScenarioShare,
)


def steps_taken(session: ScopedSession, round_id: str) -> int:
    """The number of the last step, 0 before the first."""
    last = select(func.max(PurchasingStep.number)).where(PurchasingStep.round_id == round_id)
    return session.scalar(last) or 0


def last_steps(session: ScopedSession, round_id: str, count: int) -> list[str]:
    """The words of the last steps, newest first."""
    newest = (
        select(PurchasingStep.step)
        .where(PurchasingStep.round_id == round_id)
        .order_by(PurchasingStep.number.desc())
        .limit(count)
    )
    return list(session.scalars(newest))


def steps(session: ScopedSession, round_id: str) -> Sequence[PurchasingStep]:
    return session.scalars(
        select(PurchasingStep)
        .where(PurchasingStep.round_id == round_id)
        .order_by(PurchasingStep.number)
    ).all()


def participation(
    session: ScopedSession, practice_id: str, round_id: str
) -> PurchasingParticipation | None:
    return session.scalar(
        select(PurchasingParticipation).where(
            PurchasingParticipation.practice_id == practice_id,
            PurchasingParticipation.round_id == round_id,
        )
    )


def staying_out(session: ScopedSession, round_id: str) -> set[str]:
    """The practices that do not take part."""
    return set(
        session.scalars(
            select(PurchasingParticipation.practice_id).where(
                PurchasingParticipation.round_id == round_id,
                PurchasingParticipation.takes_part.is_(False),
            )
        )
    )


def exclusions(session: ScopedSession, round_id: str) -> Sequence[PurchasingExclusion]:
    return session.scalars(
        select(PurchasingExclusion)
        .where(PurchasingExclusion.round_id == round_id)
        .order_by(PurchasingExclusion.practice_id, PurchasingExclusion.id)
    ).all()


def plan(session: ScopedSession, round_id: str, version: int) -> PurchasingPlan | None:
    return session.scalar(
        select(PurchasingPlan).where(
            PurchasingPlan.round_id == round_id, PurchasingPlan.version == version
        )
    )


def plans(session: ScopedSession, round_id: str) -> Sequence[PurchasingPlan]:
    """Every version, oldest first."""
    return session.scalars(
        select(PurchasingPlan)
        .where(PurchasingPlan.round_id == round_id)
        .order_by(PurchasingPlan.version)
    ).all()


def plan_share(session: ScopedSession, practice_id: str, plan_id: str) -> PlanShare | None:
    return session.scalar(
        select(PlanShare).where(PlanShare.practice_id == practice_id, PlanShare.plan_id == plan_id)
    )


def shown_groups(session: ScopedSession, round_id: str) -> list[dict[str, Decimal]]:
    """Practice → what it would pay alone, of each plan and scenario of the round whose figures may
    have been shown, those of scenarios that were solved again too."""
    plans_shown = select(PlanShare.plan_id, PlanShare.practice_id, PlanShare.standalone_cost).join(
        PurchasingPlan, PurchasingPlan.id == PlanShare.plan_id
    )
    scenarios_shown = select(
        ScenarioShare.scenario_id, ScenarioShare.practice_id, ScenarioShare.standalone_cost
    ).join(PurchasingScenario, PurchasingScenario.id == ScenarioShare.scenario_id)
    found: dict[str, dict[str, Decimal]] = {}
    for wanted in (
        plans_shown.where(PurchasingPlan.round_id == round_id, ~PurchasingPlan.isolating),
        scenarios_shown.where(
            PurchasingScenario.round_id == round_id, ~PurchasingScenario.isolating
        ),
    ):
        for group, practice, cost in session.execute(wanted):
            found.setdefault(group, {})[practice] = cost or Decimal(0)
    before = select(PurchasingScenario.shown_before).where(PurchasingScenario.round_id == round_id)
    replaced = [
        {practice: Decimal(cost) for practice, cost in group.items()}
        for groups in session.scalars(before)
        for group in groups
    ]
    return [*found.values(), *replaced]


def group_of_plan(session: ScopedSession, plan_id: str) -> dict[str, Decimal]:
    """Practice → what it would pay alone, of one plan."""
    shares = select(PlanShare.practice_id, PlanShare.standalone_cost).where(
        PlanShare.plan_id == plan_id
    )
    return {practice: cost or Decimal(0) for practice, cost in session.execute(shares)}


def plan_awards(session: ScopedSession, plan_id: str) -> Sequence[PlanAward]:
    return session.scalars(
        select(PlanAward)
        .where(PlanAward.plan_id == plan_id)
        .order_by(PlanAward.practice_id, PlanAward.item_id)
    ).all()


def last_decisions(session: ScopedSession, round_id: str) -> dict[str, PurchasingDecision]:
    """The last decision of each practice on any version."""
    rows = session.scalars(
        select(PurchasingDecision)
        .where(PurchasingDecision.round_id == round_id)
        .order_by(
            PurchasingDecision.plan_version, PurchasingDecision.decided_at, PurchasingDecision.id
        )
    )
    return {row.practice_id: row for row in rows}


def drop_proposal(session: ScopedSession, round_id: str) -> None:
    """Remove the orders that a plan proposes and the shares practices would approve; the versions
    of the plan stay."""
    proposed = select(PurchaseOrder.practice_id, PurchaseOrder.id).where(
        PurchaseOrder.round_id == round_id, PurchaseOrder.status == "proposed"
    )
    line = tuple_(PurchaseOrderLine.practice_id, PurchaseOrderLine.order_id)
    session.execute(
        delete(PurchaseOrderLine)
        .where(line.in_(proposed))
        .execution_options(synchronize_session="fetch")
    )
    session.execute(
        delete(PurchaseOrder).where(
            PurchaseOrder.round_id == round_id, PurchaseOrder.status == "proposed"
        )
    )
    session.execute(delete(PurchasingShare).where(PurchasingShare.round_id == round_id))
