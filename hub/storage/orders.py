"""Queries on purchase orders and the documents that vendors send about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from hub.domain.supply_facts import Entry, Fact
from hub.storage.session import ScopedSession
from hub.storage.tables import OrderDocument, PurchaseOrder, PurchaseOrderLine, Supplier


def by_number(session: ScopedSession, number: str, connection_id: str) -> PurchaseOrder | None:
    """The order, locked, if it went to the supplier of this connection; another vendor's is None.

    Vendors name an order by its number alone, whosever it is. Its random part makes it one of its
    kind; two orders of one number are an error, and none of them is changed.
    """
    return session.scalars(
        select(PurchaseOrder)
        .join(Supplier, Supplier.id == PurchaseOrder.supplier_id)
        .where(PurchaseOrder.number == number, Supplier.connection_id == connection_id)
        .with_for_update(of=PurchaseOrder)
    ).one_or_none()


def lines_of(session: ScopedSession, order: PurchaseOrder) -> Sequence[PurchaseOrderLine]:
    return session.scalars(
        select(PurchaseOrderLine)
        .where(
            PurchaseOrderLine.practice_id == order.practice_id,
            PurchaseOrderLine.order_id == order.id,
        )
        .order_by(PurchaseOrderLine.number)
    ).all()


def documents_of(session: ScopedSession, order: PurchaseOrder) -> Sequence[OrderDocument]:
    return session.scalars(
        select(OrderDocument).where(
            OrderDocument.practice_id == order.practice_id, OrderDocument.order_id == order.id
        )
    ).all()


def facts_to_json(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Facts as `OrderDocument.facts` holds them; amounts are exact text, times ISO 8601."""
    return [
        {
            "kind": fact.kind,
            "document": fact.document,
            "line": fact.line,
            "stated_at": fact.stated_at.isoformat(),
            "entries": [
                {
                    "what": entry.what,
                    "packs": entry.packs,
                    "amount": None if entry.amount is None else str(entry.amount),
                    "note": entry.note,
                }
                for entry in fact.entries
            ],
        }
        for fact in facts
    ]


def facts_from_json(stored: Iterable[Mapping[str, Any]]) -> list[Fact]:
    """The inverse of `facts_to_json`."""
    return [
        Fact(
            row["kind"],
            row["document"],
            row["line"],
            datetime.fromisoformat(row["stated_at"]),
            tuple(
                Entry(
                    entry["what"],
                    entry["packs"],
                    None if entry["amount"] is None else Decimal(entry["amount"]),
                    entry["note"],
                )
                for entry in row["entries"]
            ),
        )
        for row in stored
    ]
