"""Brightwell's order events to canonical records; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from connectors.sdk.base import InboundEvent, ParsedDocument, RawDocument
from connectors.sdk.rows import Issues
from connectors.supply_rest.payloads import (
    BidSubmitted,
    Confirmed,
    Credited,
    Invoiced,
    Shipped,
)
from connectors.supply_rest.webhook import IGNORED, route
from hub.domain.records import Record
from hub.domain.supply import (
    AckLine,
    CreditLine,
    InvoiceLine,
    LineStatus,
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderShipped,
    PriceTier,
    ShipmentLine,
)
from hub.domain.supply_bids import Bid, BidLine
from hub.errors import DataError

M = TypeVar("M", bound=BaseModel)
_STATUSES: Mapping[str, LineStatus] = {
    "CONFIRMED": "accepted",
    "CHANGED": "changed",
    "BACKORDERED": "backordered",
    "REJECTED": "rejected",
    "SUBSTITUTED": "substituted",
    "ON_HOLD": "on_hold",
    "CANCELLED": "cancelled",
}


def parse(document: RawDocument) -> ParsedDocument:
    """Read one webhook body. Raises DataError (reason, path, no values)."""
    records: list[Record] = []
    ignored = ""
    for event in route(document):
        if event.type in IGNORED:
            ignored = f"The event {event.type} changes nothing here."
        elif event.type in _READERS:
            records.append(_READERS[event.type](event))
        else:
            raise DataError(
                "The event's type is not known here.", reason="event_type", path="$.type"
            )
    issues = tuple(issue for record in records for issue in record.issues)
    return ParsedDocument(records=tuple(records), issues=issues, ignored=ignored)


def _payload(event: InboundEvent, model: type[M]) -> M:
    try:
        return model.model_validate(event.payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = "$.data." + ".".join(str(part) for part in fault["loc"])
        raise DataError(
            f"The event {event.type} is unreadable at {path}.", reason=fault["type"], path=path
        ) from None  # pydantic's text repeats the input


def _record(event: InboundEvent, data: object, document: str, issues: Issues) -> Record:
    return Record(
        external_id=f"{event.entity}/{document}",
        data=data,
        occurred_at=event.occurred_at,
        issues=tuple(issues.found),
    )


def _confirmed(event: InboundEvent) -> Record:
    payload = _payload(event, Confirmed)
    issues = Issues("$.data")
    lines = tuple(
        AckLine(
            number=line.line_number,
            status=issues.word(f"lines[{n}].status", line.status, _STATUSES, "unknown"),
            packs=line.quantity,
            price=line.unit_price,
            note=line.note,
        )
        for n, line in enumerate(payload.lines)
    )
    number = payload.confirmation_number
    data = OrderAcknowledged(payload.purchase_order_number, number, lines)
    return _record(event, data, number, issues)


def _shipped(event: InboundEvent) -> Record:
    payload = _payload(event, Shipped)
    data = OrderShipped(
        order_number=payload.purchase_order_number,
        document=payload.shipment_number,
        lines=tuple(
            ShipmentLine(line.line_number, line.quantity, line.lot, line.expires_on)
            for line in payload.lines
        ),
        shipped_on=payload.shipped_on,
        carrier=payload.carrier,
        tracking_number=payload.tracking_number,
    )
    return _record(event, data, payload.shipment_number, Issues("$.data"))


def _invoiced(event: InboundEvent) -> Record:
    payload = _payload(event, Invoiced)
    data = OrderInvoiced(
        order_number=payload.purchase_order_number,
        document=payload.invoice_number,
        invoiced_on=payload.invoiced_on,
        lines=tuple(
            InvoiceLine(line.line_number, line.quantity, line.unit_price) for line in payload.lines
        ),
        total=payload.total,
        freight=payload.freight,
        tax=payload.tax,
        currency=payload.currency,
    )
    return _record(event, data, payload.invoice_number, Issues("$.data"))


def _credited(event: InboundEvent) -> Record:
    payload = _payload(event, Credited)
    data = OrderCredited(
        order_number=payload.purchase_order_number,
        document=payload.credit_number,
        invoice=payload.invoice_number,
        credited_on=payload.credited_on,
        lines=tuple(CreditLine(line.line_number, line.quantity) for line in payload.lines),
        total=payload.total,
        currency=payload.currency,
    )
    return _record(event, data, payload.credit_number, Issues("$.data"))


def _bid(event: InboundEvent) -> Record:
    payload = _payload(event, BidSubmitted)
    data = Bid(
        invitation=payload.invitation,
        document=payload.bid_number,
        lines=tuple(
            BidLine(
                gtin=line.gtin,
                vendor_part=line.item_number,
                pack_units=line.units_per_pack,
                unit=line.unit_of_measure,
                tiers=tuple(PriceTier(t.minimum_quantity, t.unit_price) for t in line.tiers),
                max_packs=line.maximum_quantity,
                multiple=line.order_multiple or 1,
                contract=line.contract_number,
            )
            for line in payload.lines
        ),
        currency=payload.currency,
    )
    return _record(event, data, payload.bid_number, Issues("$.data"))


_READERS: Mapping[str, Callable[[InboundEvent], Record]] = {
    "order.confirmed": _confirmed,
    "order.shipped": _shipped,
    "order.invoiced": _invoiced,
    "order.credited": _credited,
    "bid.submitted": _bid,
}
