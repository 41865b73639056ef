"""What a message says more than once, or in another component, is kept or told of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import RawDocument

OBR = "OBR|1|P1|F1|57021-8^CBC^LN|||20260301"
_UNREAD = {"fields_not_read", "segments_not_read"}


def read(kind: str, *segments: str) -> tuple[list[Any], dict[str, str]]:
    """The records, and the path of every issue by its code; what is not read at all is left out."""
    head = f"MSH|^~\\&|EHR|N|HUB|N|20260302080000||{kind}|1|P|2.5.1"
    who = [] if kind.startswith("MFN") else ["PID|1||7^^^HOSP^MR||Doe^Jo"]
    content = "\r".join([head, *who, *segments, ""]).encode()
    parsed = connector.parse(Config(), RawDocument(content))
    found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
    issues = {one.code: one.path for one in found if one.code not in _UNREAD}
    return list(parsed.records), issues


def results(*segments: str) -> tuple[Any, dict[str, str]]:
    records, issues = read("ORU^R01^ORU_R01", *segments)
    return [record.data for record in records], issues


def test_every_coded_value_of_a_result_is_in_its_text() -> None:
    (one,), issues = results(OBR, "OBX|1|CWE|A^a^L||1^Cough^L~2^Fever^L~3||||||F")
    assert one.observations[0].value_text == "Cough\nFever\n3"
    assert (one.observations[0].value_code, issues) == ("1", {})


@pytest.mark.parametrize(
    ("value", "text", "code", "system"),
    [("^^^1^Cough^L", "Cough", "1", "L"), ("^^^^^^^^as written", "as written", "", "")],
)
def test_a_coded_value_may_have_an_alternate_or_only_the_original_text(
    value: str, text: str, code: str, system: str
) -> None:
    (one,), _ = results(OBR, f"OBX|1|CWE|A^a^L||{value}||||||F")
    found = one.observations[0]
    assert (found.value_text, found.value_code, found.value_code_system) == (text, code, system)


def test_a_result_and_a_report_may_be_named_by_an_alternate_code() -> None:
    obr = "OBR|1|P1||^^^CBC^Count^L|||20260301"
    records, issues = read("ORU^R01", obr, "OBX|1|NM|^^^WBC^Cells^L||5|^cells||||||F")
    report: Any = records[0].data
    found = report.observations[0]
    assert (records[0].external_id, report.code, report.name) == ("P1|CBC", "CBC", "Count")
    assert (found.key, found.name, found.code_system, found.unit) == ("WBC", "Cells", "L", "cells")
    assert issues == {}


def test_several_numbers_are_text_and_told_of() -> None:
    (one,), issues = results(OBR, "OBX|1|NM|A||5~6||||||F")
    assert (one.observations[0].value_text, one.observations[0].value_number) == ("5~6", None)
    assert issues == {"bad_number": "OBX-5"}


def test_two_panels_of_one_sample_number_keep_their_results_apart() -> None:
    (first, second), issues = results(
        OBR,
        "OBX|1|NM|A||5||||||F",
        "OBX|2|NM|B||6||||||F",
        "OBR|2|P2|F1|24323-8^CMP^LN|||20260301",
        "OBX|1|NM|A||7||||||F",
        "OBX|2|NM|C||8||||||F",
    )
    assert [one.key for one in first.observations] == ["A", "B"]
    assert [(one.key, one.value_number) for one in second.observations] == [
        ("A|24323-8", Decimal(7)),
        ("C", Decimal(8)),
    ]
    assert issues == {"key_repeated": "OBR-3"}


def test_a_second_specimen_is_told_of() -> None:
    (one,), issues = results(OBR, "OBX|1|NM|A||5||||||F", "SPM|1|||BLD", "SPM|2|||UR")
    assert (one.specimen, issues) == ("BLD", {"segment_repeated": "SPM"})


@pytest.mark.parametrize(("value", "stands"), [("", True), ("5", False)])
def test_a_status_of_final_without_the_value_leaves_the_value(value: str, stands: bool) -> None:
    (one,), _ = results(OBR, f"OBX|1|NM|A||{value}||||||U")
    assert one.observations[0].value_stands is stands


@pytest.mark.parametrize("kind", ["CWE", "CE"])
def test_every_coded_value_of_a_document_is_in_its_text(kind: str) -> None:
    txa = "TXA|1|HP||20260301||||||||D1"
    (one,), _ = read("MDM^T02", txa, f"OBX|1|{kind}|||1^Cough^L~2^Fever^L", "OBX|2|TX|||a~b")
    assert one.data.text == "Cough\nFever\na\nb"


def test_an_empty_file_is_told_of() -> None:
    txa = "TXA|1|HP||20260301||||||||D1"
    (one,), issues = read("MDM^T02", txa, "OBX|1|ED|||^AP^PDF^Base64^")
    assert (one.data.parts, issues) == (None, {"bad_embedded": "OBX-5.5"})


def test_a_note_about_no_order_and_a_second_timing_are_told_of() -> None:
    (one,), issues = read(
        "ORM^O01",
        "NTE|1||of the patient",
        "ORC|NW|P1",
        "TQ1|1||||||20260303",
        "TQ1|2||||||20260304",
        "OBR|1|P1||X^Test^L",
        "NTE|1||of the order",
    )
    assert one.data.note == "of the order"
    assert issues == {"note_unplaced": "NTE", "segment_repeated": "TQ1"}


def ft1(number: str = "T1", kind: str = "CG", day: str = "20260301", code: str = "99213") -> str:
    return f"FT1|1|{number}||{day}||{kind}|||||50{'|' * 14}{code}^^C4"


def test_charges_of_one_number_are_all_kept() -> None:
    records, issues = read("DFT^P03", ft1(), ft1(code="99214"), ft1(kind="CD"))
    found = [(one.external_id, one.data.procedure_code) for one in records]
    assert found == [("T1", "99213"), ("T1#2", "99214"), ("T1", "99213")]
    assert issues == {"key_repeated": "FT1-2"}


@pytest.mark.parametrize(
    ("days", "codes"),
    [("20260301^20260305", {"range_shortened": "FT1-4.2"}), ("20260301^20260301", {})],
)
def test_the_end_of_a_charge_for_several_days_is_told_of(days: str, codes: dict[str, str]) -> None:
    assert read("DFT^P03", ft1(day=days))[1] == codes


@pytest.mark.parametrize(
    ("who", "codes"), [("L1^Reed^Al", {"npi_missing": "FT1-20"}), ("1^Reed^^^^^^^^^^^NPI", {})]
)
def test_a_performer_without_npi_is_told_of(who: str, codes: dict[str, str]) -> None:
    line = f"FT1|1|T1||20260301||CG|{'|' * 12}|{who}|||||99213"
    assert read("DFT^P03", line)[1] == codes


def rxa(**fields: str) -> str:
    sent = {"1": "0", "2": "1", "3": "20260301", "5": "08^HepB^CVX", "6": "999"}
    sent |= {name[1:]: value for name, value in fields.items()}
    return "RXA|" + "|".join(sent.get(str(number), "") for number in range(1, 22))


@pytest.mark.parametrize(
    ("fields", "status", "codes"),
    [
        ({}, "completed", {}),
        ({"f18": "00^Parent^NIP002"}, "refused", {}),
        ({"f18": "00^Parent^NIP002", "f20": "RE"}, "refused", {}),
        ({"f18": "00", "f20": "CP"}, "completed", {"refusal_contradicted": "RXA-18"}),
        ({"f9": "01"}, "completed", {}),
        ({"f9": "told"}, "completed", {"unknown_code": "RXA-9"}),
        ({"f15": "L1~L2"}, "completed", {"repetitions_not_read": "RXA-15"}),
    ],
)
def test_what_an_immunization_says_of_itself(
    fields: dict[str, str], status: str, codes: dict[str, str]
) -> None:
    (one,), issues = read("VXU^V04", "ORC|RE||F1", rxa(**fields))
    assert (one.data.status, issues) == (status, codes)


def test_immunizations_of_one_number_are_both_kept() -> None:
    records, issues = read(
        "VXU^V04",
        "NTE|1||of the patient",
        "ORC|RE||F1",
        rxa(),
        "RXR|IM",
        "RXR|PO",
        "ORC|RE||F1",
        rxa(f5="10^Polio^CVX"),
    )
    assert [one.external_id for one in records] == ["F1", "F1|2026-03-01|10"]
    assert issues == {
        "note_unplaced": "NTE",
        "segment_repeated": "RXR",
        "key_repeated": "ORC-3",
    }


@pytest.mark.parametrize(
    ("event", "codes"), [("UPD", {}), ("", {}), ("ALL", {"unknown_code": "MFI-3"})]
)
def test_an_event_of_a_master_file_that_nobody_knows_is_told_of(
    event: str, codes: dict[str, str]
) -> None:
    entry = ("MFE|MAD|||K1", "STF|K1||Reed^Al")
    assert read("MFN^M02", f"MFI|PRA||{event}", *entry)[1] == codes


@pytest.mark.parametrize(
    ("control", "status"), [("XO|P1|||CM", "completed"), ("XO|P1", None), ("XX|P1|||HD", "on_hold")]
)
def test_a_change_of_an_order_may_state_its_status(control: str, status: str | None) -> None:
    (one,), issues = read("ORM^O01", f"ORC|{control}", "OBR|1|P1||X^Test^L")
    assert (one.data.status, issues) == (status, {})


def test_a_place_with_two_conditions_is_refused() -> None:
    with pytest.raises(ValidationError, match="one condition is written as PATH = VALUE"):
        Config(field={"patient.language": ("ZPD-4 when PV1-2 = O when PV1-3 = X",)})
