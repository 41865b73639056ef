"""PV1: visits (HL7 v2.5.1 §3.4.9)."""

from __future__ import annotations

from datetime import datetime

from connectors.ehr_hl7v2.mapping.care_roles import visit_roles
from connectors.ehr_hl7v2.mapping.diagnoses import diagnoses
from connectors.ehr_hl7v2.mapping.people import practitioner_of
from connectors.ehr_hl7v2.mapping.procedures import procedures
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.encounters import Encounter, EncounterClass, EncounterStatus, Movement
from hub.domain.patients import PatientReference
from hub.domain.times import TimePrecision

_CLASS: dict[str, EncounterClass] = {
    "I": "inpatient",
    "B": "inpatient",
    "O": "outpatient",
    "R": "outpatient",
    "E": "emergency",
    "P": "preadmit",
    **dict.fromkeys(("C", "N", "U"), "other"),
}

STATUS: dict[str, EncounterStatus] = {
    "A01": "in_progress",
    "A03": "finished",
    "A04": "registered",
    "A05": "planned",
    "A11": "cancelled",
    "A13": "in_progress",
    "A21": "on_leave",
    "A22": "in_progress",
    "A52": "in_progress",
    "A53": "on_leave",
}
"""By event; events that are not here (A02, A06, A07, A08, A12) leave the status as it is."""

_MOVEMENT: dict[str, Movement] = {
    "A12": "cancel_transfer",
    "A21": "leave",
    "A22": "return",
    "A52": "cancel_leave",
    "A53": "cancel_return",
}
_CLASS_BY_EVENT: dict[str, EncounterClass] = {"A06": "inpatient", "A07": "outpatient"}


def visit_number(reading: Reading) -> str | None:
    """PV1-19, else PV1-50, else PID-18, where the dialect does not say otherwise."""
    return reading.text("visit.number") or None


def encounter(
    reading: Reading, event: str, patient: PatientReference
) -> tuple[str, Encounter] | None:
    """The visit and its key; None where the message has no visit."""
    pv1 = reading.message.segment("PV1")
    if not pv1 or pv1.value("2") == "N":
        _note_no_visit(reading, event, pv1)
        return None
    key = visit_number(reading)
    if key is None:
        reading.issue("visit_number_missing", "PV1-19", "The visit has no number; it was left out.")
        return None
    begins = _begins(reading, pv1, event)
    if event == "A13":
        reading.clear("ends_at")
    ends = (None, None) if event == "A13" else reading.precise_of("visit.ends_at", pv1)
    prior = reading.text("visit.prior_number", pv1) if event in _CLASS_BY_EVENT else None
    return key, Encounter(
        patient=patient,
        status=STATUS.get(event),
        encounter_class=_class(reading, pv1, event),
        location=location(*reading.part("visit.location", pv1)),
        attending=practitioner_of(reading, "visit.attending", pv1),
        starts_at=begins[0],
        starts_at_precision=begins[1],
        ends_at=ends[0],
        ends_at_precision=ends[1],
        discharge_disposition=(
            "" if event == "A13" else reading.text("visit.discharge_disposition", pv1)
        ),
        admission_type=reading.text("visit.admission_type", pv1),
        hospital_service=reading.text("visit.hospital_service", pv1),
        admit_source=reading.text("visit.admit_source", pv1),
        reason=reading.text("visit.reason", pv1),
        prior_location=_prior_location(reading, pv1) if event == "A02" else None,
        stated_at_precision=reading.occurred()[1],
        movement=_MOVEMENT.get(event),
        prior_visit_number=prior if prior != key else None,
        diagnoses=diagnoses(reading),
        procedures=procedures(reading, reading.message),
        care_roles=visit_roles(reading, pv1),
    )


def _note_no_visit(reading: Reading, event: str, pv1: Segment) -> None:
    """Tell of an event of a visit without PV1, and of what belongs to a visit where none is."""
    names = reading.message.names
    if (event in STATUS and not pv1) or "DG1" in names or "PR1" in names:
        text = "The message names no visit; what it says of one was left out."
        reading.issue("visit_number_missing", "PV1-19", text)


def _begins(
    reading: Reading, pv1: Segment, event: str
) -> tuple[datetime | None, TimePrecision | None]:
    """PV1-44; of a visit that is planned (A05, or A08 while PV1-2 says preadmit) PV2-8, if it says
    something."""
    if event == "A05" or (event == "A08" and _class(reading, pv1, event) == "preadmit"):
        expected = reading.precise_of("visit.expected_at", pv1)
        if expected[0] is not None:
            return expected
    elif reading.text("visit.expected_at", pv1) and not reading.text("visit.starts_at", pv1):
        place = reading.place("visit.expected_at", pv1)
        text = "The visit is not planned any more; when it was expected was left out."
        reading.issue("fields_not_read", place, text)
    return reading.precise_of("visit.starts_at", pv1)


def _class(reading: Reading, pv1: Segment, event: str) -> EncounterClass | None:
    """PV1-2; a change of class (A06, A07) whose PV1-2 is missing says it by its event."""
    sent = reading.text("visit.class", pv1)
    if not sent:
        return _CLASS_BY_EVENT.get(event) or ("other" if sent == "" else None)
    own: EncounterClass | None = reading.config.values.encounter_class.get(sent)
    found = own or _CLASS.get(sent.upper())
    if found is None:
        place = reading.place("visit.class", pv1)
        reading.issue("unknown_code", place, "The class is not in table 0004 or the dialect.")
    return found or "other"


def _prior_location(reading: Reading, pv1: Segment) -> str | None:
    return location(*reading.part("visit.prior_location", pv1)) or None


def location(segment: Segment, at: str) -> str | None:
    """Point of care, room and bed of a PL, separated by slashes; None if the sender says
    nothing.
    """
    parts = segment.values(at, 3)
    if not any(parts) and not segment.raw(at):
        return None
    return "/".join([part for part in parts if part])
