"""A purchase order as an 850 (X12 004010); pure, the same order and key give the same bytes."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, time
from decimal import Decimal

from connectors.sdk import x12
from connectors.supply_x12.config import Config
from connectors.supply_x12.parse import control_number
from hub.domain.supply import OrderLine, OrderToPlace

_MARKS = x12.Delimiters(element="*", repetition="", component=">", segment="~")


def render_850(config: Config, order: OrderToPlace, idempotency_key: str) -> bytes:
    """One interchange with one 850. Raises DataError naming the element that does not fit.

    The envelope's time is the order's date, so that a resend is the same document byte for byte.
    """
    control = group_control(idempotency_key)
    envelope = x12.Envelope(
        sender_qualifier=config.our_qualifier,
        sender=config.our_id,
        receiver_qualifier=config.vendor_qualifier,
        receiver=config.vendor_id,
        control=control,
        group_control=control,
        functional_id="PO",
        version="004010",
        sent_at=datetime.combine(order.ordered_on, time(), UTC),
        usage=config.usage,
        delimiters=_MARKS,
    )
    return x12.write(envelope, [x12.Draft("850", "0001", _segments(order))])


def group_control(idempotency_key: str) -> int:
    """ISA13 and GS06 of the 850 sent under this key."""
    return control_number(f"850:{idempotency_key}")


def _segments(order: OrderToPlace) -> list[x12.SegmentDraft]:
    ship_to = order.ship_to
    total = sum((line.price * line.packs for line in order.lines), Decimal("0.00"))
    return [
        ("BEG", "00", "NE", order.number, "", f"{order.ordered_on:%Y%m%d}"),
        ("CUR", "BY", order.currency),
        ("N1", "ST", _text(ship_to.name, 60), "91", ship_to.account),
        ("N3", _text(ship_to.line1, 55)),
        ("N4", _text(ship_to.city, 30), ship_to.state, ship_to.postal_code, ship_to.country),
        *(segment for line in order.lines for segment in _line(line)),
        ("CTT", str(len(order.lines))),
        ("AMT", "TT", f"{total:.2f}"),
    ]


def _line(line: OrderLine) -> list[x12.SegmentDraft]:
    product = ["VN", line.vendor_part]
    if line.gtin:
        product += ["UK", line.gtin]
    price = f"{line.price:.2f}"
    segments: list[x12.SegmentDraft] = [
        ("PO1", str(line.number), str(line.packs), line.unit_code, price, "UM", *product)
    ]
    if description := _text(line.description, 80):
        segments.append(("PID", "F", "08", "", "", description))
    return segments


def _text(value: str, longest: int) -> str:
    """Free text in X12's basic character set: accents dropped, separators and the rest blanks."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    kept = "".join(sign if sign.isprintable() and sign not in "*>~^" else " " for sign in plain)
    return " ".join(kept.split())[:longest].strip()
