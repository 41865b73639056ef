"""VXU V04: immunizations (HL7 v2.5.1 §4.14.7 RXA; CDC implementation guide 2.5.1, release 1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from connectors.ehr_hl7v2.mapping.encounters import visit_number
from connectors.ehr_hl7v2.mapping.patients import identifier_key
from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.texts import coded, lines
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.immunizations import Immunization, ImmunizationStatus
from hub.domain.patients import PatientReference

# Table 0322.
_STATUS: dict[str, ImmunizationStatus] = {
    "CP": "completed",
    "PA": "partially_administered",
    "RE": "refused",
    "NA": "not_administered",
}
_KEEPING = frozenset({"A", "U", "X"})
"""The actions of table 0323 that delete nothing."""
_NOTHING_GIVEN = "998"
"""CVX code of no vaccine administered."""
_NO_NUMBER = frozenset({"9999"})
"""What the CDC guide has in ORC-3 where there is no order, as of a refusal."""
_DATES = frozenset({"year", "month", "day"})
_UNKNOWN_AMOUNT = Decimal(999)
_FUNDING = "64994-7"
"""LOINC code of the funding programme a patient is eligible for."""


@dataclass
class _Group:
    orc: Segment
    rxa: Segment | None = None
    rxr: Segment | None = None
    observations: list[Segment] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)


def immunizations(
    reading: Reading, patient: PatientReference
) -> Iterator[tuple[str, Immunization]]:
    """Each RXA and its key: ORC-3, else ORC-2, else the patient's, its date and vaccine."""
    visit = visit_number(reading)
    keys: set[str] = set()
    for group in _groups(reading):
        rxa = group.rxa
        if rxa is None:
            reading.issue("immunization_missing", "RXA", "An ORC has no RXA; it was left out.")
            continue
        _note_lots(reading, rxa)
        given_at, precision = reading.precise_of("immunization.administered_at", rxa)
        given_on = given_at.date() if given_at is not None else None
        code, name, system = coded(*reading.part("immunization.vaccine", rxa))
        if given_on is None or not code:
            path = "RXA-3" if given_on is None else "RXA-5"
            reading.issue(
                "immunization_incomplete", path, "An immunization has no date or no vaccine code."
            )
            continue
        refusal_code, refusal_reason, _ = coded(*reading.part("immunization.refusal", rxa))
        manufacturer_code, manufacturer_name, _ = coded(
            *reading.part("immunization.manufacturer", rxa)
        )
        key = _key(reading, group.orc, f"{identifier_key(patient.identifiers)}|{given_on}|{code}")
        if key in keys:
            reading.issue("key_repeated", "ORC-3", "Immunizations share a number; both were kept.")
            key = f"{key}|{given_on}|{code}"
        keys.add(key)
        yield (
            key,
            Immunization(
                patient=patient,
                status=_status(reading, rxa, code),
                administered_on=given_on,
                administered_at=None if precision in _DATES else given_at,
                administered_precision=precision,
                vaccine_code=code,
                vaccine_system=system or "",
                vaccine_name=name or "",
                historical=_historical(reading, rxa),
                amount=_amount(reading, rxa),
                unit=reading.text("immunization.unit", rxa) or "",
                lot_number=reading.text("immunization.lot_number", rxa) or "",
                expires_on=reading.date_of("immunization.expires_on", rxa),
                manufacturer_code=manufacturer_code or "",
                manufacturer_name=manufacturer_name or "",
                refusal_code=refusal_code or "",
                refusal_reason=refusal_reason or "",
                route_code=group.rxr.value("1.1") or "" if group.rxr else "",
                site_code=group.rxr.value("2.1") or "" if group.rxr else "",
                funding_code=_funding(reading, group.observations),
                practitioner=practitioner(*reading.part("immunization.practitioner", rxa)),
                note="\n".join(lines(note, 3) for note in group.notes),
                visit_number=visit,
            ),
        )


def _note_lots(reading: Reading, rxa: Segment) -> None:
    """A vaccine of several lots has several dates and makers as well; the first is kept."""
    if any(rxa.repetitions(number) > 1 for number in (15, 16, 17)):
        reading.issue(
            "repetitions_not_read",
            "RXA-15",
            "Lots, expiry dates or makers repeat; the first is kept.",
        )


def _key(reading: Reading, orc: Segment, otherwise: str) -> str:
    for name in ("immunization.number", "immunization.placer_number"):
        number = reading.text(name, orc)
        if number and number not in _NO_NUMBER:
            return number
    return otherwise


def _status(reading: Reading, rxa: Segment, code: str) -> ImmunizationStatus:
    """RXA-21 D deletes; else RXA-20; else given, unless RXA-18 says why not."""
    action = (rxa.value("21") or "").upper()
    if action == "D":
        return "deleted"
    if action and action not in _KEEPING:
        reading.issue(
            "unknown_code", "RXA-21", "The action code is not in table 0323; read as an update."
        )
    sent = (rxa.value("20") or "").upper()
    refused = reading.text("immunization.refusal", rxa)
    if not sent:
        given = "not_administered" if code == _NOTHING_GIVEN else "completed"
        return "refused" if refused else given  # type: ignore[return-value]
    status = _STATUS.get(sent)
    if status is None:
        reading.issue("unknown_code", "RXA-20", "The completion status is not in table 0322.")
    elif refused and status in {"completed", "partially_administered"}:
        reading.issue(
            "refusal_contradicted", "RXA-18", "A vaccine that was given has a reason of refusal."
        )
    return status or "not_administered"


def _historical(reading: Reading, rxa: Segment) -> bool | None:
    """RXA-9 (NIP001): 00 is a new record, anything else was reported."""
    for number in range(1, rxa.repetitions(9) + 1):
        code = rxa.value(f"9[{number}].1")
        if code is not None and len(code) == 2 and code.isdigit():
            return code != "00"
        if code:
            reading.issue(
                "unknown_code", "RXA-9", "The source of the information is not in table NIP001."
            )
    return None


def _amount(reading: Reading, rxa: Segment) -> Decimal | None:
    amount = reading.number_of("immunization.amount", rxa)
    return None if amount == _UNKNOWN_AMOUNT else amount


def _funding(reading: Reading, observations: list[Segment]) -> str:
    """The funding programme; other observations stay in the raw message, and that is said."""
    found = ""
    for obx in observations:
        if obx.value("3.1") == _FUNDING:
            found = obx.value("5.1") or ""
        elif "OBX" not in reading.config.unread:
            reading.issue(
                "segments_not_read",
                "OBX",
                "Observations about an immunization are not read but for the funding programme.",
            )
    return found


def _groups(reading: Reading) -> list[_Group]:
    groups: list[_Group] = []
    for segment in reading.message:
        if segment.id == "ORC":
            groups.append(_Group(segment))
        elif segment.id == "RXA":
            if not groups or groups[-1].rxa is not None:
                groups.append(_Group(reading.absent("ORC")))
            groups[-1].rxa = segment
        elif groups and segment.id == "RXR":
            groups[-1].rxr = reading.first(groups[-1].rxr, segment)
        elif groups and segment.id == "OBX":
            groups[-1].observations.append(segment)
        elif groups and segment.id == "NTE":
            groups[-1].notes.append(segment)
        elif segment.id == "NTE":
            reading.note_unplaced()
    return groups
