"""What vendors say about purchase orders: facts kept once, ledgers derived from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from hub.domain.content import content_hash
from hub.domain.records import Record
from hub.domain.supply import (
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderLine,
    OrderShipped,
    OrderToPlace,
    ShipTo,
)
from hub.domain.supply_facts import FACTS_OF, Fact, facts_sent, freight_of, merge
from hub.domain.supply_ledger import OrderLedger, derive
from hub.errors import Rejected
from hub.services import receiving
from hub.services.records import ApplyContext, Outcome, money, refuse_delete
from hub.storage import orders as store
from hub.storage.session import ScopedSession
from hub.storage.tables import OrderDocument, PurchaseOrder, PurchaseOrderLine

OrderEvent = OrderAcknowledged | OrderShipped | OrderInvoiced | OrderCredited


def apply_order_event(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Keep the facts of an acknowledgement, shipment, invoice or credit note; derive the order's
    status anew.

    The same document again adds nothing, a corrected one (same number, stated later) replaces what
    it said; any order of arrival ends in the same state. Rejected where the number is not that of
    an order to this vendor, in the same words whether or not another vendor has it. Since the
    vendor names the order and the order its practice, the session's scope may be unrestricted.
    """
    refuse_delete(record)
    event = record.data
    if not isinstance(event, OrderEvent):
        raise TypeError("an order event was expected")
    if isinstance(event, OrderInvoiced):
        _check_money(event)
    elif isinstance(event, OrderCredited):
        money(event.total, "total")
    order = store.by_number(session, event.order_number, context.connection_id)
    if order is None:
        raise Rejected(
            "The document names no order placed with this vendor.",
            reason="unknown_order",
            path="order_number",
        )
    outcome = _keep(session, context, record, event, order)
    if outcome in (Outcome.CREATED, Outcome.CHANGED):
        ledger = refresh_ledger(session, order)
        follow(session, order, context.received_at)
        _report(context, event, ledger)
    return outcome


def _check_money(event: OrderInvoiced) -> None:
    for name in ("total", "freight", "tax"):
        money(getattr(event, name), name)
    for line in event.lines:
        money(line.price, "lines.price")


def _keep(
    session: ScopedSession,
    context: ApplyContext,
    record: Record,
    event: OrderEvent,
    order: PurchaseOrder,
) -> Outcome:
    """Store the document's facts beside those it stated before.

    `seen` lists the versions that arrived: one of them again, not stated for a later time than what
    is known, is a repetition and not a correction.
    """
    facts = FACTS_OF[type(event)](event, record.occurred_at or context.received_at)
    if not facts:
        raise Rejected("The document says nothing of any line.", reason="empty_document")
    kind, content = facts[0].kind, content_hash(event)
    row = next(
        (
            document
            for document in store.documents_of(session, order)
            if (document.kind, document.document) == (kind, event.document)
        ),
        None,
    )
    known = store.facts_from_json(row.facts["facts"]) if row else []
    seen: list[str] = row.facts["seen"] if row else []
    if content in seen and not _stated_later(record, known):
        return Outcome.UNCHANGED
    merged = merge([*known, *facts])
    if row is not None and list(merged) == list(merge(known)):
        outcome = Outcome.STALE
    else:
        outcome = Outcome.CREATED if row is None else Outcome.CHANGED
    if row is None:
        row = OrderDocument(
            practice_id=order.practice_id,
            order_id=order.id,
            kind=kind,
            document=event.document,
        )
        session.add(row)
    row.facts = {
        "seen": [*seen, *([] if content in seen else [content])],
        "facts": store.facts_to_json(merged),
    }
    if outcome is not Outcome.STALE:
        row.total = event.total if isinstance(event, OrderInvoiced | OrderCredited) else None
        row.inbox_id, row.recorded_at = context.inbox_id, context.received_at
        row.connection_id = context.connection_id
    session.flush()
    return outcome


def _stated_later(record: Record, known: Sequence[Fact]) -> bool:
    return record.occurred_at is not None and record.occurred_at > max(f.stated_at for f in known)


def refresh_ledger(session: ScopedSession, order: PurchaseOrder) -> OrderLedger:
    """Derive quantities and statuses of `order` from everything known of it and store them.

    Also to be called after the order was handed over (`send_state`, `sent_at` set).
    """
    lines = store.lines_of(session, order)
    placed = _as_placed(order, lines)
    ledger = derive(placed, _facts(session, order, placed))
    by_number = {line.number: line for line in ledger.lines}
    for line in lines:
        derived = by_number[line.number]
        for name in (
            "status",
            "accepted",
            "backordered",
            "rejected",
            "cancelled",
            "shipped",
            "received",
            "invoiced",
            "credited",
        ):
            setattr(line, name, getattr(derived, name))
    order.status = ledger.status
    totals = {"invoiced": Decimal("0.00"), "credited": Decimal("0.00")}
    for document in store.documents_of(session, order):
        if document.kind in totals:
            totals[document.kind] += document.total or 0
    order.invoiced, order.credited = totals["invoiced"], totals["credited"]
    order.invoiced_freight = freight_of(_facts(session, order, placed))
    session.flush()
    return ledger


def record_facts(
    session: ScopedSession,
    order: PurchaseOrder,
    document: str,
    facts: Sequence[Fact],
    *,
    total: Decimal | None = None,
    now: datetime,
) -> None:
    """Keep what a person states about an order (a receipt, a credit note) and follow it up; the
    same document again replaces what it said of the same lines."""
    kind = facts[0].kind
    row = next(
        (d for d in store.documents_of(session, order) if (d.kind, d.document) == (kind, document)),
        None,
    )
    known = store.facts_from_json(row.facts["facts"]) if row else []
    if row is None:
        row = OrderDocument(
            practice_id=order.practice_id, order_id=order.id, kind=kind, document=document
        )
        session.add(row)
    row.facts = {"seen": [], "facts": store.facts_to_json(merge([*known, *facts]))}
    row.total, row.recorded_at = total, now
    session.flush()
    refresh_ledger(session, order)
    follow(session, order, now)


def follow(session: ScopedSession, order: PurchaseOrder, now: datetime) -> None:
    """Match invoices, note what will not come, and tell the round that goods move."""
    placed = _as_placed(order, store.lines_of(session, order))
    receiving.follow_up(session, order, placed, _facts(session, order, placed), now)


def _facts(session: ScopedSession, order: PurchaseOrder, placed: OrderToPlace) -> list[Fact]:
    facts = [
        fact
        for document in store.documents_of(session, order)
        for fact in store.facts_from_json(document.facts["facts"])
    ]
    if order.sent_at is not None:
        facts += facts_sent(placed, order.sent_at)
    return facts


def _as_placed(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine]) -> OrderToPlace:
    """What the ledgers need of an order; where it is delivered makes no difference to them."""
    return OrderToPlace(
        number=order.number,
        ordered_on=order.ordered_on,
        ship_to=ShipTo("", "", "", "", "", ""),
        lines=tuple(
            OrderLine(line.number, line.vendor_part, "", line.packs, "", Decimal(line.price))
            for line in lines
        ),
        currency=order.currency,
    )


def _report(context: ApplyContext, event: OrderEvent, ledger: OrderLedger) -> None:
    """Findings about this document; those of others were reported when they came."""
    if ledger.unknown_lines and {line.number for line in event.lines} & set(ledger.unknown_lines):
        context.report("unknown_order_line", "lines.number", "A line was not ordered.")
    if not isinstance(event, OrderInvoiced):
        return
    for difference in ledger.differences:
        if difference.document == event.document:
            path = f"lines[{difference.line}]" if difference.line else "total"
            context.report(
                difference.code, path, "The invoice differs from the order; review before paying."
            )
