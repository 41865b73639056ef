"""Messages of our own as drafts: SIU of HL7 v2.5.1 (chapter 10); pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connectors.hl7v2_destination.config import Config
from connectors.sdk.base import AppointmentNotice, Draft, OrderNotice
from connectors.sdk.hl7v2.acks import timestamp
from connectors.sdk.hl7v2.delimiters import Delimiters, read_delimiters
from connectors.sdk.hl7v2.escapes import escape
from hub.domain.patients import PatientReference, PersonName, Practitioner
from hub.domain.scheduling import Appointment
from hub.errors import Rejected

VERSION = "2.5.1"
_CANCELLED = {"cancelled": "S15", "discontinued": "S16", "deleted": "S17", "no_show": "S26"}
_STATUS = {
    "booked": "Booked",
    "cancelled": "Cancelled",
    "discontinued": "Discontinued",
    "deleted": "Deleted",
    "no_show": "Noshow",
    "completed": "Complete",
}
"""HL7 table 0278."""
_SEX = {"female": "F", "male": "M", "other": "O", "unknown": "U"}
_MARKS = read_delimiters(b"|", b"^~\\&")
_STRUCTURE = "SIU_S12"
_PATIENT = f"{_STRUCTURE}_PATIENT.PID"
_RESOURCES = f"{_STRUCTURE}_RESOURCES"

Segment = tuple[str, Mapping[int, str]]


def draft_appointment(config: Config, notice: AppointmentNotice) -> Draft:
    """S12 or S14 for what stands, S15, S16, S17 or S26 for what does not."""
    appointment = notice.appointment
    if appointment.starts_at is None:
        raise Rejected("The appointment has no time.", reason="no_time", path="SCH-11")
    require_named(appointment.patient)
    event = _CANCELLED.get(appointment.status, "S12" if notice.is_new else "S14")
    segments: list[Segment] = [
        ("MSH", header(config, notice, f"SIU^{event}^{_STRUCTURE}")),
        ("SCH", _schedule(notice, appointment, appointment.starts_at)),
        (_PATIENT, pid(appointment.patient)),
        (f"{_RESOURCES}.RGS", {1: "1"}),
        *_resources(appointment, appointment.starts_at),
    ]
    return Draft(_STRUCTURE, VERSION, tuple(segments))


def require_named(patient: PatientReference) -> None:
    """Rejected for a patient the receiver could not tell from others."""
    if not patient.identifiers or patient.name is None:
        raise Rejected("The patient has no number or no name.", reason="no_patient", path="PID-3")


def header(
    config: Config, notice: AppointmentNotice | OrderNotice, message_type: str
) -> Mapping[int, str]:
    """MSH; `message_type` has all three components of MSH-9."""
    return {
        3: text(config.sending_application),
        4: text(config.sending_facility),
        5: text(config.receiving_application),
        6: text(config.receiving_facility),
        7: timestamp(notice.sent_at),
        9: message_type,
        10: notice.control_id,
        11: config.processing_id,
        12: VERSION,
        18: "UNICODE UTF-8",
    }


def _schedule(notice: AppointmentNotice, appointment: Appointment, at: datetime) -> dict[int, str]:
    begins = timestamp(at)
    minutes = str(appointment.minutes) if appointment.minutes is not None else ""
    return {
        2: f"{text(notice.key)}^MSOHUB",
        6: text(appointment.reason or "") or "ROUTINE",
        7: text(appointment.reason or ""),
        8: text(appointment.type_code or ""),
        9: minutes,
        10: "min^minute^UCUM" if minutes else "",
        11: f"^^{minutes and f'M{minutes}'}^{begins}",
        16: person(appointment.practitioner) or "^MSOHUB",
        20: "^MSOHUB",
        25: _STATUS[appointment.status],
    }


def pid(patient: PatientReference) -> dict[int, str]:
    """PID with every number; the name is known."""
    numbers = [
        f"{text(one.value)}^^^{text(one.authority)}^{text(one.type)}" for one in patient.identifiers
    ]
    return {
        1: "1",
        3: "~".join(numbers),
        5: _name(patient.name),
        7: patient.birth_date.strftime("%Y%m%d") if patient.birth_date else "",
        8: _SEX.get(patient.sex or "", ""),
    }


def _resources(appointment: Appointment, at: datetime) -> list[Segment]:
    """The service, the place and the person, each with the appointment's time."""
    begins, segments = timestamp(at), list[Segment]()
    minutes = str(appointment.minutes) if appointment.minutes is not None else ""
    if appointment.service_code:
        fields = {1: "1", 3: text(appointment.service_code), 4: begins, 7: minutes}
        segments.append((f"{_RESOURCES}.{_STRUCTURE}_SERVICE.AIS", fields))
    if appointment.location:
        fields = {1: "1", 3: text(appointment.location), 6: begins}
        segments.append((f"{_RESOURCES}.{_STRUCTURE}_LOCATION_RESOURCE.AIL", fields))
    if who := person(appointment.practitioner):
        fields = {1: "1", 3: who, 6: begins}
        segments.append((f"{_RESOURCES}.{_STRUCTURE}_PERSONNEL_RESOURCE.AIP", fields))
    return segments


def person(practitioner: Practitioner | None) -> str:
    """XCN, by the NPI where there is one."""
    if practitioner is None:
        return ""
    number = practitioner.npi or practitioner.external_id
    authority = "^^^^^^NPI" if practitioner.npi else ""
    return f"{text(number)}^{_name(practitioner.name)}{authority}".rstrip("^")


def _name(name: PersonName | None) -> str:
    if name is None:
        return ""
    return "^".join(map(text, (name.family, name.given, name.middle))).rstrip("^")


def text(value: str) -> str:
    """Escaped, on one line."""
    marks: Delimiters | None = _MARKS
    assert marks is not None  # noqa: S101 - these delimiters are sound
    return escape(" ".join(value.split()), marks)
