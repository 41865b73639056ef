"""PID and MRG: who the message speaks of (HL7 v2.5.1 §3.4.2, §3.4.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from connectors.ehr_hl7v2.mapping.people import practitioner_of
from connectors.ehr_hl7v2.mapping.telecom import telecom
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.datetimes import parse_month
from connectors.sdk.hl7v2.lanes import NEVER_KEYS
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.patients import (
    Address,
    Identifier,
    Patient,
    PatientMerge,
    PatientReference,
    PatientUnmerge,
    PersonName,
    Sex,
)
from hub.errors import Rejected

_SEX: dict[str, Sex] = {"F": "female", "M": "male", "O": "other", "A": "other", "N": "other"}
_SEX |= {"U": "unknown", "": "unknown"}
_NOT_SAID = frozenset({"", "U", "UNK", "NI", "NA", "ASKU", "NASK"})
"""What senders have, beside Y and N, for what they do not know."""
_FIRST_OF = ("patient.race", "patient.ethnicity", "patient.primary_provider")
_Identifiers = dict[Identifier, tuple[str, ...]]
"""Identifiers in their order, each with the names of its dates that are null."""


def identifiers(reading: Reading, segment: Segment, field: int) -> tuple[Identifier, ...]:
    """Every repetition of a CX field that has a value; the value is kept as sent."""
    return tuple(_identifiers(reading, segment, field))


def _identifiers(reading: Reading, segment: Segment, field: int) -> _Identifiers:
    found: _Identifiers = {}
    for repetition in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{repetition}]"
        value = segment.value(f"{at}.1")
        if not value:
            continue
        sent = segment.value(f"{at}.4.2") or segment.value(f"{at}.4.1") or ""
        if not sent:
            reading.issue(
                "authority_defaulted",
                f"{segment.id}-{field}.4",
                "The identifier names no assigning authority; the connection's default was used.",
            )
        authority = reading.config.authority.get(sent, sent) or reading.config.default_authority
        identifier = Identifier(
            authority,
            segment.value(f"{at}.5") or "",
            value,
            reading.date(segment, f"{at}.7"),
            reading.date(segment, f"{at}.8"),
        )
        dates = {"effective_on": "7", "expires_on": "8"}
        nulls = tuple(name for name, part in dates.items() if segment.value(f"{at}.{part}") == "")
        found.setdefault(identifier, nulls)
    return found


def stated_identifiers(reading: Reading, pid: Segment) -> tuple[Identifier, ...]:
    """Those of the patient, as PID names them."""
    return tuple(_stated_identifiers(reading, pid))


def _stated_identifiers(reading: Reading, pid: Segment) -> _Identifiers:
    """PID-3, else PID-2; before version 2.7 also what PID-2 and PID-4 name with an authority, since
    without one a number could be another patient's."""
    found = _identifiers(reading, pid, 3) or _identifiers(reading, pid, 2)
    if reading.version() < "2.7":
        for field in (2, 4):
            if pid.raw(f"{field}[1].4"):
                found = {**found, **_identifiers(reading, pid, field), **found}
    return found


def identifier_key(found: tuple[Identifier, ...]) -> str:
    """The source's key of a patient: authority, type and value of the first that identifies."""
    chosen = next((one for one in found if one.type not in NEVER_KEYS), None)
    if chosen is None:
        raise Rejected(
            "The message names no patient: PID-3 holds no identifier that may be a key.",
            reason="patient_missing",
            path="PID-3",
        )
    return f"{chosen.authority}|{chosen.type}|{chosen.value}"


def patient(reading: Reading, pid: Segment, *more: Segment) -> tuple[str, Patient]:
    """The patient of a PID segment and the key under which the source knows it; `more` is what goes
    with that PID where a message has several."""
    at = (pid, *more)
    stated = _stated_identifiers(reading, pid)
    _note_left_out(reading, pid, stated)
    _note_repeated(reading, at)
    for number, nulls in enumerate(stated.values(), start=1):
        for name in nulls:
            reading.clear(f"identifiers[{number}].{name}")
    found = tuple(stated)
    key = identifier_key(found)
    phone, email = telecom(pid, 13)
    born, born_stated = _birth(reading, pid)
    died, died_precision = reading.precise_of("patient.deceased_at", *at)
    described = Patient(
        identifiers=found,
        name=_legal_name(reading, pid),
        birth_date=born,
        birth_date_stated=born_stated,
        sex=_sex(reading, pid),
        address=address(pid, "11[1]"),
        phone=phone,
        email=email,
        language=reading.text("patient.language", *at),
        deceased_at=died,
        deceased_at_precision=died_precision,
        deceased=_flag(reading, "patient.deceased", *at),
        race=reading.text("patient.race", *at),
        ethnicity=reading.text("patient.ethnicity", *at),
        marital_status=reading.text("patient.marital_status", *at),
        publicity_code=reading.text("patient.publicity_code", *at),
        protected=_flag(reading, "patient.protected", *at),
        primary_provider=practitioner_of(reading, "patient.primary_provider", *at),
    )
    return key, described


def _note_left_out(reading: Reading, pid: Segment, stated: _Identifiers) -> None:
    """Tell of numbers in PID-2 and PID-4 that are not taken for identifiers."""
    values = {one.value for one in stated}
    for field in (2, 4):
        if (pid.value(f"{field}.1") or "") not in {"", *values}:
            reading.issue(
                "identifier_not_read",
                f"PID-{field}",
                "A number beside PID-3 names no assigning authority, or its version has none there;"
                " it was left out.",
            )


def _note_repeated(reading: Reading, at: Sequence[Segment]) -> None:
    """Tell of fields of which the first repetition alone has a place."""
    for name in _FIRST_OF:
        segment, path = reading.part(name, *at)
        field, mark, _ = path.partition("[1]")
        if mark and segment.repetitions(int(field)) > 1:
            text = "The field repeats; the first was kept."
            reading.issue("repetitions_not_read", f"{segment.id}-{field}", text)


def reference(reading: Reading) -> PatientReference:
    """How a message about something else names its patient."""
    pid = reading.message.segment("PID")
    found = stated_identifiers(reading, pid)
    identifier_key(found)
    born, _ = _birth(reading, pid)
    reading.take_cleared()  # a message about something else changes nothing of the patient
    return PatientReference(found, _legal_name(reading, pid), born, _sex(reading, pid))


def _birth(reading: Reading, pid: Segment) -> tuple[date | None, str | None]:
    """The date of birth, or the year or month where no day was sent: no day is made up."""
    segment, path = reading.part("patient.birth_date", pid)
    if stated := parse_month(segment.value(path) or ""):
        return None, stated
    born = reading.date(segment, path, "patient.birth_date")
    return born, "" if born is not None else None


def merges(reading: Reading) -> Iterator[tuple[str, PatientMerge]]:
    """A40 and A34: every PID, with the PD1 behind it, and each MRG that follows it.

    The prior identifier is MRG-1; feeds of version 2.2 may give MRG-4 in its place.
    """
    found = alone = False
    pid, pd1 = reading.absent("PID"), reading.absent("PD1")
    for segment in reading.message:
        if segment.id == "PID":
            if alone:
                _note_alone(reading, "PID")
            pid, pd1, alone = segment, reading.absent("PD1"), True
        elif segment.id == "PD1":
            pd1 = segment
        elif segment.id == "MRG" and not pid:
            _note_alone(reading, "MRG")
        elif segment.id == "MRG":
            key, survivor = patient(reading, pid, pd1)
            prior = identifiers(reading, segment, 1) or identifiers(reading, segment, 4)
            identifier_key(prior)
            yield key, PatientMerge(survivor, prior)
            alone, found = False, True
    if not found:
        raise Rejected("A merge needs PID and MRG.", reason="merge_incomplete", path="MRG-1")
    if alone:
        _note_alone(reading, "PID")


def _note_alone(reading: Reading, name: str) -> None:
    text = "A PID has no MRG behind it, or an MRG no PID before it; it merges nothing."
    reading.issue("merge_incomplete", name, text)


def unmerge(reading: Reading) -> tuple[str, PatientUnmerge]:
    """A37: the two patients that are to be apart again, each with a PID (HL7 v2.5.1 §3.3.37)."""
    pids = reading.message.all("PID")
    if len(pids) != 2:
        raise Rejected("An unlink needs two PID.", reason="merge_incomplete", path="PID")
    first, second = (identifiers(reading, pid, 3) for pid in pids)
    identifier_key(second)
    return identifier_key(first), PatientUnmerge(first, second)


def person_name(segment: Segment, at: str) -> PersonName | None:
    """One XPN (components from the first); None if the sender says nothing."""
    parts = segment.values(at, 5)
    if not any(parts) and not segment.raw(at):
        return None
    return PersonName(*[part or "" for part in parts])


def address(segment: Segment, at: str) -> Address | None:
    """One XAD; None if the sender says nothing."""
    parts = segment.values(at, 6)
    if not any(parts) and not segment.raw(at):
        return None
    return Address(*[part or "" for part in parts])


def _legal_name(reading: Reading, pid: Segment) -> PersonName | None:
    segment, path = reading.part("patient.name", pid)
    if "[" in path or "." in path:
        return person_name(segment, path)
    count = segment.repetitions(int(path))
    places = [f"{path}[{repetition}]" for repetition in range(1, count + 1)]
    legal = [at for at in places if segment.value(f"{at}.7") == "L"]
    return person_name(segment, (legal or places)[0]) if places else None


def _flag(reading: Reading, name: str, *at: Segment) -> bool | None:
    """Yes or no (table 0136); None if the sender says neither."""
    segment, path = reading.part(name, *at)
    sent = segment.value(path)
    if sent == "":
        reading.note_null(name, segment, path)
    known = (sent or "").upper()
    if known not in {"Y", "N", *_NOT_SAID}:
        reading.issue("unknown_code", f"{segment.id}-{path}", "This is neither Y nor N.")
    return {"Y": True, "N": False}.get(known)


def _sex(reading: Reading, pid: Segment) -> Sex | None:
    sent = reading.text("patient.sex", pid)
    if sent is None:
        return None
    known = reading.config.values.sex.get(sent) or _SEX.get(sent.upper())
    if known is None:
        reading.issue("unknown_code", "PID-8", "The sex is not in HL7 table 0001 or the dialect.")
    return known
