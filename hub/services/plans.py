"""The plan of a round: the problem it solves, its versions, and the orders it proposes.

Each solve gives a version that is kept for good, with the digest that approvals name.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import insert

from hub.domain.content import content_hash
from hub.domain.jobs import Job
from hub.domain.purchasing import instance as model
from hub.domain.purchasing.plan import Award, Plan, to_result
from hub.domain.purchasing.rounds import RoundStatus, Step
from hub.errors import Conflict
from hub.services.approvals import carry_over
from hub.services.rounds import locked_round, take, terms_of
from hub.services.savings import fix_baselines
from hub.storage import purchasing, queue
from hub.storage import rounds as store
from hub.storage.scenarios import save_checkpoint
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Offer,
    OfferTier,
    PlanAward,
    PlanShare,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingPlan,
    PurchasingRound,
    PurchasingShare,
    Supplier,
    new_id,
)

MILLION = 1_000_000
NOTHING_FOUND = "No allowed plan was found in the time given; run the round again."


@dataclass(frozen=True, slots=True)
class RoundProblem:
    """The instance of a round and, per (vendor, item) of it, the stored offer behind it.

    A vendor's second offer of an item stands in the instance as an item of its own, equivalent to
    the one demanded: its tiers count its own packs only.
    """

    instance: model.Instance
    offers: dict[tuple[str, str], Offer] = field(default_factory=dict)


def load_problem(
    session: ScopedSession, *, round_id: str, on: date, seconds: float, gap: int
) -> RoundProblem:
    """The round as a purchasing instance with the offers valid on a day. Units are base units.

    Left out: practices that do not take part, items they excluded, categories the round does not
    buy. Raises Rejected (one sentence) if demand and offers do not make sense together.
    """
    demand = _demand(session, round_id)
    items = purchasing.items(session, sorted({line.item for line in demand}))
    offers: dict[tuple[str, str], Offer] = {}
    rows = []
    further: dict[str, list[str]] = {}
    for offer, tiers in purchasing.offers(session, [item.id for item in items], on, round_id):
        key, count = offer.item_id, 1
        while (offer.supplier_id, key) in offers:
            count += 1
            key = f"{offer.item_id}/{count}"
        if key != offer.item_id and key not in further.setdefault(offer.item_id, []):
            further[offer.item_id].append(key)
        offers[offer.supplier_id, key] = offer
        rows.append(_offer(offer, key, tiers))
    known = {item.id: item.category for item in items}
    selling = {offer.vendor for offer in rows}
    practices = sorted({line.practice for line in demand})
    instance = model.Instance(
        practices=tuple(
            model.Practice(p.id, p.name) for p in purchasing.practices(session, practices)
        ),
        items=(
            *(
                model.Item(item.id, item.category, tuple(further.get(item.id, ())))
                for item in items
            ),
            *(model.Item(key, known[item]) for item, keys in further.items() for key in keys),
        ),
        demand=tuple(demand),
        vendors=tuple(_vendor(v) for v in purchasing.suppliers(session) if v.id in selling),
        offers=tuple(rows),
        rules=model.Rules(forbid=_forbidden(session, round_id, set(practices), selling)),
        limits=model.Limits(seconds=seconds, gap=gap),
    )
    return RoundProblem(instance, offers)


def _demand(session: ScopedSession, round_id: str) -> list[model.Demand]:
    row = session.get_one(PurchasingRound, round_id)
    terms, out = terms_of(row), store.staying_out(session, round_id)
    excluded = {(each.practice_id, each.item_id) for each in store.exclusions(session, round_id)}
    lines = [
        model.Demand(*line)
        for line in purchasing.demand(session, round_id)
        if line[0] not in out and line[:2] not in excluded
    ]
    items = purchasing.items(session, sorted({line.item for line in lines}))
    bought = {item.id for item in items if terms.buys(item.category)}
    return [line for line in lines if line.item in bought]


def _forbidden(
    session: ScopedSession, round_id: str, practices: set[str], selling: set[str]
) -> tuple[model.Forbidden, ...]:
    return tuple(
        model.Forbidden(each.practice_id, each.supplier_id)
        for each in store.exclusions(session, round_id)
        if each.supplier_id in selling and each.practice_id in practices
    )


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a plan's document in its canonical form; the time it took does not count."""
    counted = {key: value for key, value in document.items() if key != "seconds"}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def demand_digest(instance: model.Instance) -> str:
    """The hash of what was to be solved, without the solver's limits."""
    parts = (
        instance.practices,
        instance.items,
        instance.demand,
        instance.vendors,
        instance.offers,
        instance.rules,
        instance.currency,
    )
    return content_hash(parts)


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
    choices = {(a.practice, a.item): (a.vendor, a.offer_item) for a in plan.awards}
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
    why = " ".join(plan.infeasible_because)
    if plan.cost is None and plan.status != "infeasible":
        why = NOTHING_FOUND
    version = PurchasingPlan(
        id=new_id(),
        round_id=row.id,
        version=row.plan_version,
        digest=row.plan_digest,
        demand_digest=demand_digest(problem.instance),
        solver_status=plan.status,
        explanation=why,
        document=document,
        created_at=now,
        **figures_of(plan),
    )
    session.add(version)
    session.flush()
    return version


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
            "offer_id": problem.offers[award.vendor, award.offer_item].id,
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
        offer = problem.offers[award.vendor, award.offer_item]
        yield {
            "practice_id": order["practice_id"],
            "id": new_id(),
            "order_id": order["id"],
            "number": number,
            "item_id": offer.item_id,
            "offer_id": offer.id,
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


def _offer(offer: Offer, key: str, tiers: Sequence[OfferTier]) -> model.Offer:
    return model.Offer(
        vendor=offer.supplier_id,
        item=key,
        pack_units=offer.pack_units,
        tiers=tuple(model.Tier(tier.from_packs, _cents(tier.price)) for tier in tiers),
        max_packs=offer.max_packs,
        multiple=offer.multiple,
        tier_type="incremental" if offer.tier_type == "incremental" else "all_units",
    )


def _vendor(supplier: Supplier) -> model.Vendor:
    free_from = supplier.free_shipping_from
    return model.Vendor(
        id=supplier.id,
        min_order=_cents(supplier.min_order),
        shipping=model.Shipping(
            _cents(supplier.shipping_fee), None if free_from is None else _cents(free_from)
        ),
        spend_rebates=tuple(
            model.SpendRebate(_cents(Decimal(start)), int(Decimal(rate) * MILLION))
            for start, rate in supplier.rebates.get("levels", ())
        ),
        related_party=supplier.related_party,
    )


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _amount(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents).scaleb(-2)
