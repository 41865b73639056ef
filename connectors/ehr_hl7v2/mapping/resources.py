"""AIS, AIG, AIL, AIP: what an appointment takes up (HL7 v2.5.1 §10.6.4 to §10.6.7)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from connectors.ehr_hl7v2.mapping.encounters import location
from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.scheduling import AppointmentResource, ResourceChange, ResourceKind

# Where each segment has its resource, its start, its duration and the unit of that.
_PLACES: dict[str, tuple[ResourceKind, str, str, str, str]] = {
    "AIS": ("service", "3", "4", "7", "8"),
    "AIG": ("thing", "3", "8", "11", "12"),
    "AIL": ("place", "3", "6", "9", "10"),
    "AIP": ("person", "3[1]", "6", "9", "10"),
}
# Table 0206.
_CHANGE: dict[str, ResourceChange] = {"A": "add", "U": "update", "D": "delete", "X": "none"}
_MINUTES = {"": Decimal(1), "MIN": Decimal(1), "M": Decimal(1), "H": Decimal(60), "HR": Decimal(60)}
_MINUTES |= {"S": Decimal(1) / 60, "SEC": Decimal(1) / 60}


def appointment_resources(
    reading: Reading,
) -> tuple[tuple[AppointmentResource, ...] | None, frozenset[int]]:
    """The resources in order, None if the message names none; and the ids of the segments that it
    takes off the appointment.

    A group (RGS-2) that is deleted takes all of its resources with it, whatever they say of
    themselves; one that names none of them cannot be told apart from the others.
    """
    found: list[AppointmentResource] = []
    dropped: set[int] = set()
    named = False
    deleted = empty = False
    for segment in reading.message:
        if segment.id == "RGS":
            _note_empty(reading, empty=empty)
            deleted = empty = _is_deleted(reading, segment)
        if segment.id not in _PLACES:
            continue
        named, empty = True, False
        resource = _resource(reading, segment)
        if resource is not None and deleted:
            resource = replace(resource, change="delete")
        if resource is not None:
            found.append(resource)
            if resource.change == "delete":
                dropped.add(id(segment))
    _note_empty(reading, empty=empty)
    return (tuple(found) if named else None), frozenset(dropped)


def _is_deleted(reading: Reading, rgs: Segment) -> bool:
    sent = (rgs.value("2") or "").upper()
    if sent and sent not in _CHANGE:
        reading.issue("unknown_code", "RGS-2", "The action code is not in table 0206.")
    return _CHANGE.get(sent) == "delete"


def _note_empty(reading: Reading, *, empty: bool) -> None:
    if empty:
        reading.issue(
            "group_unknown",
            "RGS-2",
            "A group of resources is deleted that names none of them; nothing was taken off.",
        )


def _resource(reading: Reading, segment: Segment) -> AppointmentResource | None:
    kind, at, start, duration, unit = _PLACES[segment.id]
    sent = (segment.value("2") or "").upper()
    if sent and sent not in _CHANGE:
        reading.issue("unknown_code", f"{segment.id}-2", "The action code is not in table 0206.")
    who = practitioner(segment, at) if kind == "person" else None
    code, name, _ = coded(segment, at)
    role = ""
    if kind == "person":
        role = segment.value("4.1") or ""
        code = who.external_id if who else None
        name = (
            ", ".join(part for part in (who.name.family, who.name.given) if part)
            if (who and who.name)
            else ""
        )
    elif kind == "place":
        code, name = location(segment, at), ""
    if not code and not name:
        reading.issue(
            "resource_missing", f"{segment.id}-3", "A resource has neither code nor name."
        )
        return None
    return AppointmentResource(
        kind=kind,
        code=code or "",
        name=name or "",
        role=role,
        starts_at=reading.time(segment, start),
        minutes=minutes(reading, segment, duration, unit),
        practitioner=who,
        change=_CHANGE.get(sent),
    )


def minutes(reading: Reading, segment: Segment, value: str, unit: str) -> int | None:
    """A duration in whole minutes; None if absent, or if it makes no sense (with an issue)."""
    amount = reading.number(segment, value)
    if amount is None:
        return None
    factor = _MINUTES.get((segment.value(f"{unit}.1") or "").upper())
    found = round(amount * factor) if factor is not None else 0
    if not 0 < found <= 60 * 24 * 31:
        reading.issue(
            "bad_duration", f"{segment.id}-{value}", "The duration or its unit makes no sense."
        )
        return None
    return found
