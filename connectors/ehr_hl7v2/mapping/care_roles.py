"""ROL, PRT and the people of PV1: who takes part in what (HL7 v2.5.1 §15.4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import NULL, Segment
from hub.domain.care_roles import CareRole
from hub.domain.patients import Practitioner

# Where each segment has its action code, the role, the person, the begin and the end.
_PLACES: dict[str, tuple[str, str, int, str, str]] = {
    "ROL": ("2", "3", 4, "5", "6"),
    "PRT": ("2", "4", 5, "11", "12"),
}
_OWNERS: dict[str, str] = {
    **dict.fromkeys(("PID", "PD1", "NK1"), "patient"),
    **dict.fromkeys(("PV1", "PV2", "DB1", "AL1", "DG1", "DRG"), "visit"),
    **dict.fromkeys(("ORC", "OBR", "RXO", "TQ1"), "order"),
    "PR1": "procedure",
    **dict.fromkeys(("OBX", "SPM", "FT1", "GT1", "IN1", "IN2", "IN3"), ""),
}
"""Whose roles follow a segment; nobody's where it is empty (`unread.note_unplaced` tells)."""
# Table 0287.
_ENDED = frozenset({"DE", "UN"})
_KEPT = frozenset({"", "AD", "CO", "LI", "UC", "UP"})
# Table 0443.
_OF_VISIT = (("RP", "visit.referring"), ("CP", "visit.consulting"), ("AD", "visit.admitting"))
# Table 0133.
_OF_PROCEDURE = (
    ("AN", "procedure.anesthesiologist"),
    ("PS", "procedure.surgeon"),
    ("PR", "procedure.practitioner"),
)


def is_role(segment: Segment) -> bool:
    """Whether a segment says who takes part."""
    return segment.id in _PLACES


def roles_of(reading: Reading, *owners: str) -> tuple[CareRole, ...]:
    """The roles that stand behind the segments of ``patient`` or ``visit``."""
    if not any(name in _PLACES for name in reading.message.names):
        return ()
    owner = "patient"
    found: list[CareRole] = []
    for segment in reading.message:
        owner = _OWNERS.get(segment.id, owner)
        if is_role(segment) and owner in owners:
            found.extend(role(reading, segment))
    return tuple(found)


def visit_roles(reading: Reading, pv1: Segment) -> tuple[CareRole, ...]:
    """The referring, consulting and admitting of PV1, and the roles behind the visit."""
    if pv1.repetitions(7) > 1:
        reading.issue(
            "attending_repeated", "PV1-7", "The visit has several attending; the first was kept."
        )
    return (*_listed(reading, pv1, _OF_VISIT), *roles_of(reading, "visit"))


def procedure_roles(
    reading: Reading, pr1: Segment, performer: Practitioner | None
) -> Iterator[CareRole]:
    """The people of PR1 besides the one who is its performer."""
    listed = _listed(reading, pr1, _OF_PROCEDURE)
    return (one for one in listed if one.practitioner and one.practitioner != performer)


def _listed(reading: Reading, at: Segment, fields: Iterable[tuple[str, str]]) -> Iterator[CareRole]:
    for code, name in fields:
        segment, path = reading.part(name, at)
        place = f"{segment.id}-{path}"
        sent = segment.raw(path)
        if sent == NULL:
            yield CareRole(code, None, listed_in=place)
        elif sent:
            for who in _people(reading, segment, path):
                yield CareRole(code, who, listed_in=place)


def role(reading: Reading, segment: Segment) -> Iterator[CareRole]:
    """One for each person that a ROL or PRT names."""
    reading.placed.add(segment)
    action_at, role_at, person_at, begin_at, end_at = _PLACES[segment.id]
    action = (segment.value(action_at) or "").upper()
    if action not in _ENDED | _KEPT:
        reading.issue(
            "unknown_code", f"{segment.id}-{action_at}", "The action code is not in table 0287."
        )
    code, name, _ = coded(segment, role_at)
    people = list(_people(reading, segment, str(person_at)))
    if not (code or name) or not people:
        reading.issue("role_incomplete", segment.id, "A role has no code or no person.")
        return
    begins, ends = reading.precise(segment, begin_at), reading.precise(segment, end_at)
    for who in people:
        yield CareRole(
            role=code or name or "",
            practitioner=who,
            role_name=name or "",
            starts_at=begins[0],
            starts_at_precision=begins[1],
            ends_at=ends[0],
            ends_at_precision=ends[1],
            ended=action in _ENDED,
        )


def _people(reading: Reading, segment: Segment, path: str) -> Iterator[Practitioner]:
    """The persons of a field, or the one at a place inside it; each needs a number."""
    count = segment.repetitions(int(path)) if path.isdigit() else 0
    for at in [f"{path}[{number}]" for number in range(1, count + 1)] or [path]:
        who = practitioner(segment, at)
        if who is not None and who.external_id:
            yield who
        elif who is not None:
            reading.issue(
                "practitioner_unnumbered",
                f"{segment.id}-{path}",
                "A practitioner has no number; the role was left out.",
            )
