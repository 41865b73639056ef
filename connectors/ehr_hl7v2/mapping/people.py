"""XCN: who provides care (HL7 v2.5.1 §2.A.88)."""

from __future__ import annotations

from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.patients import PersonName, Practitioner

_NPI_AUTHORITIES = frozenset({"NPI", "2.16.840.1.113883.4.6"})


def practitioner_of(reading: Reading, name: str, *at: Segment) -> Practitioner | None:
    """`practitioner` at a field of `fields.FIELDS`."""
    segment, path = reading.part(name, *at)
    found = practitioner(segment, path)
    if found is None and segment.value(path) == "":
        reading.note_null(name, segment, path)
    return found


def practitioner(segment: Segment, at: str) -> Practitioner | None:
    """One XCN; the NPI is recognised by its type (table 0203) or authority, never by its look."""
    number, family, *rest = segment.values(at, 13)
    if not number and not family:
        return None
    is_npi = (
        rest[10] == "NPI"
        or rest[6] in _NPI_AUTHORITIES
        or segment.value(f"{at}.9.2") in _NPI_AUTHORITIES
    )
    name = PersonName(family or "", *[part or "" for part in rest[:4]]) if family else None
    return Practitioner(number or "", name, number or "" if is_npi else "")
