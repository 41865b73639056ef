"""PR1: the procedures of a visit or of a charge (HL7 v2.5.1 §6.5.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.ehr_hl7v2.mapping.care_roles import is_role, procedure_roles, role
from connectors.ehr_hl7v2.mapping.patient_details import is_bare, is_cleared
from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.procedures import Procedure

MOST_MINUTES = 60 * 24 * 31


@dataclass
class _Group:
    pr1: Segment
    roles: list[Segment] = field(default_factory=list)


def procedures(reading: Reading, segments: Iterable[Segment]) -> tuple[Procedure, ...] | None:
    """The snapshot of PR1 segments, each with the roles behind it; None if there is none (no
    change), empty if all are null."""
    if "PR1" not in reading.message.names:
        return None
    groups = _groups(segments)
    if all(is_bare(one.pr1) and not one.roles for one in groups):
        return None
    reading.placed.update(each for one in groups for each in one.roles)
    made = (_procedure(reading, one) for one in groups if not is_cleared(one.pr1))
    return tuple(one for one in made if one is not None)


def _groups(segments: Iterable[Segment]) -> list[_Group]:
    groups: list[_Group] = []
    inside = False
    for segment in segments:
        if segment.id == "PR1":
            groups.append(_Group(segment))
        elif is_role(segment) and inside:
            groups[-1].roles.append(segment)
            continue
        inside = segment.id == "PR1"
    return groups


def _procedure(reading: Reading, group: _Group) -> Procedure | None:
    pr1 = group.pr1
    if (pr1.value("20") or "").upper() == "D":  # table 0206
        return None
    code, name, system = coded(*reading.part("procedure.code", pr1))
    name = name or pr1.value("4")
    if not code and not name:
        reading.issue("procedure_missing", "PR1-3", "A procedure has neither code nor text.")
        return None
    performed_at, precision = reading.precise_of("procedure.performed_at", pr1)
    performer = practitioner(*reading.part("procedure.performer", pr1))
    stated = (one for each in group.roles for one in role(reading, each) if not one.ended)
    return Procedure(
        code=code or "",
        name=name or "",
        code_system=system or pr1.value("2") or "",
        type=(pr1.value("6") or "").upper(),
        priority=reading.rank(pr1, "14"),
        performed_at=performed_at,
        performed_at_precision=precision,
        minutes=_minutes(reading, pr1),
        modifiers=_modifiers(pr1),
        diagnosis_code=pr1.value("15.1") or "",
        performer=performer,
        care_roles=(*procedure_roles(reading, pr1, performer), *stated),
    )


def _modifiers(pr1: Segment) -> tuple[str, ...]:
    found = (pr1.value(f"16[{number}].1") for number in range(1, pr1.repetitions(16) + 1))
    return tuple(code for code in found if code)


def _minutes(reading: Reading, pr1: Segment) -> int | None:
    amount = reading.number(pr1, "7")
    if amount is not None and not 0 <= amount <= MOST_MINUTES:
        reading.issue("bad_duration", "PR1-7", "The duration makes no sense; it was left out.")
        return None
    return round(amount) if amount is not None else None
