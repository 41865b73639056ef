"""PID, NK1, GT1 and AL1: the lists of a patient, each of which replaces the one before; ROL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from connectors.ehr_hl7v2.mapping.care_roles import roles_of
from connectors.ehr_hl7v2.mapping.patients import address, person_name
from connectors.ehr_hl7v2.mapping.telecom import email_of, number, telecom
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import NULL, Segment
from hub.domain.patient_details import (
    Allergy,
    Contact,
    Guarantor,
    PatientDetails,
    Telecom,
    UsedAddress,
    UsedName,
)
from hub.domain.patients import PatientReference, PersonName

T = TypeVar("T")
Item = Callable[[Reading, Segment], T | None]


def details(reading: Reading, patient: PatientReference) -> PatientDetails | None:
    """The lists that the message states; None if it states none."""
    pid = reading.message.segment("PID")
    found = PatientDetails(
        patient=patient,
        names=_repeated(pid, 5, _names),
        addresses=_repeated(pid, 11, _addresses),
        telecoms=_telecoms(pid),
        contacts=_listed(reading, "NK1", _contact),
        guarantors=_listed(reading, "GT1", _guarantor),
        allergies=_listed(reading, "AL1", _allergy),
        care_roles=roles_of(reading, "patient"),
    )
    return None if found == PatientDetails(patient) else found


def is_cleared(segment: Segment) -> bool:
    """Whether a segment has nothing but nulls behind its set id: it empties its list."""
    if NULL not in segment.text:
        return False
    stated = [part for part in segment.fields[2:] if part]
    return bool(stated or segment.value("1") == "") and all(part == NULL for part in stated)


def is_bare(segment: Segment) -> bool:
    """Whether a segment has nothing but its set id: like one that is absent, it says nothing."""
    return segment.value("1") != "" and not any(segment.fields[2:])


def _listed(reading: Reading, name: str, item: Item[T]) -> tuple[T, ...] | None:
    segments = reading.message.all(name)
    if all(map(is_bare, segments)):
        return None
    made = (item(reading, one) for one in segments if not is_cleared(one))
    return tuple(one for one in made if one is not None)


def _repeated(
    segment: Segment, field: int, each: Callable[[Segment, int], Iterator[T]]
) -> tuple[T, ...] | None:
    """The repetitions of a field; None if it is absent, empty if it is null."""
    if not segment.raw(str(field)):
        return None
    return () if segment.raw(str(field)) == NULL else tuple(each(segment, field))


def _names(segment: Segment, field: int) -> Iterator[UsedName]:
    for position in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{position}]"
        name = person_name(segment, at)
        if name is not None and name != PersonName(""):
            yield UsedName(name, segment.value(f"{at}.7") or "")


def _addresses(segment: Segment, field: int) -> Iterator[UsedAddress]:
    for position in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{position}]"
        place = address(segment, at)
        if place is not None:
            yield UsedAddress(place, segment.value(f"{at}.7") or "")


def _telecoms(pid: Segment) -> tuple[Telecom, ...] | None:
    """PID-13 (home) and PID-14 (business)."""
    if not pid.raw("13") and not pid.raw("14"):
        return None
    return tuple(one for field, use in ((13, ""), (14, "WPN")) for one in _reached(pid, field, use))


def _reached(segment: Segment, field: int, use: str) -> Iterator[Telecom]:
    for position in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{position}]"
        parts = segment.values(at, 12)
        used_for = parts[1] or use
        if email := email_of(parts):
            yield Telecom("email", email, used_for)
        elif parts[2] != "Internet" and (phone := number(parts)):
            yield Telecom("phone", phone, used_for)


def _contact(reading: Reading, nk1: Segment) -> Contact | None:
    name = person_name(nk1, "2[1]") or PersonName("")
    if name == PersonName("") and not nk1.value("13"):
        reading.issue("contact_unnamed", "NK1-2", "A contact has no name; it was left out.")
        return None
    if name == PersonName(""):
        name = PersonName(nk1.value("13.1") or "")
    phone, email = telecom(nk1, 5)
    return Contact(
        name=name,
        relationship=nk1.value("3.1") or "",
        role=nk1.value("7.1") or "",
        phone=phone or "",
        email=email or "",
        address=address(nk1, "4[1]"),
        starts_on=reading.date(nk1, "8"),
        ends_on=reading.date(nk1, "9"),
    )


def _guarantor(reading: Reading, gt1: Segment) -> Guarantor | None:
    name = person_name(gt1, "3[1]")
    if name is None and not gt1.value("2"):
        reading.issue("guarantor_unnamed", "GT1-3", "A guarantor has no name; it was left out.")
        return None
    phone, _ = telecom(gt1, 6)
    return Guarantor(
        number=gt1.value("2.1") or "",
        name=name,
        address=address(gt1, "5[1]"),
        phone=phone or "",
        birth_date=reading.date(gt1, "8"),
        type=gt1.value("10") or "",
        relationship=gt1.value("11.1") or "",
        employer=gt1.value("21.1") or gt1.value("16.1") or "",
    )


def _allergy(reading: Reading, al1: Segment) -> Allergy | None:
    code, name, system = coded(al1, "3")
    if not code and not name:
        reading.issue("allergy_unnamed", "AL1-3", "An allergy does not say to what.")
        return None
    reactions = (al1.text_at(f"5[{position}]") for position in range(1, al1.repetitions(5) + 1))
    return Allergy(
        type=al1.value("2.1") or "",
        code=code or "",
        name=name or "",
        code_system=system or "",
        severity=al1.value("4.1") or "",
        reactions=tuple(one for one in reactions if one),
        identified_on=reading.date(al1, "6") if al1.value("6") else None,
    )
