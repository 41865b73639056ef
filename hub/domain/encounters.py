"""Encounters: visits of a patient (HL7 v2.5.1 §3.4.9 PV1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.patients import PatientReference
from hub.domain.scheduling import Practitioner

EncounterStatus = Literal["planned", "registered", "in_progress", "finished", "cancelled"]
EncounterClass = Literal["inpatient", "outpatient", "emergency", "preadmit", "other"]


@dataclass(frozen=True, slots=True)
class Encounter:
    """A visit. `status` None: the message does not change it (A08 never reopens). Times are
    aware."""

    patient: PatientReference
    status: EncounterStatus | None
    encounter_class: EncounterClass | None = None
    location: str | None = None
    attending: Practitioner | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    discharge_disposition: str | None = None
