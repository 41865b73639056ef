"""Placing purchase orders: the intent is committed before the vendor is called, the outcome after.

If the outcome stays unknown (timeout, crash), the next attempt looks the order up at the vendor
before it sends it again under the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.domain.supply import OrderLine, OrderToPlace, ShipTo, SubmitReceipt
from hub.errors import NotFound
from hub.services.orders import refresh_ledger
from hub.storage import connections, purchasing
from hub.storage.session import ScopedSession
from hub.storage.tables import Item, Offer, Practice, PurchaseOrder, PurchaseOrderLine, Supplier


@dataclass(frozen=True, slots=True)
class Placement:
    """An order ready to send. `is_repeat`: an earlier attempt may have reached the vendor."""

    order: OrderToPlace
    idempotency_key: str
    connection_id: str
    is_repeat: bool


def begin(session: ScopedSession, *, practice_id: str, order_id: str, key: str) -> Placement | None:
    """Commit the intent to send; None if the vendor holds the order already or it was withdrawn."""
    order = session.get(PurchaseOrder, (practice_id, order_id), with_for_update=True)
    if order is None:
        raise NotFound
    if order.send_state not in {"pending", "sending"} or order.status != "requested":
        return None
    is_repeat = order.send_state == "sending"
    order.send_state = "sending"
    order.idempotency_key = order.idempotency_key or key
    session.flush()
    supplier = session.get_one(Supplier, order.supplier_id)
    return Placement(
        order=_document(session, order, supplier),
        idempotency_key=order.idempotency_key,
        connection_id=supplier.connection_id,
        is_repeat=is_repeat,
    )


def sent(session: ScopedSession, *, practice_id: str, order_id: str) -> Placement | None:
    """An order that may have reached the vendor, to ask about it; None if it was never sent."""
    order = session.get(PurchaseOrder, (practice_id, order_id))
    if order is None or order.send_state == "pending":
        return None
    supplier = session.get_one(Supplier, order.supplier_id)
    return Placement(
        order=_document(session, order, supplier),
        idempotency_key=order.idempotency_key,
        connection_id=supplier.connection_id,
        is_repeat=True,
    )


def record_receipt(
    session: ScopedSession,
    *,
    practice_id: str,
    order_id: str,
    receipt: SubmitReceipt,
    now: datetime,
) -> None:
    """The vendor holds the order. Its confirmation may have overtaken this: the status stays
    then."""
    order = session.get_one(PurchaseOrder, (practice_id, order_id), with_for_update=True)
    order.send_state, order.sent_at = "sent", now
    order.vendor_order_id = receipt.vendor_order_id
    session.flush()
    refresh_ledger(session, order)


def record_refusal(session: ScopedSession, *, practice_id: str, order_id: str) -> None:
    """The vendor refused the order; a person decides what becomes of it."""
    order = session.get_one(PurchaseOrder, (practice_id, order_id), with_for_update=True)
    order.send_state, order.status = "refused", "needs_review"


def _document(session: ScopedSession, order: PurchaseOrder, supplier: Supplier) -> OrderToPlace:
    practice = session.get_one(Practice, order.practice_id)
    account = connections.account_of(session, supplier.connection_id, practice.id)
    return OrderToPlace(
        number=order.number,
        ordered_on=order.ordered_on,
        ship_to=ShipTo(
            account=account or practice.npi,
            name=practice.name,
            line1=practice.line1,
            city=practice.city,
            state=practice.state,
            postal_code=practice.postal_code,
        ),
        lines=tuple(_line(session, row) for row in purchasing.order_lines(session, order)),
        currency=order.currency,
    )


def _line(session: ScopedSession, row: PurchaseOrderLine) -> OrderLine:
    item = session.get_one(Item, row.item_id)
    offer = session.get_one(Offer, row.offer_id)
    return OrderLine(
        number=row.number,
        vendor_part=row.vendor_part,
        gtin=item.gtin,
        packs=row.packs,
        unit_code=offer.pack_unit_code,
        price=row.price,
        description=item.name,
    )
