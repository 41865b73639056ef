"""Appointments (HL7 v2.5.1 chapter 10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.patients import PatientReference, PersonName

AppointmentStatus = Literal[
    "booked", "cancelled", "discontinued", "deleted", "no_show", "completed"
]


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A person who provides care; `npi` is the ten-digit National Provider Identifier or empty."""

    external_id: str
    name: PersonName | None = None
    npi: str = ""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booked time. `starts_at` is aware; `minutes` is the planned duration.

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
