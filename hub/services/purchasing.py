"""The purchasing round: open, requisitions, lock, plan, approval, release of the orders.

The MSO proposes; each practice approves its own lines, unless its agreement delegates that to the
MSO. Nothing leaves the hub before every practice with lines has approved, because the tiers of one
depend on the volume of all.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import delete

from hub.domain.jobs import Job
from hub.domain.purchasing import instance as model
from hub.domain.purchasing.plan import Award, Plan, to_result
from hub.errors import Conflict, Forbidden, NotFound, Rejected
from hub.storage import purchasing, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    Offer,
    OfferTier,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    PurchasingShare,
    Requisition,
    RequisitionLine,
    Supplier,
    new_id,
)

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class RoundProblem:
    """The instance of a round and, per (vendor, item), the stored offer behind it."""

    instance: model.Instance
    offers: dict[tuple[str, str], Offer]


def open_round(session: ScopedSession, *, name: str, now: datetime) -> str:
    """Open a round; Conflict if one of this name exists."""
    if not name.strip():
        raise Rejected("A round needs a name.", reason="required", path="name")
    row = PurchasingRound(id=new_id(), name=name.strip(), opened_at=now)
    if purchasing.round_by_name(session, row.name) is not None:
        raise Conflict("There is a purchasing round of this name already.")
    session.add(row)
    session.flush()
    return row.id


def submit_requisition(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    lines: Sequence[tuple[str, int]],
    by: str,
    now: datetime,
) -> str:
    """State what a practice needs, as (item id, base units); replaces what it stated before.

    Raises NotFound for an unknown round or item, Conflict once the round is locked, Rejected for an
    empty list, a repeated item or a quantity below one.
    """
    if _round(session, round_id).status != "open":
        raise Conflict("The round is locked; requisitions can no longer change.")
    wanted = dict(lines)
    if not lines or len(wanted) != len(lines) or min(wanted.values()) < 1:
        raise Rejected(
            "A requisition needs lines, each item once, with at least one unit.",
            reason="lines",
            path="lines",
        )
    if len(purchasing.items(session, list(wanted))) != len(wanted):
        raise NotFound
    row = purchasing.requisition(session, practice_id, round_id)
    if row is None:
        row = Requisition(id=new_id(), practice_id=practice_id, round_id=round_id)
        session.add(row)
    row.status, row.submitted_at, row.submitted_by = "submitted", now, by
    session.flush()
    session.execute(
        delete(RequisitionLine).where(
            RequisitionLine.practice_id == practice_id,
            RequisitionLine.requisition_id == row.id,
        )
    )
    session.add_all(
        RequisitionLine(
            practice_id=practice_id, requisition_id=row.id, item_id=item_id, units=units
        )
        for item_id, units in lines
    )
    session.flush()
    return row.id


def run_round(session: ScopedSession, *, round_id: str, now: datetime) -> int:
    """Lock the round and add the job that solves it; Conflict once it is approved or ordered."""
    row = _round(session, round_id)
    if row.status in {"approved", "ordered", "cancelled"}:
        raise Conflict(f"The round is {row.status}; open a new one.")
    row.status = "solving"
    row.locked_at = row.locked_at or now
    return queue.add(
        session,
        Job.SOLVE_ROUND,
        {"round_id": round_id},
        now=now,
        unique_key=f"solve:{round_id}",
        max_attempts=3,
    )


def load_problem(
    session: ScopedSession, *, round_id: str, on: date, seconds: float, gap: int
) -> RoundProblem:
    """The round as a purchasing instance with the offers valid on a day. Units are base units.

    Raises Rejected (one sentence) if the demand or the offers do not make sense together.
    """
    demand = purchasing.demand(session, round_id)
    items = purchasing.items(session, sorted({item for _, item, _ in demand}))
    offers: dict[tuple[str, str], Offer] = {}
    rows = []
    for offer, tiers in purchasing.offers(session, [item.id for item in items], on):
        if (offer.supplier_id, offer.item_id) not in offers:
            offers[offer.supplier_id, offer.item_id] = offer
            rows.append(_offer(offer, tiers))
    practice_ids = sorted({practice for practice, _, _ in demand})
    selling = {offer.vendor for offer in rows}
    instance = model.Instance(
        practices=tuple(
            model.Practice(p.id, p.name) for p in purchasing.practices(session, practice_ids)
        ),
        items=tuple(_item(item) for item in items),
        demand=tuple(model.Demand(*line) for line in demand),
        vendors=tuple(_vendor(v) for v in purchasing.suppliers(session) if v.id in selling),
        offers=tuple(rows),
        limits=model.Limits(seconds=seconds, gap=gap),
    )
    return RoundProblem(instance, offers)


def save_plan(
    session: ScopedSession, *, round_id: str, plan: Plan, problem: RoundProblem, now: datetime
) -> None:
    """Store a solved plan: figures and proof, shares, proposed orders; replaces an earlier plan."""
    row = _round(session, round_id)
    row.solved_at, row.solver_status = now, plan.status
    row.plan_version += 1
    row.plan = to_result(plan)
    if plan.cost is None:
        row.status, row.explanation = "infeasible", " ".join(plan.infeasible_because)
        return
    row.status, row.explanation = "solved", ""
    row.pooled_cost = _amount(plan.invoiced)
    row.lower_bound = _amount(plan.lower_bound)
    row.standalone_cost = _amount(plan.baselines.alone)
    row.greedy_cost = _amount(plan.baselines.greedy)
    row.gap = None if plan.gap is None else Decimal(repr(round(plan.gap, 8)))
    _replace_shares(session, round_id, plan)
    _replace_orders(session, round_id, plan, problem, now)


def _replace_shares(session: ScopedSession, round_id: str, plan: Plan) -> None:
    session.execute(delete(PurchasingShare).where(PurchasingShare.round_id == round_id))
    session.add_all(
        PurchasingShare(
            practice_id=share.practice,
            round_id=round_id,
            standalone_cost=_amount(share.alone),
            pays=_amount(share.pays),
            saving=_amount(share.saving),
        )
        for share in plan.shares
    )


def _replace_orders(
    session: ScopedSession, round_id: str, plan: Plan, problem: RoundProblem, now: datetime
) -> None:
    for earlier in purchasing.orders(session, round_id):
        for line in purchasing.order_lines(session, earlier):
            session.delete(line)
        session.flush()
        session.delete(earlier)
    session.flush()
    for order in plan.orders:
        awards = [
            award
            for award in plan.awards
            if award.practice == order.practice and award.vendor == order.vendor
        ]
        row = PurchaseOrder(
            id=new_id(),
            practice_id=order.practice,
            round_id=round_id,
            supplier_id=order.vendor,
            number=f"PO{now:%y%m%d}{secrets.token_hex(4).upper()}",
            status="proposed",
            ordered_on=now.date(),
            goods=_amount(order.goods),
            shipping=_amount(order.shipping),
            total=_amount(order.goods + order.shipping),
            created_at=now,
        )
        session.add(row)
        session.flush()
        session.add_all(_lines(row, awards, problem))


def _lines(
    order: PurchaseOrder, awards: Sequence[Award], problem: RoundProblem
) -> list[PurchaseOrderLine]:
    rows = []
    for number, award in enumerate(awards, start=1):
        offer = problem.offers[award.vendor, award.offer_item]
        rows.append(
            PurchaseOrderLine(
                practice_id=order.practice_id,
                order_id=order.id,
                number=number,
                item_id=award.offer_item,
                offer_id=offer.id,
                vendor_part=offer.vendor_part,
                packs=award.packs,
                units=award.units,
                price=_amount(award.price),
                amount=_amount(award.amount),
            )
        )
    return rows


def approve_round(
    session: ScopedSession, *, round_id: str, plan_version: int, by: str, now: datetime
) -> list[str]:
    """Approve the lines this principal may decide on; returns the practices approved now.

    A practice approves its own; an MSO app only for practices whose agreement delegates it (the
    decision on supplies is the practice's). `plan_version` is the plan that was seen. Raises
    Forbidden if there is nothing it may decide on, Conflict if the round has no plan to approve or
    another one by now.
    """
    row = _round(session, round_id, locked=True)
    if row.status not in {"solved", "approved", "ordered"}:
        raise Conflict("The round has no plan to approve; run it first.")
    if row.plan_version != plan_version:
        raise Conflict("The round has another plan by now; look at it before you approve.")
    scope = session.scope
    allowed = {scope.own_practice_id} if scope.own_practice_id else set(scope.delegated_approval)
    mine = [s for s in purchasing.shares(session, round_id) if s.practice_id in allowed]
    if not mine:
        raise Forbidden("You may not approve lines of this round; each practice approves its own.")
    approved = [share for share in mine if share.approved_at is None]
    for share in approved:
        share.approved_at, share.approved_by = now, by
    queue.add(session, Job.RELEASE_ORDERS, {"round_id": round_id}, now=now)
    return sorted(share.practice_id for share in approved)


def release_orders(session: ScopedSession, *, round_id: str, now: datetime) -> int:
    """Send the orders on their way once every practice has approved; returns how many were
    released."""
    row = _round(session, round_id)
    shares = purchasing.shares(session, round_id)
    if row.status != "solved" or any(share.approved_at is None for share in shares):
        return 0
    row.status, row.approved_at = "ordered", now
    orders = [o for o in purchasing.orders(session, round_id) if o.status == "proposed"]
    for order in orders:
        order.status = "requested"
        queue.add(
            session,
            Job.PLACE_ORDER,
            {"practice_id": order.practice_id, "order_id": order.id},
            now=now,
            practice_id=order.practice_id,
            lanes=[f"supplier:{order.supplier_id}"],
            unique_key=f"order:{order.id}",
        )
    return len(orders)


def _round(session: ScopedSession, round_id: str, *, locked: bool = False) -> PurchasingRound:
    row = purchasing.get_round(session, round_id, locked=locked)
    if row is None:
        raise NotFound
    return row


def _item(item: Item) -> model.Item:
    return model.Item(item.id, item.category)


def _offer(offer: Offer, tiers: Sequence[OfferTier]) -> model.Offer:
    return model.Offer(
        vendor=offer.supplier_id,
        item=offer.item_id,
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
