"""Who takes part in care, and as what (HL7 v2.5.1 §15.4.7 ROL, v2.7 chapter 7 PRT)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.domain.patients import Practitioner
from hub.domain.times import TimePrecision


@dataclass(frozen=True, slots=True)
class CareRole:
    """One practitioner in one role: of a patient, a visit, an order or a procedure.

    `role` is table 0443 or 0912 as sent, `role_name` its text. With a `listed_in` (``PV1-8``) it is
    one of the whole list that this field states, which is empty where `practitioner` is None;
    without, it is added or changed by itself, or taken back where it is `ended` (ROL-2 DE, UN).
    Times are aware.
    """

    role: str
    practitioner: Practitioner | None
    role_name: str = ""
    starts_at: datetime | None = None
    starts_at_precision: TimePrecision | None = None
    ends_at: datetime | None = None
    ends_at_precision: TimePrecision | None = None
    listed_in: str = ""
    ended: bool = False
