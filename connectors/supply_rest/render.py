"""A purchase order as Brightwell's JSON; pure, the same order gives the same bytes."""

from __future__ import annotations

import json

from hub.domain.supply import OrderToPlace


def render_order(order: OrderToPlace) -> bytes:
    """The body of ``POST /v1/orders``; money as decimal strings, quantities in packs."""
    ship_to = order.ship_to
    body = {
        "purchase_order_number": order.number,
        "ordered_on": order.ordered_on.isoformat(),
        "currency": order.currency,
        "ship_to": {
            "account_number": ship_to.account,
            "name": ship_to.name,
            "address_line": ship_to.line1,
            "city": ship_to.city,
            "state": ship_to.state,
            "postal_code": ship_to.postal_code,
            "country": ship_to.country,
        },
        "lines": [
            {
                "line_number": line.number,
                "item_number": line.vendor_part,
                "gtin": line.gtin,
                "quantity": line.packs,
                "unit_of_measure": line.unit_code,
                "unit_price": f"{line.price:.2f}",
                "description": line.description,
            }
            for line in order.lines
        ],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
