"""MFN M02: the practitioner master file (HL7 v2.5.1 §8.5 MFI, MFE; §15.4 STF, PRA)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from connectors.ehr_hl7v2.mapping.patients import person_name
from connectors.ehr_hl7v2.mapping.telecom import telecom
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.practitioners import PractitionerEntry, PractitionerList, ProviderStatus
from hub.domain.scheduling import Practitioner
from hub.errors import Rejected

# Table 0180.
_STATUS: dict[str, ProviderStatus | None] = {
    "MAD": "active",
    "MUP": None,
    "MDL": "deleted",
    "MDC": "inactive",
    "MAC": "active",
}
_ACTIVE: dict[str, ProviderStatus] = {"A": "active", "I": "inactive"}
_NPI_NAMES = frozenset({"NPI"})


@dataclass
class _Group:
    mfe: Segment
    stf: Segment
    pra: Segment


def practitioners(
    reading: Reading,
) -> Iterator[tuple[str, PractitionerEntry | PractitionerList]]:
    """Each MFE by its key (MFE-4), then the whole list where MFI-3 is REP."""
    listed: list[Practitioner] = []
    complete = True
    for number, group in enumerate(_groups(reading), start=1):
        key = group.mfe.value("4.1") or group.stf.value("1.1")
        action = (group.mfe.value("1") or "").upper()
        if not key or action not in _STATUS:
            complete = False
            field, code = (4, "key_missing") if not key else (1, "unknown_code")
            reading.issue(
                code,
                f"MFE[{number}]-{field}",
                "An entry of the master file cannot be used; it was left out.",
            )
            continue
        _note_future(reading, group.mfe)
        entry = _entry(reading, group, key, action)
        if entry.status not in {"deleted", "inactive"}:
            listed.append(entry.practitioner)
        yield key, entry
    mfi = reading.message.segment("MFI")
    event = (mfi.value("3") or "").upper()
    if event not in {"", "UPD", "REP"}:
        reading.issue(
            "unknown_code", "MFI-3", "The file's event is not in table 0178; read as updates."
        )
    if event != "REP":
        return
    if not complete:
        reading.issue(
            "list_incomplete", "MFI-3", "Entries were left out, so nobody was made inactive."
        )
        return
    yield (
        mfi.value("1.1") or "PRA",
        PractitionerList(tuple(listed), reading.config.most_deactivations),
    )


def _groups(reading: Reading) -> list[_Group]:
    groups: list[_Group] = []
    for segment in reading.message:
        if segment.id == "MFE":
            groups.append(_Group(segment, reading.absent("STF"), reading.absent("PRA")))
        elif segment.id == "STF" and groups:
            groups[-1].stf = segment
        elif segment.id == "PRA" and groups:
            groups[-1].pra = segment
    if not groups:
        raise Rejected("The master file has no entry.", reason="empty_file", path="MFE")
    return groups


def _note_future(reading: Reading, mfe: Segment) -> None:
    effective, said = reading.time(mfe, "3"), reading.occurred_at()
    if effective and said and effective > said + timedelta(days=1):
        reading.issue(
            "effective_later", "MFE-3", "An entry takes effect later; it was applied at once."
        )


def _entry(reading: Reading, group: _Group, key: str, action: str) -> PractitionerEntry:
    stf, pra = group.stf, group.pra
    at = (stf, pra)
    phone, email = telecom(stf, 10)
    status = _STATUS[action]
    if status in {None, "active"}:
        status = _stated(reading, at) or status
    stated_email = reading.text("practitioner.email", *at)
    return PractitionerEntry(
        practitioner=Practitioner(
            key, person_name(*reading.part("practitioner.name", *at)), _npi(reading, stf, pra)
        ),
        status=status,
        role=reading.text("practitioner.role", *at),
        specialties=_specialties(pra),
        phone=phone,
        email=stated_email if stated_email or email is None else email,
        starts_on=reading.date_of("practitioner.starts_on", *at),
        ends_on=reading.date_of("practitioner.ends_on", *at),
    )


def _stated(reading: Reading, at: tuple[Segment, ...]) -> ProviderStatus | None:
    """STF-7 (table 0183)."""
    segment, path = reading.part("practitioner.active", *at)
    sent = segment.value(path)
    if sent == "":
        reading.note_null("practitioner.active", segment, path)
    status = _ACTIVE.get((sent or "").upper())
    if sent and status is None:
        reading.issue(
            "unknown_code",
            f"{segment.id}-{path}",
            "Whether the practitioner is active is not in table 0183; the entry's action decides.",
        )
    return status


def _npi(reading: Reading, stf: Segment, pra: Segment) -> str:
    """PRA-6 (PLN) or STF-2 (CX) of type NPI. A null in PRA-6 takes every number back."""
    for segment, field, type_at in ((pra, 6, 2), (stf, 2, 5)):
        for number in range(1, segment.repetitions(field) + 1):
            at = f"{field}[{number}]"
            if segment.value(f"{at}.{type_at}") in _NPI_NAMES:
                return segment.value(f"{at}.1") or ""
    if pra.value("6") == "":
        reading.clear("practitioner.npi")
    return ""


def _specialties(pra: Segment) -> tuple[str, ...] | None:
    """PRA-5 (SPD): the names of the specialties; None if the sender says nothing."""
    count = pra.repetitions(5)
    if not count:
        return None
    found = (pra.value(f"5[{number}].1") for number in range(1, count + 1))
    return tuple(name for name in found if name)
