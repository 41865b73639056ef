"""The plan of a round: the problem it solves, its versions, and the orders it proposes.

Each solve gives a version that is kept for good, with the digest that approvals name.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import insert

from hub.domain.jobs import Job
from hub.domain.purchasing.plan import Award, Plan, to_result
from hub.domain.purchasing.rounds import RoundStatus, Step
from hub.domain.small_groups import is_large_enough, isolates
from hub.errors import Conflict
from hub.services.approvals import carry_over
from hub.services.problems import RoundProblem, demand_digest, in_names, names_of
from hub.services.round_savings import keep_rates
from hub.services.rounds import locked_round, take
from hub.services.savings import fix_baselines
from hub.storage import purchasing, queue
from hub.storage import rounds as store
from hub.storage.scenarios import save_checkpoint
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    PlanAward,
    PlanShare,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingPlan,
    PurchasingRound,
    PurchasingShare,
    new_id,
)

NOTHING_FOUND = "No allowed plan was found in the time given; run the round again."


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a plan's document in its canonical form; the time it took does not count."""
    counted = {key: value for key, value in document.items() if key != "seconds"}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def save_plan(
    session: ScopedSession, *, round_id: str, plan: Plan, problem: RoundProblem, now: datetime
) -> None:
    """Keep a solved plan as the round's next version: figures, shares, awards, proposed orders.

    Practices approve the new version. Only where it was made because others were left out, an
    approval carries over if it still holds (`rounds.still_holds`). Nothing is kept if the round was
    reopened or ended meanwhile.
    """
    row = locked_round(session, round_id)
    if row.status != RoundStatus.SOLVING:
        return
    before = store.plan(session, round_id, row.plan_version)
    without_some = store.last_steps(session, round_id, 2) == [Step.SOLVE, Step.LEAVE_OUT]
    version = _keep_version(session, row, plan, problem, now)
    row.isolating = version.isolating
    row.solved_at, row.solver_status = now, plan.status
    row.explanation = version.explanation
    store.drop_proposal(session, round_id)
    for name in ("pooled_cost", "lower_bound", "standalone_cost", "greedy_cost", "gap"):
        setattr(row, name, getattr(version, name))
    if plan.cost is None:
        take(session, row, Step.FIND_NO_PLAN, why=row.explanation[:500], now=now)
        return
    for share in plan.shares:
        figures = {
            "standalone_cost": _amount(share.alone),
            "pays": _amount(share.pays),
            "saving": _amount(share.saving),
        }
        session.add(PurchasingShare(practice_id=share.practice, round_id=round_id, **figures))
        session.add(PlanShare(practice_id=share.practice, plan_id=version.id, **figures))
    session.flush()
    if plan.awards:
        session.execute(insert(PlanAward), _awards(version, plan.awards, problem))
    choices = {(a.practice, a.item): a.source for a in plan.awards}
    save_checkpoint(session, round_id, version.demand_digest, choices, now)
    _propose_orders(session, round_id, plan, problem, now)
    take(session, row, Step.KEEP_PLAN, now=now)
    if before is not None and without_some:
        carry_over(session, row, before, version, now=now)


def _keep_version(
    session: ScopedSession, row: PurchasingRound, plan: Plan, problem: RoundProblem, now: datetime
) -> PurchasingPlan:
    document = to_result(plan)
    row.plan_version += 1
    row.plan_digest = digest_of(document)
    why = ""
    if plan.cost is None:
        names = names_of(session, problem)
        why = in_names(plan.infeasible_because, names) or NOTHING_FOUND
    version = PurchasingPlan(
        id=new_id(),
        round_id=row.id,
        version=row.plan_version,
        digest=row.plan_digest,
        demand_digest=demand_digest(problem.instance),
        solver_status=plan.status,
        explanation=why,
        isolating=isolating(session, row.id, plan),
        coalitions=None if plan.sampled is None else plan.sampled.coalitions,
        better_alone=None if plan.sampled is None else len(plan.sampled.better_alone),
        document=document,
        created_at=now,
        **figures_of(plan),
    )
    session.add(version)
    session.flush()
    return version


def isolating(session: ScopedSession, round_id: str, plan: Plan) -> bool:
    """True if the figures of a plan beside those of the round shown before tell of a practice."""
    alone = {share.practice: _amount(share.alone) or Decimal(0) for share in plan.shares}
    return isolates(store.shown_groups(session, round_id), alone)


def is_shown(session: ScopedSession, version: PurchasingPlan) -> bool:
    """Whether the figures of a kept plan are shown to whoever does not see all its practices."""
    group = store.group_of_plan(session, version.id)
    return not version.isolating and is_large_enough(group.values())


def figures_of(plan: Plan) -> dict[str, Decimal | None]:
    """The figures of a plan as its row keeps them."""
    return {
        "standalone_cost": _amount(plan.baselines.alone),
        "greedy_cost": _amount(plan.baselines.greedy),
        "pooled_cost": None if plan.cost is None else _amount(plan.invoiced),
        "lower_bound": _amount(plan.lower_bound),
        "gap": None if plan.gap is None else Decimal(repr(round(plan.gap, 8))),
    }


def _awards(
    version: PurchasingPlan, awards: Sequence[Award], problem: RoundProblem
) -> list[dict[str, Any]]:
    return [
        {
            "practice_id": award.practice,
            "id": new_id(),
            "plan_id": version.id,
            "item_id": award.item,
            "supplier_id": award.vendor,
            "offer_id": problem.offers[award.offer].offer_id,
            "packs": award.packs,
            "units": award.units,
            "price": _amount(award.price),
            "amount": _amount(award.amount),
        }
        for award in awards
    ]


def _propose_orders(
    session: ScopedSession, round_id: str, plan: Plan, problem: RoundProblem, now: datetime
) -> None:
    awards: dict[tuple[str, str], list[Award]] = {}
    for award in plan.awards:
        awards.setdefault((award.practice, award.vendor), []).append(award)
    orders: list[dict[str, Any]] = [
        {
            "practice_id": order.practice,
            "id": new_id(),
            "round_id": round_id,
            "supplier_id": order.vendor,
            "number": f"PO{now:%y%m%d}{secrets.token_hex(6).upper()}",
            "status": "proposed",
            "ordered_on": now.date(),
            "goods": _amount(order.goods),
            "shipping": _amount(order.shipping),
            "total": _amount(order.goods + order.shipping),
            "created_at": now,
        }
        for order in plan.orders
    ]
    if orders:
        session.execute(insert(PurchaseOrder), orders)
        lines = [
            line
            for order in orders
            for line in _lines(order, awards[order["practice_id"], order["supplier_id"]], problem)
        ]
        session.execute(insert(PurchaseOrderLine), lines)


def _lines(
    order: Mapping[str, Any], awards: Sequence[Award], problem: RoundProblem
) -> Iterator[dict[str, Any]]:
    for number, award in enumerate(awards, start=1):
        offer = problem.offers[award.offer]
        yield {
            "practice_id": order["practice_id"],
            "id": new_id(),
            "order_id": order["id"],
            "number": number,
            "item_id": offer.item_id,
            "offer_id": offer.offer_id,
            "vendor_part": offer.vendor_part,
            "packs": award.packs,
            "units": award.units,
            "price": _amount(award.price),
            "amount": _amount(award.amount),
        }


def release_orders(session: ScopedSession, *, round_id: str, now: datetime) -> int:
    """Send the orders on their way once every practice has approved; returns how many were
    released. Conflict, and nothing is sent, if what was approved is not what is stored."""
    row = locked_round(session, round_id)
    shares = purchasing.shares(session, round_id)
    if row.status != RoundStatus.SOLVED or any(share.approved_at is None for share in shares):
        return 0
    orders = [o for o in purchasing.orders(session, round_id) if o.status == "proposed"]
    _require_as_approved(session, row, orders)
    take(session, row, Step.APPROVE, why="Every practice has approved its lines.", now=now)
    row.approved_at = now
    for order in orders:
        order.status = "requested"
    session.flush()
    jobs = [
        queue.NewJob(
            Job.PLACE_ORDER,
            {"practice_id": order.practice_id, "order_id": order.id},
            practice_id=order.practice_id,
            lanes=[f"supplier:{order.supplier_id}"],
            unique_key=f"order:{order.id}",
        )
        for order in orders
    ]
    queue.add_many(session, jobs, now=now)
    keep_rates(session, row)
    fix_baselines(session, orders, now)
    take(session, row, Step.RELEASE_ORDERS, now=now)
    return len(orders)


def _require_as_approved(
    session: ScopedSession, row: PurchasingRound, orders: Sequence[PurchaseOrder]
) -> None:
    """The plan still has its digest, each practice's last decision names it, and the orders are its
    awards to the cent."""
    plan = store.plan(session, row.id, row.plan_version)
    if plan is None or not plan.digest == row.plan_digest == digest_of(plan.document):
        raise Conflict("The stored plan is not the one that was approved; run the round again.")
    decisions = store.last_decisions(session, row.id)
    goods: dict[tuple[str, str], Decimal] = {}
    for award in store.plan_awards(session, plan.id):
        key = (award.practice_id, award.supplier_id)
        goods[key] = goods.get(key, Decimal(0)) + award.amount
    for share in purchasing.shares(session, row.id):
        decision = decisions.get(share.practice_id)
        if decision is None or decision.plan_digest != plan.digest:
            raise Conflict("A practice approved another version of the plan.")
    if {(o.practice_id, o.supplier_id): o.goods for o in orders} != goods:
        raise Conflict("The proposed orders are not those of the approved plan; run it again.")


def _amount(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents).scaleb(-2)
