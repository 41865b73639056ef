"""Savings of a round: the baseline fixed when orders leave, the rest from invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import insert

from hub.domain.purchasing.savings import NOTHING, Baseline, at_baseline, baseline_of, shared_out
from hub.domain.supply_facts import WHOLE_ORDER, Fact, merge
from hub.services import round_savings
from hub.storage import orders, purchasing
from hub.storage import savings as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    PricePoint,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    Saving,
    SavingLine,
    new_id,
)

YEAR = timedelta(days=365)


def fix_baselines(session: ScopedSession, placed: Sequence[PurchaseOrder], now: datetime) -> None:
    """Fix the baseline of each line of orders of one round that leave now; what is fixed stays."""
    if not placed:
        return
    by_id = {order.id: order for order in placed}
    known = store.fixed_lines(session, list(by_id))
    lines = [
        line
        for line in store.lines_of_orders(session, list(by_id))
        if (line.order_id, line.number) not in known
    ]
    if not lines:
        return
    opened = session.get_one(PurchasingRound, placed[0].round_id).opened_at.date()
    practices = sorted({order.practice_id for order in placed})
    own = store.own_prices(session, practices, opened - YEAR, opened)
    items = sorted({line.item_id for line in lines})
    first = _first_prices(session, items, placed[0])
    categories = {item.id: item.category for item in purchasing.items(session, items)}
    rows = [
        _line(
            by_id[line.order_id],
            line,
            baseline_of(own.get((line.practice_id, line.item_id)), first.get(line.item_id, [])),
            categories[line.item_id],
        )
        for line in lines
    ]
    session.execute(insert(SavingLine), rows)
    groups = sorted({(order.practice_id, order.supplier_id) for order in placed})
    _sum_up(session, placed[0].round_id, groups, now)


def _first_prices(
    session: ScopedSession, items: Sequence[str], order: PurchaseOrder
) -> dict[str, list[Fraction]]:
    """Item → the first prices per base unit of every offer on the day of the order."""
    found: dict[str, list[Fraction]] = {}
    for start in range(0, len(items), 500):
        part = items[start : start + 500]
        for offer, tiers in purchasing.offers(session, part, order.ordered_on, order.round_id):
            price = Fraction(tiers[0].price) / offer.pack_units
            found.setdefault(offer.item_id, []).append(price)
    return found


def _line(
    order: PurchaseOrder, line: PurchaseOrderLine, found: Baseline | None, category: str
) -> dict[str, Any]:
    price = None if found is None else found.unit_price
    return {
        "practice_id": order.practice_id,
        "id": new_id(),
        "round_id": order.round_id,
        "order_id": order.id,
        "line": line.number,
        "item_id": line.item_id,
        "supplier_id": order.supplier_id,
        "category": category,
        "basis": "none" if found is None else found.basis,
        "baseline_unit": None if price is None else _exact(price),
        "baseline": line.amount if price is None else at_baseline(price, line.units),
        "planned": line.amount,
        "invoiced_baseline": NOTHING,
        "invoiced": NOTHING,
    }


def _exact(price: Fraction) -> Decimal:
    return (Decimal(price.numerator) / Decimal(price.denominator)).quantize(Decimal("0.00000001"))


def realise(
    session: ScopedSession, order: PurchaseOrder, facts: Sequence[Fact], now: datetime
) -> None:
    """Take over what the invoices and credit notes of an order say: prices paid, savings realised.

    Derived anew from all facts. Credits are shared over the order's lines by what they cost.
    """
    fix_baselines(session, [order], now)
    lines = {line.number: line for line in orders.lines_of(session, order)}
    known = merge(facts)
    store.drop_points(session, order)
    packs: dict[int, int] = {}
    amounts: dict[int, Decimal] = {}
    for fact in known:
        line = lines.get(fact.line)
        if fact.kind != "invoiced" or line is None:
            continue
        count = sum(entry.packs or 0 for entry in fact.entries)
        amount = sum(((e.amount or NOTHING) * (e.packs or 0) for e in fact.entries), NOTHING)
        packs[fact.line] = packs.get(fact.line, 0) + count
        amounts[fact.line] = amounts.get(fact.line, NOTHING) + amount
        if count:
            session.add(_point(order, line, fact, count, amount))
    credited = sum(
        (
            entry.amount or NOTHING
            for fact in known
            if fact.kind == "credited" and fact.line == WHOLE_ORDER
            for entry in fact.entries
        ),
        NOTHING,
    )
    credits = shared_out(credited, {str(number): amount for number, amount in amounts.items()})
    for number, row in store.lines_of_order(session, order).items():
        line, count = lines[number], packs.get(number, 0)
        units = count * line.units // line.packs if line.packs else 0
        row.invoiced = amounts.get(number, NOTHING) - credits.get(str(number), NOTHING)
        row.invoiced_baseline = (
            row.invoiced
            if row.baseline_unit is None
            else at_baseline(Fraction(row.baseline_unit), units)
        )
    session.flush()
    _sum_up(session, order.round_id, [(order.practice_id, order.supplier_id)], now)


def _point(
    order: PurchaseOrder, line: PurchaseOrderLine, fact: Fact, packs: int, amount: Decimal
) -> PricePoint:
    units = packs * line.units // line.packs
    return PricePoint(
        practice_id=order.practice_id,
        item_id=line.item_id,
        supplier_id=order.supplier_id,
        order_id=order.id,
        document=fact.document,
        line=fact.line,
        paid_on=fact.stated_at.date(),
        units=units,
        amount=amount,
        unit_price=_exact(Fraction(amount) / max(units, 1)),
    )


def _sum_up(
    session: ScopedSession, round_id: str, groups: Sequence[tuple[str, str]], now: datetime
) -> None:
    """Savings of (practice, supplier) pairs in a round, by category."""
    wanted = set(groups)
    sums: dict[tuple[str, str, str], list[Decimal]] = {}
    for row in store.lines_of_round(session, round_id, sorted({p for p, _ in groups})):
        if (row.practice_id, row.supplier_id) not in wanted:
            continue
        amounts = (row.baseline, row.planned, row.invoiced_baseline, row.invoiced)
        key = (row.practice_id, row.supplier_id, row.category)
        total = sums.get(key, [NOTHING] * len(amounts))
        sums[key] = [a + b for a, b in zip(total, amounts, strict=True)]
    store.drop_savings(session, round_id, groups)
    if sums:
        _keep_sums(session, round_id, sums, now)
    round_savings.sum_up(session, round_id, sorted({p for p, _ in groups}), now)


def _keep_sums(
    session: ScopedSession,
    round_id: str,
    sums: Mapping[tuple[str, str, str], Sequence[Decimal]],
    now: datetime,
) -> None:
    session.execute(
        insert(Saving),
        [
            {
                "practice_id": practice,
                "id": new_id(),
                "round_id": round_id,
                "supplier_id": supplier,
                "category": category,
                "baseline": baseline,
                "planned": planned,
                "planned_saving": baseline - planned,
                "invoiced_baseline": invoiced_baseline,
                "invoiced": invoiced,
                "realised_saving": invoiced_baseline - invoiced,
                "reported_at": now,
            }
            for (practice, supplier, category), (
                baseline,
                planned,
                invoiced_baseline,
                invoiced,
            ) in sums.items()
        ],
    )
