"""Findings of hl7apy reduced to a code and a path: true, stable and without values."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.sdk.hl7v2.conformance import LARGEST, Finding, findings

FIXTURES = Path(__file__).parents[4] / "fixtures" / "ehr_hl7v2"
SECRET = "Quillfeather"
GOOD = (
    "MSH|^~\\&|EHR|NORTH|HUB|MSO|20260302150000||ADT^A04^ADT_A01|C1|P|2.5.1\r"
    "EVN||20260302150000\r"
    "PID|1||77^^^EHR^MR||Quillfeather^Cora||19700101|F\r"
    "PV1|1|O\r"
)


def test_a_message_that_keeps_the_standard_has_no_findings() -> None:
    assert findings(GOOD.encode()) == ()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("PV1|1|O\r", "PV1|1\r"), Finding("missing_required", "PV1-2")),
        (("|F\r", "|Quillfeather\r"), Finding("not_in_table", "PID-8")),
        (("PV1|1|O\r", ""), Finding("missing_required", "PV1")),
        (("PV1|1|O\r", "PV1|1|O\rZPD|1|x\r"), None),
        (("2.5.1\r", "9.9\r"), Finding("not_readable", "")),
    ],
)
def test_what_breaks_the_standard_is_told_by_code_and_path(
    change: tuple[str, str], finding: Finding | None
) -> None:
    found = findings(GOOD.replace(*change).encode())
    assert (finding in found) if finding else Finding("not_readable") not in found
    assert SECRET not in repr(found)


def test_line_feeds_a_truncation_character_and_an_alias_version_are_no_findings() -> None:
    odd = GOOD.replace("\r", "\r\n").replace("|^~\\&|", "|^~\\&#|").replace("2.5.1", "2.51")
    assert findings(odd.encode(), "2.5.1") == ()


def test_too_large_and_unreadable_messages_are_not_handed_on() -> None:
    assert findings(GOOD.encode() + b"Z" * LARGEST) == (Finding("too_large"),)
    assert findings(b"nothing") == (Finding("not_readable"),)


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.hl7")), ids=lambda file: file.stem)
def test_no_finding_quotes_a_value(file: Path) -> None:
    for finding in findings(file.read_bytes()):
        place = finding.path.replace("-", "").replace(".", "").replace("_", "")
        assert place == "" or (place.isalnum() and place == place.upper()), finding
