"""Appointments (HL7 v2.5.1 chapter 10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.patients import PatientReference, Practitioner

__all__ = [
    "Appointment",
    "AppointmentResource",
    "AppointmentStatus",
    "Practitioner",
    "ResourceChange",
    "ResourceKind",
]

AppointmentStatus = Literal[
    "booked", "cancelled", "discontinued", "deleted", "no_show", "completed"
]


ResourceKind = Literal["service", "person", "place", "thing"]
ResourceChange = Literal["add", "update", "delete", "none"]


@dataclass(frozen=True, slots=True)
class AppointmentResource:
    """What an appointment takes up: AIS a service, AIP a person, AIL a place, AIG a thing.

    `change` is the sender's action code (table 0206), None where it sent none.
    """

    kind: ResourceKind
    code: str
    name: str = ""
    role: str = ""
    starts_at: datetime | None = None
    minutes: int | None = None
    practitioner: Practitioner | None = None
    change: ResourceChange | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booked time. `starts_at` is aware; `minutes` is the planned duration. `resources` None:
    the message names none (no change).

    None in `starts_at` or `minutes` means the message did not say (a cancellation often omits
    them).
    """

    patient: PatientReference
    status: AppointmentStatus
    starts_at: datetime | None = None
    minutes: int | None = None
    practitioner: Practitioner | None = None
    location: str | None = None
    service_code: str | None = None
    reason: str | None = None
    type_code: str | None = None
    note: str | None = None
    resources: tuple[AppointmentResource, ...] | None = None
