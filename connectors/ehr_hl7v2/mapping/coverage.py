"""IN1 and IN2: the insurance list of a message (HL7 v2.5.1 §6.5.6, §6.5.7)."""

from __future__ import annotations

from connectors.ehr_hl7v2.mapping.patient_details import is_bare, is_cleared
from connectors.ehr_hl7v2.mapping.patients import person_name
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.coverage import Coverage, CoverageList
from hub.domain.patients import PatientReference

# Table 0063, and the X12 individual relationship codes many senders use in its place.
_RELATIONSHIP_0063 = {
    **dict.fromkeys(("SEL", "18", "S", "SELF"), "self"),
    **dict.fromkeys(("SPO", "01", "SPOUSE"), "spouse"),
    **dict.fromkeys(("CHD", "NCH", "SCH", "FCH", "19", "CHILD"), "child"),
}
# What else both have, all of it another relationship here.
_OTHERS_0063 = frozenset(
    {
        *("ASC", "BRO", "CGV", "DEP", "DOM", "EMC", "EME", "EMR", "EXF", "FND", "FTH", "GCH"),
        *("GRD", "GRP", "MGR", "MTH", "NON", "OAD", "OTH", "OWN", "PAR", "SIB", "SIS", "TRA"),
        *("UNK", "WRD", "20", "21", "39", "40", "53", "G8"),
    }
)
_RELATIONSHIP_0344 = {"01": "self", "02": "spouse", "03": "child", "04": "child", "05": "child"}
_RELATIONSHIP_0344 |= {"06": "child"}  # a foster child, as FCH of table 0063
_OTHERS_0344 = frozenset(f"{number:02}" for number in range(7, 20))


def coverages(reading: Reading, patient: PatientReference) -> CoverageList | None:
    """The snapshot of IN1 segments; None if there is none (no change), empty if all are null."""
    pairs = _pairs(reading)
    if all(is_bare(in1) and not in2 for in1, in2 in pairs):
        return None
    kept = [pair for pair in pairs if not is_cleared(pair[0])]
    listed = tuple(
        _coverage(reading, in1, in2, order) for order, (in1, in2) in enumerate(kept, start=1)
    )
    return CoverageList(patient, listed)


def _pairs(reading: Reading) -> list[tuple[Segment, Segment]]:
    empty = reading.absent("IN2")
    pairs: list[tuple[Segment, Segment]] = []
    for segment in reading.message:
        if segment.id == "IN1":
            pairs.append((segment, empty))
        elif segment.id == "IN2" and pairs:
            pairs[-1] = (pairs[-1][0], segment)
        elif segment.id == "IN2":
            text = "An IN2 has no IN1 before it; it was left out."
            reading.issue("insurance_unplaced", "IN2", text)
    return pairs


def _coverage(reading: Reading, in1: Segment, in2: Segment, order: int) -> Coverage:
    at = (in1, in2)
    priority = reading.rank(*reading.part("coverage.priority", *at))
    return Coverage(
        priority=order if priority is None else priority,
        payer_code=reading.text("coverage.payer_code", *at) or "",
        payer_name=reading.text("coverage.payer_name", *at) or "",
        plan_name=reading.text("coverage.plan_name", *at) or "",
        plan_type=reading.text("coverage.plan_type", *at) or "",
        group_number=reading.text("coverage.group_number", *at) or "",
        member_id=_member_id(reading, in1, in2),
        relationship=_relationship(reading, in1, in2),
        subscriber_name=person_name(*reading.part("coverage.subscriber_name", *at)),
        subscriber_birth_date=reading.date_of("coverage.subscriber_birth_date", *at),
        starts_on=reading.date_of("coverage.starts_on", *at),
        ends_on=reading.date_of("coverage.ends_on", *at),
    )


def _member_id(reading: Reading, in1: Segment, in2: Segment) -> str:
    value = reading.text("coverage.member_id", in1, in2)
    if value:
        return value
    reading.issue("member_id_missing", "IN1-36", "The coverage names no member id.")
    return ""


def _relationship(reading: Reading, in1: Segment, in2: Segment) -> str:
    sent = reading.text("coverage.relationship", in1, in2)
    if sent:
        own: str | None = reading.config.values.relationship.get(sent)
        if own is None and sent.upper() not in _RELATIONSHIP_0063.keys() | _OTHERS_0063:
            _note_unknown(reading, reading.place("coverage.relationship", in1, in2))
        return own or _RELATIONSHIP_0063.get(sent.upper(), "other")
    coded = in2.value("72") if in2 else None
    if coded and coded not in _RELATIONSHIP_0344.keys() | _OTHERS_0344:
        _note_unknown(reading, "IN2-72")
    return _RELATIONSHIP_0344.get(coded, "other") if coded else "self"


def _note_unknown(reading: Reading, place: str) -> None:
    text = "The relationship is in no table known and not in the dialect; it counts as other."
    reading.issue("unknown_code", place, text)
