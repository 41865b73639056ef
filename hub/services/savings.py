"""Savings of a round: the baseline fixed when orders leave, the rest from invoices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hub.domain.purchasing.savings import NOTHING, at_baseline, baseline_of, shared_out
from hub.domain.supply_facts import WHOLE_ORDER, Fact, merge
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
)

YEAR = timedelta(days=365)


def fix_baselines(session: ScopedSession, placed: Sequence[PurchaseOrder], now: datetime) -> None:
    """Fix the baseline of each line of orders that leave now; what is fixed stays."""
    first_prices: dict[str, dict[str, list[Fraction]]] = {}
    for order in placed:
        lines = orders.lines_of(session, order)
        known = store.lines_of_order(session, order)
        if len(known) == len(lines):
            continue
        if order.round_id not in first_prices:
            first_prices[order.round_id] = _first_prices(session, order)
        opened = session.get_one(PurchasingRound, order.round_id).opened_at.date()
        own = store.own_prices(session, order.practice_id, opened - YEAR, opened)
        categories = {
            item.id: item.category
            for item in purchasing.items(session, sorted({line.item_id for line in lines}))
        }
        session.add_all(
            _line(order, line, own, first_prices[order.round_id], categories[line.item_id])
            for line in lines
            if line.number not in known
        )
        session.flush()
        _sum_up(session, order, now)


def _first_prices(session: ScopedSession, order: PurchaseOrder) -> dict[str, list[Fraction]]:
    """Item → the first prices per base unit of every offer on the day of the order."""
    items = sorted(
        {
            line.item_id
            for each in purchasing.orders(session, order.round_id)
            for line in orders.lines_of(session, each)
        }
    )
    found: dict[str, list[Fraction]] = {}
    for start in range(0, len(items), 500):
        part = items[start : start + 500]
        for offer, tiers in purchasing.offers(session, part, order.ordered_on, order.round_id):
            price = Fraction(tiers[0].price) / offer.pack_units
            found.setdefault(offer.item_id, []).append(price)
    return found


def _line(
    order: PurchaseOrder,
    line: PurchaseOrderLine,
    own: dict[str, Fraction],
    first: dict[str, list[Fraction]],
    category: str,
) -> SavingLine:
    found = baseline_of(own.get(line.item_id), first.get(line.item_id, []))
    price = None if found is None else found.unit_price
    return SavingLine(
        practice_id=order.practice_id,
        round_id=order.round_id,
        order_id=order.id,
        line=line.number,
        item_id=line.item_id,
        supplier_id=order.supplier_id,
        category=category,
        basis="none" if found is None else found.basis,
        baseline_unit=None if price is None else _exact(price),
        baseline=line.amount if price is None else at_baseline(price, line.units),
        planned=line.amount,
        invoiced_baseline=NOTHING,
        invoiced=NOTHING,
    )


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
    _sum_up(session, order, now)


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


def _sum_up(session: ScopedSession, order: PurchaseOrder, now: datetime) -> None:
    """The practice's savings with this supplier in this round, by category."""
    practice, round_id, supplier = order.practice_id, order.round_id, order.supplier_id
    sums: dict[str, list[Decimal]] = {}
    for row in store.lines_of_round(session, practice, round_id, supplier):
        amounts = (row.baseline, row.planned, row.invoiced_baseline, row.invoiced)
        total = sums.setdefault(row.category, [NOTHING] * len(amounts))
        sums[row.category] = [a + b for a, b in zip(total, amounts, strict=True)]
    store.drop_savings(session, practice, round_id, supplier)
    session.add_all(
        Saving(
            practice_id=practice,
            round_id=round_id,
            supplier_id=supplier,
            category=category,
            baseline=baseline,
            planned=planned,
            planned_saving=baseline - planned,
            invoiced_baseline=invoiced_baseline,
            invoiced=invoiced,
            realised_saving=invoiced_baseline - invoiced,
            reported_at=now,
        )
        for category, (baseline, planned, invoiced_baseline, invoiced) in sums.items()
    )
    session.flush()
