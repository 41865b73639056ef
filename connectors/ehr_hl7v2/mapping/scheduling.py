"""SIU: appointments (HL7 v2.5.1 chapter 10)."""

from __future__ import annotations

from datetime import datetime

from connectors.ehr_hl7v2.mapping.encounters import location
from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.resources import appointment_resources, minutes
from connectors.ehr_hl7v2.mapping.texts import coded, notes
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.patients import PatientReference
from hub.domain.scheduling import Appointment, AppointmentStatus
from hub.errors import Rejected

_BY_EVENT: dict[str, AppointmentStatus] = {
    "S15": "cancelled",
    "S16": "discontinued",
    "S17": "deleted",
    "S26": "no_show",
}
"""By event, which goes before SCH-25; of a booking, a move or a change SCH-25 says it."""
_TABLE_0278: dict[str, AppointmentStatus] = {
    "CANCELLED": "cancelled",
    "COMPLETE": "completed",
    "DC": "discontinued",
    "DELETED": "deleted",
    "NOSHOW": "no_show",
    **dict.fromkeys(("BLOCKED", "BOOKED", "OVERBOOK", "PENDING", "STARTED", "WAITLIST"), "booked"),
}
_STARTS = (("AIS", "4"), ("AIL", "6"), ("AIP", "6"), ("AIG", "8"), ("TQ1", "7"), ("SCH", "11.4"))


def appointment(reading: Reading, event: str, patient: PatientReference) -> tuple[str, Appointment]:
    """The appointment and its key: the filler's number (SCH-2), else the placer's (SCH-1)."""
    sch = reading.message.segment("SCH")
    key = sch.value("2.1") or sch.value("1.1")
    if not key:
        raise Rejected(
            "The appointment has no number: SCH-2 and SCH-1 are empty.",
            reason="key_missing",
            path="SCH-2",
        )
    status = _BY_EVENT.get(event) or _stated(reading, sch)
    resources, dropped = appointment_resources(reading)
    starts_at = _starts_at(reading, dropped, status)
    ais, aip, ail = (_first(reading, name, dropped) for name in ("AIS", "AIP", "AIL"))
    who = practitioner(aip, "3[1]")
    if who is None and aip.value("3[1]") == "":
        reading.clear("practitioner")
    return key, Appointment(
        patient=patient,
        status=status,
        starts_at=starts_at,
        minutes=_minutes(reading, ais, sch),
        practitioner=who,
        location=location(ail, "3"),
        service_code=coded(ais, "3")[0],
        reason=reading.text("appointment.reason"),
        type_code=reading.text("appointment.type"),
        note=notes(reading.message.all("NTE")),
        resources=resources,
    )


def _stated(reading: Reading, sch: Segment) -> AppointmentStatus:
    """SCH-25 (table 0278); what is in neither table nor dialect counts as booked, and is noted."""
    sent = sch.value("25.1") or ""
    own: AppointmentStatus | None = reading.config.values.appointment_status.get(sent)
    found = own or _TABLE_0278.get(sent.upper())
    if sent and found is None:
        text = "The status is not in table 0278 or the dialect; the appointment counts as booked."
        reading.issue("unknown_code", "SCH-25", text)
    return found or "booked"


def _first(reading: Reading, name: str, dropped: frozenset[int]) -> Segment:
    """The first segment of that id that the message does not take off the appointment."""
    found = (one for one in reading.message.all(name) if id(one) not in dropped)
    return next(found, reading.absent(name))


def _minutes(reading: Reading, ais: Segment, sch: Segment) -> int | None:
    found = minutes(reading, ais, "7", "8") or minutes(reading, sch, "9", "10")
    if found is None and "" in (ais.value("7"), sch.value("9")):
        reading.clear("minutes")
    return found


def _starts_at(
    reading: Reading, dropped: frozenset[int], status: AppointmentStatus
) -> datetime | None:
    null = ""
    for name, place in _STARTS:
        for segment in reading.message.all(name):
            if id(segment) in dropped:
                continue
            found = reading.time(segment, place)
            if found is not None:
                return found
            if not null and segment.value(place) == "":
                null = f"{name}-{place}"
    if null:
        reading.not_cleared(null)
    elif status == "booked":
        reading.issue("start_missing", "AIS-4", "The appointment names no time at which it starts.")
    return None
