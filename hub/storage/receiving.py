"""Queries on matched invoices and on what suppliers do not deliver."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from hub.storage.session import ScopedSession
from hub.storage.tables import InvoiceMatch, MatchFinding, PurchaseOrder, Shortfall


def locked_order(session: ScopedSession, practice_id: str, order_id: str) -> PurchaseOrder | None:
    return session.get(
        PurchaseOrder, (practice_id, order_id), with_for_update=True, populate_existing=True
    )


def matches(session: ScopedSession, order: PurchaseOrder) -> dict[str, InvoiceMatch]:
    """The matches of an order by invoice."""
    rows = session.scalars(
        select(InvoiceMatch).where(
            InvoiceMatch.practice_id == order.practice_id, InvoiceMatch.order_id == order.id
        )
    )
    return {row.document: row for row in rows}


def drop_findings(session: ScopedSession, match: InvoiceMatch) -> None:
    session.execute(
        delete(MatchFinding).where(
            MatchFinding.practice_id == match.practice_id, MatchFinding.match_id == match.id
        )
    )


def shortfalls(session: ScopedSession, order: PurchaseOrder) -> dict[tuple[int, str], Shortfall]:
    """The shortfalls of an order by line and reason."""
    rows = session.scalars(
        select(Shortfall).where(
            Shortfall.practice_id == order.practice_id, Shortfall.order_id == order.id
        )
    )
    return {(row.line, row.reason): row for row in rows}


def last_replan(
    session: ScopedSession, practice_id: str, round_id: str, supplier_id: str
) -> int | None:
    """The highest number of an order of a practice to a supplier in a round."""
    return session.scalar(
        select(func.max(PurchaseOrder.replan)).where(
            PurchaseOrder.practice_id == practice_id,
            PurchaseOrder.round_id == round_id,
            PurchaseOrder.supplier_id == supplier_id,
        )
    )
