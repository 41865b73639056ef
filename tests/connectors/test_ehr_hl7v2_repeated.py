"""What a message says more than once, or in another component, is kept or told of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import RawDocument
from hub.domain.records import Record

OBR = "OBR|1|P1|F1|57021-8^CBC^LN|||20260301"


def read(kind: str, *segments: str) -> tuple[list[Record], dict[str, str]]:
    """The records, and the path of every issue by its code; what is not read at all is left out."""
    head = f"MSH|^~\\&|EHR|N|HUB|N|20260302080000||{kind}|1|P|2.5.1"
    who = [] if kind.startswith("MFN") else ["PID|1||7^^^HOSP^MR||Doe^Jo"]
    content = "\r".join([head, *who, *segments, ""]).encode()
    parsed = connector.parse(Config(), RawDocument(content))
    found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
    issues = {one.code: one.path for one in found if not one.code.endswith("_not_read")}
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
