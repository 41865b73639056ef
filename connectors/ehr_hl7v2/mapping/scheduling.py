"""SIU: appointments (HL7 v2.5.1 chapter 10)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from connectors.ehr_hl7v2.mapping.encounters import location, practitioner
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.patients import PatientReference
from hub.domain.scheduling import Appointment, AppointmentStatus
from hub.errors import Rejected

_BY_EVENT: dict[str, AppointmentStatus] = {
    "S12": "booked",
    "S13": "booked",
    "S15": "cancelled",
    "S16": "discontinued",
    "S17": "deleted",
    "S26": "no_show",
}
_TABLE_0278: dict[str, AppointmentStatus] = {
    "CANCELLED": "cancelled",
    "COMPLETE": "completed",
    "DC": "discontinued",
    "DELETED": "deleted",
    "NOSHOW": "no_show",
}
_MINUTES = {"": Decimal(1), "MIN": Decimal(1), "M": Decimal(1), "H": Decimal(60), "HR": Decimal(60)}
_MINUTES |= {"S": Decimal(1) / 60, "SEC": Decimal(1) / 60}
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
    status = _BY_EVENT.get(event) or _TABLE_0278.get((sch.value("25.1") or "").upper(), "booked")
    starts_at = _starts_at(reading)
    if starts_at is None and status == "booked":
        reading.issue("start_missing", "AIS-4", "The appointment names no time at which it starts.")
    ais, aip, ail = (reading.message.segment(name) for name in ("AIS", "AIP", "AIL"))
    return key, Appointment(
        patient=patient,
        status=status,
        starts_at=starts_at,
        minutes=_minutes(reading, ais, "7", "8") or _minutes(reading, sch, "9", "10"),
        practitioner=practitioner(aip, "3[1]"),
        location=location(ail, "3"),
        service_code=ais.value("3.1"),
        reason=sch.value("7.2") or sch.value("7.1"),
    )


def _starts_at(reading: Reading) -> datetime | None:
    for name, place in _STARTS:
        found = reading.time(reading.message.segment(name), place)
        if found is not None:
            return found
    return None


def _minutes(reading: Reading, segment: Segment, value: str, unit: str) -> int | None:
    amount = reading.number(segment, value)
    if amount is None:
        return None
    factor = _MINUTES.get((segment.value(f"{unit}.1") or "").upper())
    minutes = round(amount * factor) if factor is not None else 0
    if not 0 < minutes <= 60 * 24 * 31:
        reading.issue(
            "bad_duration", f"{segment.id}-{value}", "The duration or its unit makes no sense."
        )
        return None
    return minutes
