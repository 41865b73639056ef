"""Insurance coverage of a patient (HL7 v2.5.1 §6.5.6 IN1, §6.5.7 IN2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from hub.domain.patients import PatientReference, PersonName


@dataclass(frozen=True, slots=True)
class Coverage:
    """One plan. `payer_code` is the payer's identifier as sent (leading zeros kept).

    `relationship` is self, spouse, child or other. Dates are inclusive; None means open.
    """

    priority: int
    payer_code: str
    payer_name: str = ""
    plan_name: str = ""
    group_number: str = ""
    member_id: str = ""
    relationship: str = "self"
    subscriber_name: PersonName | None = None
    subscriber_birth_date: date | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    plan_type: str = ""


@dataclass(frozen=True, slots=True)
class CoverageList:
    """A snapshot: replaces every coverage of the patient; an empty tuple clears the list."""

    patient: PatientReference
    coverages: tuple[Coverage, ...]
