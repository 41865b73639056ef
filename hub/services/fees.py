"""Administrative fees and rebates of suppliers, and the yearly statement to each member.

Rules: 42 CFR 1001.952(j) (fees: agreement, at most 3 percent or a stated maximum, yearly disclosure
of what was received on the member's purchases) and (h) (discounts and rebates are reported to the
buyer, to whom they belong).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import delete

from hub.domain.jobs import Job
from hub.domain.purchasing.fees import FeeTerms, check_terms, within
from hub.domain.purchasing.savings import NOTHING, at_baseline, shared_out
from hub.errors import Conflict, NotFound, Rejected
from hub.services.records import money
from hub.storage import queue
from hub.storage import savings as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    FeeAgreement,
    MemberStatement,
    PricePoint,
    Supplier,
    SupplierPayment,
    new_id,
)

KINDS = ("fee", "rebate")
LONGEST_REFERENCE = 100


def add_agreement(
    session: ScopedSession, *, supplier_id: str, terms: FeeTerms, by: str, now: datetime
) -> str:
    """Keep what members were told about a supplier's fees; an open agreement ends as it starts.

    Rejected where the safe harbor does not cover the terms, Conflict where one starts that day or
    later already.
    """
    if session.get(Supplier, supplier_id) is None:
        raise NotFound(sought=supplier_id)
    check_terms(terms)
    if terms.maximum_amount is not None:
        money(terms.maximum_amount, "maximumAmount")
    known = store.agreements(session, supplier_id)
    if known and known[-1].starts_on >= terms.starts_on:
        raise Conflict("There is an agreement with this supplier from that day or a later one on.")
    if known and (known[-1].ends_on is None or known[-1].ends_on > terms.starts_on):
        known[-1].ends_on = terms.starts_on
    row = FeeAgreement(
        id=new_id(),
        supplier_id=supplier_id,
        written_on=terms.written_on,
        starts_on=terms.starts_on,
        ends_on=terms.ends_on,
        maximum_rate=terms.maximum_rate,
        maximum_amount=terms.maximum_amount,
        recorded_by=by,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def record_payment(
    session: ScopedSession,
    *,
    supplier_id: str,
    kind: str,
    reference: str,
    received_on: date,
    amount: Decimal,
    by: str,
    now: datetime,
) -> str:
    """Keep money a supplier paid. Rejected for a fee without an agreement in force that day."""
    if session.get(Supplier, supplier_id) is None:
        raise NotFound(sought=supplier_id)
    if kind not in KINDS or money(amount, "amount") <= 0:
        raise Rejected("A payment is a fee or a rebate above 0.", path="amount")
    if not 1 <= len(reference.strip()) <= LONGEST_REFERENCE:
        raise Rejected(f"A reference has 1 to {LONGEST_REFERENCE} characters.", path="reference")
    if received_on > now.date():
        raise Rejected("A payment is recorded once it was received.", path="receivedOn")
    if kind == "fee" and _in_force(store.agreements(session, supplier_id), received_on) is None:
        raise Rejected(
            "There is no written fee agreement with this supplier on that day "
            "(42 CFR 1001.952(j)).",
            path="supplierId",
        )
    row = SupplierPayment(
        id=new_id(),
        supplier_id=supplier_id,
        kind=kind,
        reference=reference.strip(),
        received_on=received_on,
        amount=amount,
        recorded_by=by,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def _in_force(rows: Sequence[FeeAgreement], day: date) -> FeeAgreement | None:
    for row in rows:
        if row.starts_on <= day and (row.ends_on is None or day < row.ends_on):
            return row
    return None


def request_statements(session: ScopedSession, *, year: int, now: datetime) -> int:
    """Add the job that issues every member's statements of a year; Rejected before it is over."""
    if not 2000 <= year < now.year:
        raise Rejected("Statements are issued for a year that is over.", path="year")
    return queue.add(
        session, Job.ISSUE_STATEMENTS, {"year": year}, now=now, unique_key=f"statements:{year}"
    )


def issue_statements(session: ScopedSession, *, year: int, now: datetime) -> int:
    """Write the statements of a year in place of earlier ones; returns how many.

    Fees and rebates of a supplier are shared over its members by what they bought from it in the
    year, to the cent. Discounts are the difference to the first price of the offer ordered.
    """
    start, end = date(year, 1, 1), date(year + 1, 1, 1)
    points = store.points_between(session, start, end)
    received = store.payments(session, start, end)
    first = store.first_unit_prices(session, points)
    purchases: dict[str, dict[str, Decimal]] = {}
    discounts: dict[tuple[str, str], Decimal] = {}
    for point in points:
        members = purchases.setdefault(point.supplier_id, {})
        members[point.practice_id] = members.get(point.practice_id, NOTHING) + point.amount
        key = (point.supplier_id, point.practice_id)
        discounts[key] = discounts.get(key, NOTHING) + _discount(point, first.get(point.id))
    session.execute(delete(MemberStatement).where(MemberStatement.year == year))
    count = 0
    for supplier_id, members in sorted(purchases.items()):
        fees = received.get((supplier_id, "fee"), NOTHING)
        rebates = shared_out(received.get((supplier_id, "rebate"), NOTHING), members)
        said = _remark(session, supplier_id, year, sum(members.values(), NOTHING), fees)
        for practice_id, fee in shared_out(fees, members).items():
            session.add(
                MemberStatement(
                    practice_id=practice_id,
                    supplier_id=supplier_id,
                    year=year,
                    purchases=members[practice_id],
                    fees=fee,
                    discounts=discounts[supplier_id, practice_id],
                    rebates=rebates[practice_id],
                    remark=said,
                    issued_at=now,
                )
            )
            count += 1
    session.flush()
    return count


def _discount(point: PricePoint, first: Fraction | None) -> Decimal:
    if first is None:
        return NOTHING
    return max(NOTHING, at_baseline(first, point.units) - point.amount)


def _remark(
    session: ScopedSession, supplier_id: str, year: int, purchases: Decimal, fees: Decimal
) -> str:
    """What is wrong with the year's fees; it names no figure of other members."""
    if not fees:
        return ""
    rows = store.agreements(session, supplier_id)
    last_day = date(year, 12, 31)
    row = next(
        (r for day in range(366) if (r := _in_force(rows, last_day - timedelta(days=day)))), None
    )
    if row is None:
        return "Fees were received without a written agreement."
    terms = FeeTerms(
        row.written_on, row.starts_on, row.ends_on, row.maximum_rate, row.maximum_amount
    )
    if within(terms, purchases, fees):
        return ""
    return "The fees received are more than the agreement allows."
