"""DG1: the diagnoses of a visit (HL7 v2.5.1 §6.5.2)."""

from __future__ import annotations

from connectors.ehr_hl7v2.mapping.patient_details import is_bare, is_cleared
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.encounters import Diagnosis


def diagnoses(reading: Reading) -> tuple[Diagnosis, ...] | None:
    """The snapshot of DG1 segments; None if there is none (no change), empty if all are null."""
    segments = reading.message.all("DG1")
    if all(map(is_bare, segments)):
        return None
    made = (_diagnosis(reading, one) for one in segments if not is_cleared(one))
    return tuple(one for one in made if one is not None)


def _diagnosis(reading: Reading, dg1: Segment) -> Diagnosis | None:
    if (dg1.value("21") or "").upper() == "D":  # the action code of later versions
        return None
    code, name, system = coded(dg1, "3")
    name = name or dg1.value("4")
    if not code and not name:
        reading.issue("diagnosis_missing", "DG1-3", "A diagnosis has neither code nor text.")
        return None
    diagnosed_at, precision = reading.precise(dg1, "5")
    return Diagnosis(
        code=code or "",
        name=name or "",
        code_system=system or dg1.value("2") or "",
        type=(dg1.value("6") or "").upper(),
        priority=reading.rank(dg1, "15"),
        diagnosed_at=diagnosed_at,
        diagnosed_at_precision=precision,
    )
