"""Results (HL7 v2.5.1 chapter 7, ORU R01)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from hub.domain.patients import PatientReference
from hub.domain.times import TimePrecision

ObservationStatus = Literal[
    "registered", "preliminary", "final", "corrected", "deleted", "wrong_patient"
]


@dataclass(frozen=True, slots=True)
class Observation:
    """One OBX. `value_text` is as sent; `value_number` its exact decimal where OBX-2 is NM,
    `value_code` its code where it is coded.

    `key` is OBX-3 code plus OBX-4 sub-id, unique within the report. Where `value_stands`, the
    source says a status only (OBX-11 U): what is empty here stays as it was.
    """

    key: str
    code: str
    code_system: str
    name: str
    value_type: str
    value_text: str
    value_number: Decimal | None = None
    unit: str = ""
    reference_range: str = ""
    abnormal_flags: str = ""
    status: ObservationStatus = "final"
    observed_at: datetime | None = None
    note: str = ""
    value_code: str = ""
    value_code_system: str = ""
    method: str = ""
    performer: str = ""
    observed_at_precision: TimePrecision | None = None
    value_stands: bool = False


@dataclass(frozen=True, slots=True)
class ObservationReport:
    """One OBR with its results; the record's `external_id` is OBR-3, else OBR-2 with OBR-4.

    The numbers are those of the order it answers; `parent_number` is the report this one refines
    (OBR-29), `parent_code` the result there (OBR-26).
    """

    patient: PatientReference
    code: str
    name: str
    observations: tuple[Observation, ...]
    visit_number: str | None = None
    placer_number: str = ""
    filler_number: str = ""
    specimen: str = ""
    parent_number: str = ""
    parent_code: str = ""
