"""Cancelling purchase orders: at once before they are sent, as a request afterwards.

No vendor of this hub takes a cancellation by message. Once an order may have reached one, the hub
only records that it is no longer wanted; a person tells the vendor, and the order counts as
cancelled when the vendor's documents say so.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from hub.errors import Conflict, Forbidden, NotFound
from hub.storage import orders
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchaseOrder

OVER = frozenset({"shipped", "received", "invoiced", "closed", "rejected"})


class Cancellation(StrEnum):
    """CANCELLED: it will not be sent, or the vendor refused it. REQUESTED: the vendor may hold
    it."""

    CANCELLED = "CANCELLED"
    REQUESTED = "REQUESTED"


def cancel_order(
    session: ScopedSession, *, order_id: str, by: str, now: datetime
) -> tuple[str, Cancellation]:
    """Cancel an order, or ask for it; returns its practice id and which of the two it was.

    A practice decides on its own orders, an MSO app only where the agreement delegates approval.
    The row is locked, as placing locks it: either the intent to send or this comes first. Raises
    NotFound, Forbidden, or Conflict for an order that is shipped or over. Repeating changes
    nothing.
    """
    order = session.scalars(
        select(PurchaseOrder).where(PurchaseOrder.id == order_id).with_for_update()
    ).first()
    if order is None:
        raise NotFound(sought=order_id)
    _require_decision(session, order)
    if order.status == "cancelled":
        return order.practice_id, Cancellation.CANCELLED
    if order.status in OVER:
        raise Conflict(f"The order is {order.status}; it can no longer be cancelled.")
    if order.send_state in {"pending", "refused"}:
        order.status = "cancelled"
        for line in orders.lines_of(session, order):
            line.status, line.cancelled = "cancelled", line.packs
        session.flush()
        return order.practice_id, Cancellation.CANCELLED
    if order.cancel_requested_at is None:
        order.cancel_requested_at, order.cancel_requested_by = now, by
        session.flush()
    return order.practice_id, Cancellation.REQUESTED


def _require_decision(session: ScopedSession, order: PurchaseOrder) -> None:
    scope = session.scope
    mine = {scope.own_practice_id} if scope.own_practice_id else set(scope.delegated_approval)
    if order.practice_id not in mine:
        raise Forbidden("The practice decides on its own orders; it has not delegated that.")
