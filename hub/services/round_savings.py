"""Savings of a round per practice with freight and rebates counted: planned and realised."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy import insert

from hub.domain.purchasing.savings import CENT, NOTHING
from hub.storage import purchasing, round_offers, rounds
from hub.storage import savings as store
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchaseOrder, PurchasingRound, RoundSaving, Saving, new_id

NEVER_SENT = frozenset({"proposed", "cancelled", "rejected"})


def keep_rates(session: ScopedSession, row: PurchasingRound) -> None:
    """Keep the rebate rates of the plan that is ordered, by supplier."""
    plan = rounds.plan(session, row.id, row.plan_version)
    found = [] if plan is None else plan.document["rebates"]
    rates = {each["vendor"]: Decimal(each["rate"]) for each in found}
    for terms in round_offers.terms(session, row.id):
        terms.plan_rate = rates.get(terms.supplier_id)
    session.flush()


def sum_up(session: ScopedSession, round_id: str, practices: Sequence[str], now: datetime) -> None:
    """Derive the savings of some practices anew from their orders, shares and savings."""
    rates = {t.supplier_id: t.plan_rate or NOTHING for t in round_offers.terms(session, round_id)}
    pays = {share.practice_id: share.pays for share in purchasing.shares(session, round_id)}
    sums: dict[str, list[Saving]] = {practice: [] for practice in practices}
    for saving in store.savings_of_round(session, round_id):
        if saving.practice_id in sums:
            sums[saving.practice_id].append(saving)
    placed: dict[str, list[PurchaseOrder]] = {practice: [] for practice in practices}
    for order in purchasing.orders(session, round_id):
        if order.practice_id in placed:
            placed[order.practice_id].append(order)
    store.drop_round_savings(session, round_id, practices)
    rows = [
        _row(practice, round_id, placed[practice], sums[practice], pays.get(practice), rates)
        for practice in practices
        if sums[practice]
    ]
    if rows:
        session.execute(insert(RoundSaving), [{**row, "reported_at": now} for row in rows])


def _row(
    practice: str,
    round_id: str,
    orders: Sequence[PurchaseOrder],
    savings: Sequence[Saving],
    pays: Decimal | None,
    rates: dict[str, Decimal],
) -> dict[str, object]:
    sent = [order for order in orders if order.status not in NEVER_SENT]
    of_the_plan = sum((o.total for o in orders if o.replan == 0), NOTHING)
    baseline, goods, invoiced_baseline, invoiced = (
        sum((getattr(each, name) for each in savings), NOTHING)
        for name in ("baseline", "planned", "invoiced_baseline", "invoiced")
    )
    freight = sum((order.shipping for order in sent), NOTHING)
    returned = NOTHING if pays is None else of_the_plan - pays
    planned = goods + freight - returned
    asked = sum((order.invoiced_freight for order in orders), NOTHING)
    accrued = (each.invoiced * rates.get(each.supplier_id, NOTHING) for each in savings)
    rebates = sum(accrued, NOTHING).quantize(CENT, ROUND_HALF_EVEN)
    return {
        "practice_id": practice,
        "id": new_id(),
        "round_id": round_id,
        "baseline": baseline,
        "goods": goods,
        "freight": freight,
        "returned": returned,
        "planned": planned,
        "planned_saving": baseline - planned,
        "invoiced_baseline": invoiced_baseline,
        "invoiced": invoiced,
        "invoiced_freight": asked,
        "rebates": rebates,
        "realised_saving": invoiced_baseline - invoiced - asked + rebates,
    }
