"""Two double quotes clear a field: told of every field there is, or an issue where they cannot."""

from __future__ import annotations

import re

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.ehr_hl7v2.fields import CLEARABLE, FIELDS, NEEDED
from connectors.sdk.base import ParsedDocument, RawDocument
from hub.domain.encounters import Encounter
from hub.domain.patients import Patient

VISIT = "PV1|1" + "|" * 18 + "V1"
HEADER = "MSH|^~\\&|A|F|H|N|20260303080000-0600||{}|C1|P|2.5.1"
MESSAGES = {
    "patient": ("ADT^A31", ["EVN|A31", "PID|1||7^^^H^MR", "PD1|"]),
    "visit": ("ADT^A08", ["EVN|A08", "PID|1||7^^^H^MR", VISIT, "PV2|"]),
    "order": ("ORM^O01", ["PID|1||7^^^H^MR", "ORC|SC|P1|F1", "TQ1|1", "OBR|1"]),
    "document": ("MDM^T01", ["EVN|T01", "PID|1||7^^^H^MR", "TXA|1|||||||||||D1"]),
    "practitioner": ("MFN^M02", ["MFI|PRA||UPD", "MFE|MUP|||D1", "STF|D1", "PRA|D1"]),
    "appointment": (
        "SIU^S14",
        ["SCH|1|2", "PID|1||7^^^H^MR", "AIS|1|U|X", "AIL|1|U|Y", "AIP|1|U|"],
    ),
}
LINKS = frozenset(
    {
        *("visit.number", "visit.prior_number", "visit.prior_location", "visit.expected_at"),
        *("order.placer_number", "order.filler_number", "document.number"),
        *("document.parent_number", "document.placer_number", "document.filler_number"),
    }
)
"""Keys, links and what is only read of some events."""
OTHER = {
    "appointment": ("AIS-3.1", "AIS-4", "AIS-7", "AIL-3", "AIP-3", "SCH-9", "SCH-11.4", "NTE-3"),
    "patient": ("PID-11", "PID-13"),
    "practitioner": ("PRA-5", "STF-10"),
    "order": ("ORC-5", "NTE-3"),
}
PLACES = [
    (kind, place)
    for kind in MESSAGES
    for place in [
        *(
            places[0]
            for name, places in FIELDS.items()
            if name.startswith(f"{kind}.") and name not in LINKS and places
        ),
        *OTHER.get(kind, ()),
    ]
]


def parsed(kind: str, segments: list[str]) -> ParsedDocument:
    content = "\r".join([HEADER.format(MESSAGES[kind][0]), *segments]).encode()
    return connector.parse(Config(zone="America/Chicago"), RawDocument(content))


def with_null(segments: list[str], place: str) -> list[str]:
    """The segments with two double quotes at a place."""
    found = re.fullmatch(r"(\w+)-(\d+)(?:\[1\])?(?:\.(\d+))?", place)
    assert found
    name, field, component = found[1], int(found[2]), int(found[3] or 1)
    if not any(segment.startswith(name) for segment in segments):
        segments = [*segments, f"{name}|"]
    changed = []
    for segment in segments:
        fields = segment.split("|")
        if fields[0] == name:
            fields += [""] * (field + 1 - len(fields))
            fields[field] = "^" * (component - 1) + '""'
        changed.append("|".join(fields))
    return changed


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_no_null_passes_for_silence(kind: str, place: str) -> None:
    segments = MESSAGES[kind][1]
    assert parsed(kind, with_null(segments, place)) != parsed(kind, segments)


@pytest.mark.parametrize("name", CLEARABLE)
def test_a_cleared_field_is_named_by_its_record(name: str) -> None:
    kind = name.partition(".")[0]
    record = parsed(kind, with_null(MESSAGES[kind][1], FIELDS[name][0])).records
    found = [one for one in record if one.cleared]
    assert [one.cleared for one in found] == [(CLEARABLE[name],)]
    assert getattr(found[0].data, CLEARABLE[name]) is None


@pytest.mark.parametrize("name", sorted(NEEDED - {"visit.expected_at"}))
def test_what_a_record_cannot_be_without_is_an_issue(name: str) -> None:
    kind, place = name.partition(".")[0], FIELDS[name][0]
    read = parsed(kind, with_null(MESSAGES[kind][1], place))
    issues = [issue for record in read.records for issue in record.issues]
    assert [(one.code, one.path) for one in issues if one.code == "not_cleared"] == [
        ("not_cleared", place.partition("[")[0].partition(".")[0])
    ]
    assert not any(record.cleared for record in read.records)


def test_a_place_of_the_dialect_clears_too() -> None:
    segments = [*MESSAGES["patient"][1], 'ZPD|""']
    content = "\r".join([HEADER.format("ADT^A31"), *segments]).encode()
    config = Config(zone="UTC", field={"patient.birth_date": ["ZPD-1"]})
    (record, *_) = connector.parse(config, RawDocument(content)).records
    assert record.cleared == ("birth_date",)


def test_a_message_about_something_else_clears_nothing_of_its_patient() -> None:
    segments = ["EVN|A02", 'PID|1||7^^^H^MR||||""', VISIT]
    content = "\r".join([HEADER.format("ADT^A02"), *segments]).encode()
    (record,) = connector.parse(Config(zone="UTC"), RawDocument(content)).records
    assert isinstance(record.data, Encounter)
    assert record.cleared == ()


def test_each_patient_of_several_merges_has_its_own_cleared_fields() -> None:
    segments = [
        "EVN|A40",
        'PID|1||7^^^H^MR||||""',
        "MRG|8^^^H^MR",
        "PID|2||9^^^H^MR",
        "MRG|6^^^H^MR",
    ]
    content = "\r".join([HEADER.format("ADT^A40"), *segments]).encode()
    first, second = connector.parse(Config(zone="UTC"), RawDocument(content)).records
    assert (first.cleared, second.cleared) == (("birth_date",), ())


def test_a_visit_in_the_same_message_has_what_is_its_own() -> None:
    segments = ["EVN|A08", 'PID|1||7^^^H^MR||||""', VISIT + "|" * 26 + '""']
    content = "\r".join([HEADER.format("ADT^A08"), *segments]).encode()
    records = connector.parse(Config(zone="UTC"), RawDocument(content)).records
    cleared = {type(one.data): one.cleared for one in records}
    assert (cleared[Patient], cleared[Encounter]) == (("birth_date",), ("ends_at",))


def test_cleared_dates_of_identifiers_are_named_by_their_number() -> None:
    pid = 'PID|1|5^^^H^PI|7^^^H^MR^^20260101^20270101~8^^^H^PI^^""~9^^^G^MR^^20260101^""'
    content = "\r".join([HEADER.format("ADT^A31"), "EVN|A31", pid]).encode()
    (record,) = connector.parse(Config(zone="UTC"), RawDocument(content)).records
    assert isinstance(record.data, Patient)
    assert [one.value for one in record.data.identifiers] == ["7", "8", "9", "5"]
    assert record.cleared == ("identifiers[2].effective_on", "identifiers[3].expires_on")


def test_a_null_in_pra_6_takes_the_npi_back_and_another_number_does_not() -> None:
    def cleared(pra: str) -> tuple[str, ...]:
        segments = ["MFI|PRA||UPD", "MFE|MUP|||D1", "STF|D1", f"PRA|D1|||||{pra}"]
        return parsed("practitioner", segments).records[0].cleared

    assert cleared('""') == ("practitioner.npi",)
    assert cleared("") == cleared("1^NPI") == cleared("1^DEA") == ()
