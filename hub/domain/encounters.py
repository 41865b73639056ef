"""Encounters: visits of a patient (HL7 v2.5.1 §3.4.9 PV1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.care_roles import CareRole
from hub.domain.patients import PatientReference
from hub.domain.procedures import Procedure
from hub.domain.scheduling import Practitioner
from hub.domain.times import TimePrecision

EncounterStatus = Literal[
    "planned", "registered", "in_progress", "on_leave", "finished", "cancelled"
]
EncounterClass = Literal["inpatient", "outpatient", "emergency", "preadmit", "other"]
Movement = Literal["leave", "return", "cancel_transfer", "cancel_leave", "cancel_return"]
StayKind = Literal["location", "leave"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One DG1. `type` is table 0052 (A admitting, W working, F final); `priority` 1 is primary."""

    code: str
    name: str = ""
    code_system: str = ""
    type: str = ""
    priority: int | None = None
    diagnosed_at: datetime | None = None
    diagnosed_at_precision: TimePrecision | None = None


@dataclass(frozen=True, slots=True)
class Encounter:
    """A visit. `status` None: the message does not change it (A08 never reopens). Times are aware.

    `movement` says what the message did besides stating a location (A12, A21, A22, A52, A53);
    `prior_visit_number` is the number of the visit this one continues (A06, A07: MRG-5).
    `stated_at_precision` is how exactly the message says when it happened.
    `prior_location` is where a move (A02) came from (PV1-6).
    `diagnoses` and `procedures` replace the list there is; None: the message names none.
    `care_roles` are those of others than the attending.
    """

    patient: PatientReference
    status: EncounterStatus | None
    encounter_class: EncounterClass | None = None
    location: str | None = None
    attending: Practitioner | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    discharge_disposition: str | None = None
    admission_type: str | None = None
    hospital_service: str | None = None
    admit_source: str | None = None
    reason: str | None = None
    movement: Movement | None = None
    prior_visit_number: str | None = None
    diagnoses: tuple[Diagnosis, ...] | None = None
    starts_at_precision: TimePrecision | None = None
    ends_at_precision: TimePrecision | None = None
    prior_location: str | None = None
    stated_at_precision: TimePrecision | None = None
    procedures: tuple[Procedure, ...] | None = None
    care_roles: tuple[CareRole, ...] = ()
