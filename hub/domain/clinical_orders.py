"""Clinical orders: what was asked of a laboratory, an imaging site or a pharmacy (HL7 v2.5.1
chapter 4). Purchase orders are in `supply`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.care_roles import CareRole
from hub.domain.patients import PatientReference
from hub.domain.scheduling import Practitioner

ClinicalOrderStatus = Literal[
    "active", "on_hold", "completed", "cancelled", "discontinued", "replaced", "error", "unknown"
]


@dataclass(frozen=True, slots=True)
class ClinicalOrder:
    """One ORC with its detail. `placer_number` is who asked's (ORC-2), `filler_number` who does
    it's (ORC-3); one of them is enough.

    `status` None: the message does not change it. `replaces` is the number of the order this one
    takes the place of (RP or RU, then RO). Times are aware; texts that are None were not said.
    """

    patient: PatientReference
    placer_number: str = ""
    filler_number: str = ""
    status: ClinicalOrderStatus | None = None
    group_number: str | None = None
    code: str | None = None
    code_system: str | None = None
    name: str | None = None
    priority: str | None = None
    ordered_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    practitioner: Practitioner | None = None
    reason: str | None = None
    note: str | None = None
    visit_number: str | None = None
    replaces: str | None = None
    care_roles: tuple[CareRole, ...] = ()
