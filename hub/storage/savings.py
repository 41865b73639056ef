"""Queries on savings, prices paid, benchmarks and supplier fees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import delete, func, select, tuple_

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    BenchmarkQuarter,
    FeeAgreement,
    OfferTier,
    PricePoint,
    PurchaseOrder,
    PurchaseOrderLine,
    RoundSaving,
    Saving,
    SavingLine,
    SupplierPayment,
)

CHUNK = 500


def lines_of_order(session: ScopedSession, order: PurchaseOrder) -> dict[int, SavingLine]:
    rows = session.scalars(
        select(SavingLine).where(
            SavingLine.practice_id == order.practice_id, SavingLine.order_id == order.id
        )
    )
    return {row.line: row for row in rows}


def lines_of_round(
    session: ScopedSession, round_id: str, practice_ids: Sequence[str]
) -> Sequence[SavingLine]:
    """The lines of some practices as they are now."""
    return session.scalars(
        select(SavingLine).where(
            SavingLine.round_id == round_id, SavingLine.practice_id.in_(practice_ids)
        )
    ).all()


def fixed_lines(session: ScopedSession, order_ids: Sequence[str]) -> set[tuple[str, int]]:
    """(order, line) of the lines that have a baseline."""
    found: set[tuple[str, int]] = set()
    for start in range(0, len(order_ids), CHUNK):
        part = order_ids[start : start + CHUNK]
        rows = session.execute(
            select(SavingLine.order_id, SavingLine.line).where(SavingLine.order_id.in_(part))
        )
        found |= {(order, line) for order, line in rows}
    return found


def lines_of_orders(session: ScopedSession, order_ids: Sequence[str]) -> list[PurchaseOrderLine]:
    found: list[PurchaseOrderLine] = []
    for start in range(0, len(order_ids), CHUNK):
        part = order_ids[start : start + CHUNK]
        found += session.scalars(
            select(PurchaseOrderLine)
            .where(PurchaseOrderLine.order_id.in_(part))
            .order_by(PurchaseOrderLine.order_id, PurchaseOrderLine.number)
        )
    return found


def drop_savings(session: ScopedSession, round_id: str, groups: Sequence[tuple[str, str]]) -> None:
    """Remove the savings of (practice, supplier) pairs in a round."""
    pair = tuple_(Saving.practice_id, Saving.supplier_id)
    for start in range(0, len(groups), CHUNK):
        session.execute(
            delete(Saving)
            .where(Saving.round_id == round_id, pair.in_(groups[start : start + CHUNK]))
            .execution_options(synchronize_session=False)
        )


def savings_of_round(session: ScopedSession, round_id: str) -> Sequence[Saving]:
    return session.scalars(
        select(Saving)
        .where(Saving.round_id == round_id)
        .order_by(Saving.practice_id, Saving.category, Saving.supplier_id)
    ).all()


def own_prices(
    session: ScopedSession, practice_ids: Sequence[str], since: date, before: date
) -> dict[tuple[str, str], Fraction]:
    """(practice, item) → the practice's last price per base unit in a period."""
    rows = session.execute(
        select(PricePoint.practice_id, PricePoint.item_id, PricePoint.amount, PricePoint.units)
        .where(
            PricePoint.practice_id.in_(practice_ids),
            PricePoint.paid_on >= since,
            PricePoint.paid_on < before,
            PricePoint.units > 0,
        )
        .order_by(PricePoint.paid_on, PricePoint.id)
    )
    return {(practice, item): Fraction(amount) / units for practice, item, amount, units in rows}


def last_suppliers(
    session: ScopedSession, practices: Sequence[str], start: date, before: date
) -> dict[tuple[str, str], str]:
    """(practice, item) → the supplier of the practice's last invoice from `start` on and before
    `before`."""
    rows = session.execute(
        select(PricePoint.practice_id, PricePoint.item_id, PricePoint.supplier_id)
        .where(
            PricePoint.practice_id.in_(practices),
            PricePoint.paid_on >= start,
            PricePoint.paid_on < before,
        )
        .order_by(PricePoint.paid_on, PricePoint.id)
    )
    return {(practice, item): supplier for practice, item, supplier in rows}


def drop_round_savings(session: ScopedSession, round_id: str, practices: Sequence[str]) -> None:
    session.execute(
        delete(RoundSaving).where(
            RoundSaving.round_id == round_id, RoundSaving.practice_id.in_(practices)
        )
    )


def round_savings(session: ScopedSession, round_id: str) -> Sequence[RoundSaving]:
    return session.scalars(
        select(RoundSaving)
        .where(RoundSaving.round_id == round_id)
        .order_by(RoundSaving.practice_id)
    ).all()


def drop_points(session: ScopedSession, order: PurchaseOrder) -> None:
    session.execute(
        delete(PricePoint).where(
            PricePoint.practice_id == order.practice_id, PricePoint.order_id == order.id
        )
    )


def points_between(session: ScopedSession, start: date, end: date) -> Sequence[PricePoint]:
    """The prices paid from `start` on and before `end`."""
    return session.scalars(
        select(PricePoint)
        .where(PricePoint.paid_on >= start, PricePoint.paid_on < end)
        .order_by(PricePoint.item_id, PricePoint.id)
    ).all()


def first_paid(session: ScopedSession) -> date | None:
    return session.scalar(select(func.min(PricePoint.paid_on)))


def computed_quarters(session: ScopedSession) -> set[date]:
    return set(session.scalars(select(BenchmarkQuarter.starts_on)))


def first_unit_prices(session: ScopedSession, points: Sequence[PricePoint]) -> dict[str, Fraction]:
    """Price point → the first price per base unit of the offer that was ordered."""
    wanted = {(point.practice_id, point.order_id, point.line): point.id for point in points}
    orders = sorted({point.order_id for point in points})
    found: dict[str, Fraction] = {}
    for start in range(0, len(orders), 500):
        rows = session.execute(
            select(PurchaseOrderLine, OfferTier.price)
            .join(OfferTier, OfferTier.offer_id == PurchaseOrderLine.offer_id)
            .where(PurchaseOrderLine.order_id.in_(orders[start : start + 500]))
            .order_by(PurchaseOrderLine.order_id, OfferTier.from_packs.desc())
        )
        for line, price in rows:  # the tier from the fewest packs comes last
            key = wanted.get((line.practice_id, line.order_id, line.number))
            if key is not None and line.units:
                found[key] = Fraction(price) * line.packs / line.units
    return found


def agreements(session: ScopedSession, supplier_id: str) -> Sequence[FeeAgreement]:
    return session.scalars(
        select(FeeAgreement)
        .where(FeeAgreement.supplier_id == supplier_id)
        .order_by(FeeAgreement.starts_on)
    ).all()


def payments(session: ScopedSession, start: date, end: date) -> dict[tuple[str, str], Decimal]:
    """(supplier, kind) → what was received from `start` on and before `end`."""
    rows = session.execute(
        select(SupplierPayment.supplier_id, SupplierPayment.kind, SupplierPayment.amount).where(
            SupplierPayment.received_on >= start, SupplierPayment.received_on < end
        )
    )
    found: dict[tuple[str, str], Decimal] = {}
    for supplier, kind, amount in rows:
        found[supplier, kind] = found.get((supplier, kind), Decimal(0)) + amount
    return found
