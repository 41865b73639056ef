"""Procedures done in a visit (HL7 v2.5.1 §6.5.4 PR1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.domain.care_roles import CareRole
from hub.domain.patients import Practitioner
from hub.domain.times import TimePrecision


@dataclass(frozen=True, slots=True)
class Procedure:
    """One PR1. `type` is table 0230, `priority` table 0418 (1 is primary); `minutes` is how long it
    took, `care_roles` who else took part. Times are aware."""

    code: str
    name: str = ""
    code_system: str = ""
    type: str = ""
    priority: int | None = None
    performed_at: datetime | None = None
    performed_at_precision: TimePrecision | None = None
    minutes: int | None = None
    modifiers: tuple[str, ...] = ()
    diagnosis_code: str = ""
    performer: Practitioner | None = None
    care_roles: tuple[CareRole, ...] = ()
