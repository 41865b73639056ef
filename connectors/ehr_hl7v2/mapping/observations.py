"""ORU R01: reports and their results, grouped by position (HL7 v2.5.1 §7.3, §7.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from connectors.ehr_hl7v2.mapping.embedded import embedded
from connectors.ehr_hl7v2.mapping.encounters import visit_number
from connectors.ehr_hl7v2.mapping.texts import CODED, coded, each_coded, lines
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.clinical_documents import ClinicalDocument
from hub.domain.observations import Observation, ObservationReport, ObservationStatus
from hub.domain.patients import PatientReference

# Table 0085. U says final without sending the value again.
_STATUS: dict[str, ObservationStatus] = {
    **dict.fromkeys(("F", "U", ""), "final"),
    **dict.fromkeys(("P", "R", "S"), "preliminary"),
    **dict.fromkeys(("I", "O", "N", "X"), "registered"),
    "C": "corrected",
    "D": "deleted",
    "W": "wrong_patient",
}
_LINES = frozenset({"TX", "FT", "ST"})


@dataclass
class _Group:
    obr: Segment
    orc: Segment
    """The ORC that heads it; an empty one where there is none or an earlier OBR has it."""
    observations: list[Observation] = field(default_factory=list)
    files: list[tuple[int, Segment]] = field(default_factory=list)
    """The OBX that hold one, each with the position of its observation."""
    spm: Segment | None = None


def reports(
    reading: Reading, patient: PatientReference
) -> Iterator[tuple[str, ObservationReport | ClinicalDocument]]:
    """Each OBR with the OBX, NTE and SPM that follow it; the key is OBR-3, else OBR-2 with OBR-4,
    else ORC-3, else ORC-2 with OBR-4: the ORC before an OBR repeats its numbers (HL7 v2.5.1
    §4.5.1.2).

    A file embedded in a result is a document of its own, after its report.
    """
    visit = visit_number(reading)
    seen: dict[str, set[str]] = {}
    for group in _groups(reading):
        obr = group.obr
        placer = obr.value("2.1") or group.orc.value("2.1") or ""
        filler = obr.value("3.1") or group.orc.value("3.1") or ""
        key = (
            reading.text("report.number", obr)
            or _placer_key(obr, obr.value("2.1") or "")
            or group.orc.value("3.1")
            or _placer_key(obr, placer)
        )
        if not key:
            reading.issue("key_missing", "OBR-3", "A report has no number; it was left out.")
            continue
        label = reading.label("report.sensitivity", group.orc, obr)
        reading.label_next(label)
        code, name, _ = coded(obr, "4")
        observations = _apart(reading, group.observations, seen.setdefault(key, set()), code or "")
        yield (
            key,
            ObservationReport(
                patient=patient,
                code=code or "",
                name=name or "",
                observations=observations,
                visit_number=visit,
                placer_number=placer,
                filler_number=filler,
                specimen=_specimen(group),
                parent_number=obr.value("29.2") or obr.value("29.1") or "",
                parent_code=obr.value("26.1") or "",
            ),
        )
        for position, obx in group.files:
            reading.label_next(label)
            obx_key = observations[position].key
            yield f"{key}/{obx_key}", _file(reading, group, obx, patient, visit)


def _apart(
    reading: Reading, observations: list[Observation], taken: set[str], code: str
) -> tuple[Observation, ...]:
    """The results of an OBR with keys that no OBR of the same number before it has `taken`: a
    laboratory may number the sample, and send one OBR for each panel."""
    found = []
    for number, one in enumerate(observations, start=1):
        key = one.key
        if key in taken:
            reading.issue(
                "key_repeated", "OBR-3", "Two reports of one number hold the same result."
            )
            key = f"{key}|{code}"
            key = f"{key}|{number}" if key in taken else key
        taken.add(key)
        found.append(one if key == one.key else replace(one, key=key))
    return tuple(found)


def _file(
    reading: Reading, group: _Group, obx: Segment, patient: PatientReference, visit: str | None
) -> ClinicalDocument:
    obr, orc = group.obr, group.orc
    parts = tuple(embedded(reading, obx))
    withdrawn = obx.value("11") in {"D", "W"}
    code, name, _ = coded(obx, "3")
    return ClinicalDocument(
        patient=patient,
        type_code=code,
        type_name=name,
        availability="cancelled" if withdrawn else "available",
        activity_at=reading.time(obx, "14") or reading.time(obr, "7"),
        placer_number=obr.value("2.1") or orc.value("2.1") or "",
        filler_number=obr.value("3.1") or orc.value("3.1") or "",
        visit_number=visit,
        parts=parts or None,
    )


def _specimen(group: _Group) -> str:
    spm = group.spm
    return (spm.value("4.2") or spm.value("4.1") or "" if spm else "") or (
        group.obr.value("15.1.2") or group.obr.value("15.1.1") or ""
    )


def _placer_key(obr: Segment, placer: str) -> str:
    code = coded(obr, "4")[0]
    return f"{placer}|{code}" if placer and code else ""


def _groups(reading: Reading) -> list[_Group]:
    groups: list[_Group] = []
    none = orc = reading.absent("ORC")
    previous = ""
    for segment in reading.message:
        if segment.id == "ORC":
            orc = segment
            _note_control(reading, orc)
        elif segment.id == "OBR":
            groups.append(_Group(segment, orc))
            orc = none
        elif segment.id == "OBX" and not groups:
            reading.issue(
                "report_missing", "OBX", "A result comes before any OBR; it was left out."
            )
        elif segment.id == "OBX":
            found = _observation(reading, segment, groups[-1])
            groups[-1].observations.append(found)
            if found.value_type in {"ED", "RP"}:
                groups[-1].files.append((len(groups[-1].observations) - 1, segment))
        elif segment.id == "SPM" and groups:
            groups[-1].spm = reading.first(groups[-1].spm, segment)
        elif segment.id == "NTE" and groups and previous == "OBX":
            last = groups[-1].observations[-1]
            note = lines(segment, 3)
            groups[-1].observations[-1] = replace(
                last, note=f"{last.note}\n{note}" if last.note else note
            )
        elif segment.id == "NTE" and previous != "OBX":
            reading.note_unplaced()
        if segment.id != "NTE":
            previous = segment.id
    return groups


def _note_control(reading: Reading, orc: Segment) -> None:
    """Results come with RE; what else the order control says of the order is not applied."""
    if (orc.value("1") or "RE").upper() != "RE":
        reading.issue(
            "unknown_code", "ORC-1", "The order control of a result is not RE; the order stays."
        )


def _observation(reading: Reading, obx: Segment, group: _Group) -> Observation:
    code, name, system = coded(obx, "3")
    code, sub_id, kind = code or "", obx.value("4") or "", obx.value("2") or ""
    if not code:
        reading.issue("code_missing", "OBX-3", "A result does not say what was observed.")
    key = f"{code}|{sub_id}" if sub_id else code
    if any(other.key == key for other in group.observations):
        reading.issue("key_repeated", "OBX-4", "Two results of one report have the same key.")
        key = f"{key}|{len(group.observations) + 1}"
    sent = reading.text("observation.status", obx) or ""
    own: ObservationStatus | None = reading.config.values.observation_status.get(sent)
    status = own or _STATUS.get(sent.upper())
    if status is None:
        reading.issue("unknown_code", "OBX-11", "The result status is not in HL7 table 0085.")
    observed_at, precision = reading.precise_of("observation.observed_at", obx, group.obr)
    value_code, _, value_system = coded(obx, "5") if kind in CODED else (None, None, None)
    return Observation(
        key=key,
        code=code,
        code_system=system or "",
        name=name or "",
        value_type=kind,
        value_text=_text(reading, obx, kind),
        value_number=_number(reading, obx) if kind == "NM" else None,
        unit=obx.value("6.1") or coded(obx, "6")[1] or "",
        reference_range=obx.text_at("7") or "",
        abnormal_flags=obx.text_at("8") or "",
        status=status or "registered",
        observed_at=observed_at,
        observed_at_precision=precision,
        value_code=value_code or "",
        value_code_system=value_system or "",
        method=obx.value("17[1].2") or obx.value("17[1].1") or "",
        performer=reading.text("observation.performer", obx) or "",
        value_stands=sent.upper() == "U" and not obx.raw("5"),
    )


def _number(reading: Reading, obx: Segment) -> Decimal | None:
    if obx.repetitions(5) > 1:
        reading.issue("bad_number", "OBX-5", "Several numbers are no number; all are in the text.")
        return None
    return reading.number(obx, "5")


def _text(reading: Reading, obx: Segment, kind: str) -> str:
    if kind in CODED:
        return each_coded(obx, 5)
    if kind in {"ED", "RP"}:
        return ""  # kept as a document
    if kind == "SN":
        parts = (obx.value(f"5.{position}") for position in range(1, 5))
        return "".join(part for part in parts if part)
    return lines(obx, 5) if kind in _LINES else obx.text_at("5") or ""
