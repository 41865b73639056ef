"""Immunizations: given, reported as given elsewhere, refused (HL7 v2.5.1 §4.14.7 RXA)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from hub.domain.patients import PatientReference
from hub.domain.scheduling import Practitioner
from hub.domain.times import TimePrecision

ImmunizationStatus = Literal[
    "completed", "partially_administered", "refused", "not_administered", "deleted"
]


@dataclass(frozen=True, slots=True)
class Immunization:
    """One RXA. `administered_on` is the date as sent, or the first day of the month or year where
    no more was, as `administered_precision` says; `administered_at` is the aware moment where a
    time was sent too.

    `historical` True: reported, not given by the sender; None: not said. `amount` None: unknown
    (999) or not said.
    """

    patient: PatientReference
    status: ImmunizationStatus
    administered_on: date
    vaccine_code: str
    vaccine_system: str = ""
    vaccine_name: str = ""
    administered_at: datetime | None = None
    historical: bool | None = None
    amount: Decimal | None = None
    unit: str = ""
    lot_number: str = ""
    expires_on: date | None = None
    manufacturer_code: str = ""
    manufacturer_name: str = ""
    refusal_code: str = ""
    refusal_reason: str = ""
    route_code: str = ""
    site_code: str = ""
    funding_code: str = ""
    practitioner: Practitioner | None = None
    note: str = ""
    visit_number: str | None = None
    administered_precision: TimePrecision | None = None
