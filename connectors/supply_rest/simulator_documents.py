"""What the simulated Brightwell says: its JSON, built without the connector's own code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.sdk.simulated_vendor.catalogue import VendorOffer
from connectors.sdk.simulated_vendor.delivery import VendorEvent
from connectors.sdk.simulated_vendor.fulfilment import Fulfilment

_STATUS_WORDS = ("rejected", "backordered", "confirmed")


def time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def stamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def offer(offer: VendorOffer) -> dict[str, Any]:
    supply = offer.supply
    return {
        "id": f"off_{offer.vendor_part.lower()}",
        "item_number": offer.vendor_part,
        "status": "active" if offer.active else "discontinued",
        "updated_at": stamp(offer.updated_at),
        "product": {
            "gtin": supply.gtin,
            "name": supply.name,
            "category": supply.category,
            "manufacturer": supply.manufacturer,
            "manufacturer_part_number": supply.part,
            "base_unit": "EA",
            "unspsc_code": supply.unspsc,
        },
        "unit_of_measure": offer.pack_code,
        "units_per_pack": offer.pack_units,
        "order_multiple": 1,
        "maximum_quantity": None,
        "currency": "USD",
        "pricing": {
            "type": "all_units",
            "tiers": [
                {"minimum_quantity": packs, "unit_price": str(price)}
                for packs, price in offer.tiers
            ],
        },
        "valid_from": offer.starts_on.isoformat(),
        "valid_until": None,
    }


def receipt(number: str, order_id: str) -> dict[str, str]:
    return {"order_id": order_id, "purchase_order_number": number, "status": "received"}


def event(number: str, kind: str, at: datetime, data: dict[str, Any]) -> VendorEvent:
    event_id = "evt_" + hashlib.sha256(f"{number}:{kind}".encode()).hexdigest()[:24]
    frame = {"id": event_id, "type": kind.split(" ")[0], "created_at": stamp(at), "data": data}
    return VendorEvent(event_id, number, kind, json.dumps(frame).encode(), "application/json")


def confirmed(number: str, count: int, plan: Fulfilment) -> dict[str, Any]:
    lines = []
    for outcome in plan.lines:
        quantities = (outcome.rejected, outcome.backordered, outcome.shipped)
        for word, quantity in zip(_STATUS_WORDS, quantities, strict=True):
            if quantity:
                lines.append(
                    {
                        "line_number": outcome.line.number,
                        "item_number": outcome.line.part,
                        "status": word,
                        "quantity": quantity,
                        "unit_price": str(outcome.price),
                    }
                )
    return {
        "purchase_order_number": number,
        "confirmation_number": f"BWC-{700000 + count}",
        "lines": lines,
    }


def shipped(number: str, count: int, plan: Fulfilment) -> dict[str, Any]:
    return {
        "purchase_order_number": number,
        "shipment_number": f"BWS-{700000 + count}",
        "shipped_on": plan.shipped_on.isoformat(),
        "carrier": "Northline Freight",
        "tracking_number": f"NL{900000000 + count}",
        "lines": [
            {
                "line_number": outcome.line.number,
                "item_number": outcome.line.part,
                "quantity": outcome.shipped,
                "lot": outcome.lot,
                "expires_on": outcome.expires_on.isoformat(),
            }
            for outcome in plan.lines
            if outcome.shipped
        ],
    }


def invoiced(number: str, count: int, plan: Fulfilment, today: date) -> dict[str, Any]:
    return {
        "purchase_order_number": number,
        "invoice_number": f"BWI-{700000 + count}",
        "invoiced_on": (today + timedelta(days=1)).isoformat(),
        "lines": [
            {
                "line_number": outcome.line.number,
                "item_number": outcome.line.part,
                "quantity": outcome.shipped,
                "unit_price": str(outcome.invoice_price),
            }
            for outcome in plan.lines
            if outcome.shipped
        ],
        "freight": str(plan.freight),
        "tax": "0.00",
        "total": str(plan.total),
        "currency": "USD",
    }


def credited(number: str, count: int, plan: Fulfilment, today: date) -> dict[str, Any]:
    """What was asked too much is given back; no goods come back, so that no packs are named."""
    return {
        "purchase_order_number": number,
        "credit_number": f"BWK-{700000 + count}",
        "invoice_number": f"BWI-{700000 + count}",
        "credited_on": (today + timedelta(days=2)).isoformat(),
        "lines": [],
        "total": str(plan.credit),
        "currency": "USD",
    }


def part_of(price: Decimal, percent: Decimal) -> Decimal:
    """So many percent of a price, to the cent."""
    return (price * percent / 100).quantize(Decimal("0.01"))


def bid(
    invitation: str, number: str, offers: Sequence[VendorOffer], percent: Decimal
) -> dict[str, Any]:
    """A bid at so many percent of the catalogue's prices."""
    return {
        "invitation": invitation,
        "bid_number": number,
        "currency": "USD",
        "lines": [
            {
                "gtin": offer.supply.gtin,
                "item_number": offer.vendor_part,
                "unit_of_measure": offer.pack_code,
                "units_per_pack": offer.pack_units,
                "order_multiple": 1,
                "tiers": [
                    {
                        "minimum_quantity": packs,
                        "unit_price": str(part_of(price, percent)),
                    }
                    for packs, price in offer.tiers
                ],
                "contract_number": f"BW-{number}",
            }
            for offer in offers
        ],
    }
