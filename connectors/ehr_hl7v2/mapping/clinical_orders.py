"""ORM O01, OML O21, OMG O19: orders (HL7 v2.5.1 §4.5.1 ORC, §4.5.3 OBR, §4.5.4 TQ1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.ehr_hl7v2.mapping.care_roles import is_role, role
from connectors.ehr_hl7v2.mapping.encounters import visit_number
from connectors.ehr_hl7v2.mapping.people import practitioner_of
from connectors.ehr_hl7v2.mapping.texts import coded, notes
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.clinical_orders import ClinicalOrder, ClinicalOrderStatus
from hub.domain.patients import PatientReference

# Table 0119. Where the control code only says that something happened, ORC-5 says what.
_BY_CONTROL: dict[str, ClinicalOrderStatus | None] = {
    **dict.fromkeys(("NW", "OK", "RO", "RL", "OE", "OR"), "active"),
    **dict.fromkeys(("CA", "OC", "CR"), "cancelled"),
    **dict.fromkeys(("DC", "OD", "DR"), "discontinued"),
    **dict.fromkeys(("HD", "OH", "HR"), "on_hold"),
    **dict.fromkeys(("RP", "RU", "RQ"), "replaced"),
    **dict.fromkeys(("XO", "XX", "XR"), None),
    **dict.fromkeys(("SC", "SN", "SR", "SS"), None),
}
_STATED = frozenset(control for control, status in _BY_CONTROL.items() if status is None)
_REPLACED = frozenset({"RP", "RU", "RQ"})
# Table 0038.
_BY_STATUS: dict[str, ClinicalOrderStatus] = {
    **dict.fromkeys(("A", "IP", "SC"), "active"),
    "CA": "cancelled",
    "CM": "completed",
    "DC": "discontinued",
    "ER": "error",
    "HD": "on_hold",
    "RP": "replaced",
}
_DETAILS = frozenset({"OBR", "RXO"})


@dataclass
class _Group:
    orc: Segment
    detail: Segment | None = None
    timing: Segment | None = None
    notes: list[Segment] = field(default_factory=list)
    roles: list[Segment] = field(default_factory=list)
    again: bool = False
    """A further detail under the same ORC, which then has numbers of its own."""


def orders(reading: Reading, patient: PatientReference) -> Iterator[tuple[str, ClinicalOrder]]:
    """Each order and its key: the placer's number, else the filler's."""
    visit = visit_number(reading)
    keys: set[str] = set()
    replaced: str | None = None
    for group in _groups(reading):
        at = _segments(reading, group)
        placer = reading.text("order.placer_number", *at) or ""
        filler = reading.text("order.filler_number", *at) or ""
        if not placer and not filler:
            reading.issue("key_missing", "ORC-2", "An order has no number; it was left out.")
            continue
        code, name, system = coded(*reading.part("order.code", *at))
        key = f"placer|{placer}" if placer else f"filler|{filler}"
        if key in keys:
            key = f"{key}|{code or len(keys)}"
        keys.add(key)
        control = (group.orc.value("1") or "").upper()
        reading.label_next(reading.label("order.sensitivity", *at))
        yield (
            key,
            ClinicalOrder(
                patient=patient,
                placer_number=placer,
                filler_number=filler,
                status=_status(reading, group.orc, control),
                group_number=group.orc.value("4.1"),
                code=code,
                code_system=system,
                name=name,
                priority=reading.text("order.priority", *at),
                ordered_at=reading.time_of("order.ordered_at", *at),
                starts_at=reading.time_of("order.starts_at", *at),
                ends_at=reading.time_of("order.ends_at", *at),
                practitioner=practitioner_of(reading, "order.practitioner", *at),
                reason=reading.text("order.reason", *at),
                note=notes(group.notes),
                visit_number=visit,
                replaces=replaced if control == "RO" else None,
                care_roles=tuple(one for each in group.roles for one in role(reading, each)),
            ),
        )
        if control in _REPLACED:
            replaced = placer or filler


def _segments(reading: Reading, group: _Group) -> tuple[Segment, ...]:
    orc = reading.absent("ORC") if group.again else group.orc
    detail, timing = group.detail, group.timing
    found = (orc, timing or reading.absent("TQ1"), *([detail] if detail else []))
    return (*found, reading.absent("OBR"), reading.absent("RXO"))


def _status(reading: Reading, orc: Segment, control: str) -> ClinicalOrderStatus | None:
    if control not in _BY_CONTROL:
        reading.issue(
            "unknown_code", "ORC-1", "The order control is not handled; the order's state stays."
        )
        return None
    if control not in _STATED:
        return _BY_CONTROL[control]
    sent = orc.value("5")
    if not sent:
        return "unknown" if sent == "" else None
    own: ClinicalOrderStatus | None = reading.config.values.order_status.get(sent)
    status = own or _BY_STATUS.get(sent.upper())
    if status is None:
        reading.issue(
            "unknown_code", "ORC-5", "The order status is not in table 0038 or the dialect."
        )
    return status


def _groups(reading: Reading) -> list[_Group]:
    """An ORC begins an order; so does a further detail after one that has its own."""
    groups: list[_Group] = []
    previous = ""
    for segment in reading.message:
        if segment.id == "ORC":
            groups.append(_Group(segment))
        elif segment.id in _DETAILS:
            if not groups:
                groups.append(_Group(reading.absent("ORC")))
            elif groups[-1].detail is not None:
                groups.append(_Group(groups[-1].orc, timing=groups[-1].timing, again=True))
            groups[-1].detail = segment
        elif segment.id == "TQ1" and groups:
            groups[-1].timing = reading.first(groups[-1].timing, segment)
        elif segment.id == "NTE" and groups and previous in _DETAILS | {"ORC", "TQ1"}:
            groups[-1].notes.append(segment)
        elif segment.id == "NTE":
            reading.note_unplaced()
        elif is_role(segment) and groups and previous in _DETAILS | {"ORC", "TQ1"}:
            groups[-1].roles.append(segment)
            continue
        if segment.id != "NTE":
            previous = segment.id
    return groups
