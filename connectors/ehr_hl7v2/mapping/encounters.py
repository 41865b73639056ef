"""PV1: visits, and XCN: who provides care (HL7 v2.5.1 §3.4.9)."""

from __future__ import annotations

from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.encounters import Encounter, EncounterClass, EncounterStatus
from hub.domain.patients import PatientReference, PersonName
from hub.domain.scheduling import Practitioner

_CLASS: dict[str, EncounterClass] = {
    "I": "inpatient",
    "B": "inpatient",
    "O": "outpatient",
    "R": "outpatient",
    "E": "emergency",
    "P": "preadmit",
}
_NPI_AUTHORITIES = frozenset({"NPI", "2.16.840.1.113883.4.6"})

STATUS: dict[str, EncounterStatus] = {
    "A01": "in_progress",
    "A03": "finished",
    "A04": "registered",
    "A05": "planned",
    "A11": "cancelled",
}
"""By event; events that are not here (A08) leave the status as it is."""


def visit_number(reading: Reading) -> str | None:
    """PV1-19, else PV1-50, else PID-18."""
    pv1, pid = reading.message.segment("PV1"), reading.message.segment("PID")
    return pv1.value("19.1") or pv1.value("50.1") or pid.value("18.1") or None


def encounter(
    reading: Reading, event: str, patient: PatientReference
) -> tuple[str, Encounter] | None:
    """The visit and its key; None where the message has no visit."""
    pv1 = reading.message.segment("PV1")
    if not pv1 or pv1.value("2") == "N":
        return None
    key = visit_number(reading)
    if key is None:
        reading.issue("visit_number_missing", "PV1-19", "The visit has no number; it was left out.")
        return None
    sent = pv1.value("2")
    return key, Encounter(
        patient=patient,
        status=STATUS.get(event),
        encounter_class=_CLASS.get(sent.upper(), "other") if sent else None,
        location=location(pv1, "3"),
        attending=practitioner(pv1, "7[1]"),
        starts_at=reading.time(pv1, "44"),
        ends_at=reading.time(pv1, "45"),
        discharge_disposition=pv1.value("36.1"),
    )


def location(segment: Segment, at: str) -> str | None:
    """Point of care, room and bed of a PL, separated by slashes; None if the sender says
    nothing.
    """
    if not segment.raw(at):
        return None
    parts = [segment.value(f"{at}.{position}") or "" for position in range(1, 4)]
    return "/".join(part for part in parts if part)


def practitioner(segment: Segment, at: str) -> Practitioner | None:
    """One XCN; the NPI is recognised by its type (table 0203) or authority, never by its look."""
    number = segment.value(f"{at}.1") or ""
    family = segment.value(f"{at}.2")
    if not number and not family:
        return None
    authority = {segment.value(f"{at}.9.1"), segment.value(f"{at}.9.2")}
    is_npi = segment.value(f"{at}.13") == "NPI" or bool(authority & _NPI_AUTHORITIES)
    name = PersonName(
        family or "",
        *(segment.value(f"{at}.{position}") or "" for position in range(3, 7)),
    )
    return Practitioner(number, name if family else None, number if is_npi else "")
