"""Clinical orders of our own as drafts: OML^O21 (HL7 v2.5.1 §4.4.6) or ORM^O01 (§4.4.1); pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connectors.hl7v2_destination.config import Config
from connectors.hl7v2_destination.render import (
    VERSION,
    Segment,
    header,
    person,
    pid,
    require_named,
    text,
)
from connectors.sdk.base import Draft, OrderNotice
from connectors.sdk.hl7v2.acks import timestamp
from hub.domain.clinical_orders import ClinicalOrder
from hub.errors import Rejected

_CONTROL = {"cancelled": "CA", "discontinued": "DC", "on_hold": "HD"}
"""HL7 table 0119, for what is no longer or not now to be done."""
_STATUS = {
    "active": "IP",
    "on_hold": "HD",
    "completed": "CM",
    "cancelled": "CA",
    "discontinued": "DC",
    "replaced": "RP",
    "error": "ER",
}
"""HL7 table 0038."""
_STRUCTURE = "OML_O21"
_ORDER = f"{_STRUCTURE}_ORDER"
_REQUEST = f"{_ORDER}.{_STRUCTURE}_OBSERVATION_REQUEST"


def draft_order(config: Config, notice: OrderNotice) -> Draft:
    """NW for an order the receiver does not know, XO for a change; CA, DC and HD as it stands."""
    order = notice.order
    require_named(order.patient)
    if not order.code:
        raise Rejected("The order does not say what is asked for.", reason="no_code", path="OBR-4")
    if config.order_message == "ORM^O01":
        return Draft("ORM_O01", VERSION, _segments_of_orm(config, notice))
    segments: list[Segment] = [
        ("MSH", header(config, notice, f"OML^O21^{_STRUCTURE}")),
        (f"{_STRUCTURE}_PATIENT.PID", pid(order.patient)),
        (f"{_ORDER}.ORC", _common(notice, order)),
        (f"{_REQUEST}.OBR", _request(notice, order)),
    ]
    return Draft(_STRUCTURE, VERSION, tuple(segments))


def _segments_of_orm(config: Config, notice: OrderNotice) -> tuple[Segment, ...]:
    """ORM_O01 without its groups (HL7 v2.5.1 §4.4.1)."""
    return (
        ("MSH", header(config, notice, "ORM^O01^ORM_O01")),
        ("PID", pid(notice.order.patient)),
        ("ORC", _common(notice, notice.order)),
        ("OBR", _request(notice, notice.order)),
    )


def _common(notice: OrderNotice, order: ClinicalOrder) -> Mapping[int, str]:
    control = _CONTROL.get(order.status or "", "NW" if notice.is_new else "XO")
    return {
        1: control,
        2: _placer(notice, order),
        3: text(order.filler_number),
        4: text(order.group_number or ""),
        5: "" if control == "NW" else _STATUS.get(order.status or "", ""),
        7: _timing(order),
        9: _time(order.ordered_at),
        12: person(order.practitioner),
    }


def _request(notice: OrderNotice, order: ClinicalOrder) -> Mapping[int, str]:
    return {
        1: "1",
        2: _placer(notice, order),
        3: text(order.filler_number),
        4: "^".join(
            text(part or "") for part in (order.code, order.name, order.code_system)
        ).rstrip("^"),
        16: person(order.practitioner),
        27: _timing(order),
        31: f"^{text(order.reason)}" if order.reason else "",
    }


def _placer(notice: OrderNotice, order: ClinicalOrder) -> str:
    return text(order.placer_number) or f"{text(notice.key)}^MSOHUB"


def _timing(order: ClinicalOrder) -> str:
    """TQ: when it is to be done (components 4 and 5) and how urgently (6)."""
    parts = (_time(order.starts_at), _time(order.ends_at), text(order.priority or ""))
    return "^^^" + "^".join(parts) if any(parts) else ""


def _time(at: datetime | None) -> str:
    return timestamp(at) if at is not None else ""
