"""Receipts a practice counts, and credit notes that came on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.domain.supply import OrderCredited
from hub.domain.supply_facts import facts_credited, facts_received
from hub.errors import Conflict, NotFound, Rejected
from hub.services.orders import record_facts
from hub.services.records import money
from hub.storage import orders
from hub.storage import receiving as store
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchaseOrder

LONGEST_NUMBER = 80


def receive_goods(
    session: ScopedSession,
    *,
    practice_id: str,
    order_id: str,
    document: str,
    packs: Mapping[int, int],
    now: datetime,
) -> None:
    """Keep a receipt: `packs` counted per line number; the same number again corrects it.

    Raises NotFound, Conflict for an order that was never sent, Rejected for lines not ordered and
    negative counts. More than ordered is kept: the order then needs a review.
    """
    order = _sent_order(session, practice_id, order_id)
    number = _number(document)
    ordered = {line.number for line in orders.lines_of(session, order)}
    if not packs or min(packs.values()) < 0 or packs.keys() - ordered:
        raise Rejected("A receipt names lines of the order and counts packs.", path="lines")
    record_facts(session, order, number, facts_received(number, packs, now), now=now)


def record_credit(
    session: ScopedSession, *, practice_id: str, order_id: str, credit: OrderCredited, now: datetime
) -> None:
    """Keep a credit note that came on paper; `credit.invoice` names an invoice of the order.

    Raises NotFound, Rejected for an unknown invoice, another currency or an amount that is none.
    """
    order = _sent_order(session, practice_id, order_id)
    if credit.invoice not in store.matches(session, order):
        raise Rejected("The order has no invoice of this number.", path="invoice")
    if credit.currency != order.currency or money(credit.total, "total") <= 0:
        raise Rejected(f"A credit is an amount of {order.currency} above 0.", path="total")
    number = _number(credit.document)
    facts = facts_credited(credit, now)
    record_facts(session, order, number, facts, total=credit.total, now=now)


def _sent_order(session: ScopedSession, practice_id: str, order_id: str) -> PurchaseOrder:
    order = store.locked_order(session, practice_id, order_id)
    if order is None:
        raise NotFound(sought=order_id)
    if order.send_state not in {"sent", "sending"}:
        raise Conflict("The order was never sent.")
    return order


def _number(text: str) -> str:
    number = text.strip()
    if not 1 <= len(number) <= LONGEST_NUMBER:
        raise Rejected(
            f"A document's number has 1 to {LONGEST_NUMBER} characters.", path="document"
        )
    return number
