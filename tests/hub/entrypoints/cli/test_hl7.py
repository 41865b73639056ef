from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.sdk.hl7v2.framing import wrap
from hub.entrypoints.cli.hl7 import app
from hub.storage.tables import InboundMessage

FIXTURES = Path(__file__).parents[4] / "fixtures" / "ehr_hl7v2"
KEYS = {"type", "control_id", "version", "charset", "segments", "records", "issues", "restricted"}


def show(path: Path, *options: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["show", str(path), "--json", *options])
    assert result.exit_code == 0, result.output
    messages: list[dict[str, Any]] = json.loads(result.output)["messages"]
    assert all(set(message) == KEYS for message in messages)
    return messages


def test_a_message_is_shown_with_its_records() -> None:
    (message,) = show(FIXTURES / "adt_a04.hl7", "--zone", "America/Chicago")
    assert (message["type"], message["control_id"]) == ("ADT^A04", "LVADTA04")
    assert (message["version"], message["charset"]) == ("2.5.1", "utf-8")
    assert message["segments"] == ["MSH", "EVN", "PID", "PV1", "IN1", "IN2", "IN1"]
    names = [record["record"] for record in message["records"]]
    assert names == ["Patient", "PatientDetails", "CoverageList", "Encounter"]
    assert message["records"][0]["data"]["birth_date"] == "1979-04-12"
    (issue,) = message["issues"]
    assert (issue["code"], issue["path"]) == ("fields_not_read", "IN2-1")


def test_what_a_message_clears_is_named() -> None:
    patient, _, visit = show(FIXTURES / "adt_a08_nulls.hl7")[0]["records"]
    assert {"birth_date", "deceased", "deceased_at"} <= set(patient["cleared"])
    assert sorted(visit["cleared"]) == ["attending", "ends_at"]
    plain = CliRunner().invoke(app, ["show", str(FIXTURES / "adt_a08_nulls.hl7")]).output
    assert "    cleared: ends_at attending" in plain
    assert "not_cleared  PV1-44" in plain


def test_a_byte_order_mark_is_not_part_of_a_message(tmp_path: Path) -> None:
    path = tmp_path / "edited.hl7"
    path.write_bytes(b"\xef\xbb\xbf" + (FIXTURES / "adt_a04.hl7").read_bytes())
    assert [message["type"] for message in show(path)] == ["ADT^A04"]


def test_a_message_that_does_not_say_its_type_has_none(tmp_path: Path) -> None:
    path = tmp_path / "cut.hl7"
    path.write_bytes(b"MSH|^~\\&|A|B")
    assert [message["type"] for message in show(path)] == [""]


def test_money_is_shown_exactly() -> None:
    (message,) = show(FIXTURES / "dft_p03.hl7")
    assert message["records"][0]["data"]["amount"] == "128.00"


def test_framed_and_batched_files_are_split(tmp_path: Path) -> None:
    one = (FIXTURES / "adt_a04.hl7").read_bytes()
    two = (FIXTURES / "siu_s12.hl7").read_bytes()
    path = tmp_path / "many.hl7"
    for content in (
        wrap(one) + wrap(two),
        one + two,
        b"FHS|^~\\&\rBHS|^~\\&\r" + one + two + b"BTS|2\rFTS|1\r",
    ):
        path.write_bytes(content)
        assert [message["type"] for message in show(path)] == ["ADT^A04", "SIU^S12"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"nothing of the kind", "hl7_100"),
        (b"MSH|^~\\&|A|B", "hl7_201"),
        (b"MSH|AAAA|A|B|C", "hl7_102"),
        (b"MSH|^~\\&|A|B|||20260302||ADT^A60|1|P|2.5.1\r", "hl7_201"),
        (b"MSH|^~\\&|A|B|||20260302||ADT^A04|1|P|2.5.1\rPID|1\r", "patient_missing"),
        (b"MSH|^~\\&|A|B|||x||ADT^A10|1|P|2.5.1\r", "ignored"),
        (b"MSH|^~\\&|A|B\0|||x||ADT^A10|1|P|2.5.1\r", "hl7_102"),
        (bytes(range(1, 256)) * 3, "hl7_100"),
    ],
)
def test_bad_input_is_an_issue_and_never_a_traceback(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "bad.hl7"
    path.write_bytes(content)
    assert code in {issue["code"] for message in show(path) for issue in message["issues"]}


def test_an_empty_file_is_a_fault_and_not_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.hl7"
    path.write_bytes(b"\r\n")
    (message,) = show(path)
    assert [issue["code"] for issue in message["issues"]] == ["hl7_100"]


def test_the_plain_form_names_records_and_issues() -> None:
    result = CliRunner().invoke(app, ["show", str(FIXTURES / "bad_dates.hl7")])
    assert result.exit_code == 0
    assert "ADT^A08" in result.output
    assert "bad_date  PID-7" in result.output
    assert "Encounter  VN-20931" in result.output


def test_a_missing_file_or_zone_is_a_usage_error() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["show", "no-such-file.hl7"]).exit_code == 2
    path = str(FIXTURES / "adt_a04.hl7")
    assert runner.invoke(app, ["show", path, "--zone", "Central"]).exit_code == 2


def loadable(tmp_path: Path, *control_ids: str, facility: str = "NORTH") -> Path:
    file = tmp_path / f"{facility}.hl7"
    head = "MSH|^~\\&|EHRA|{}|HUB|MSO|20260302||ADT^A04|{}|P|2.5.1\rPID|1||7^^^EHR^MR\r"
    file.write_text("".join(head.format(facility, one) for one in control_ids))
    return file


def test_loaded_messages_are_stored_once_and_the_command_is_audited(
    desk: Any, tmp_path: Path
) -> None:
    file = loadable(tmp_path, "F1", "F2")
    for expected in ("2 stored, 0 known, 0 refused", "0 stored, 2 known, 0 refused"):
        ended = desk.run("hl7", "load", str(file), "--connection", "EHR A")
        assert (ended.code, ended.out.strip()) == (0, f"NORTH.hl7  {expected}")
    assert {row.state for row in desk.rows(InboundMessage, source="mllp:ehr|EHRA|NORTH")} == {
        "received"
    }
    assert [operation for operation, _, _ in desk.audited()] == ["hl7 load", "hl7 load"]


def test_a_refused_message_fails_the_command_and_is_told_in_a_sentence(
    desk: Any, tmp_path: Path
) -> None:
    file = loadable(tmp_path, "F1", facility="OTHER")
    ended = desk.run("hl7", "load", str(file), "--connection", "EHR A")
    assert ended.code == 1
    assert "Message 1: MSH-4: The sender may not send for this facility." in ended.out


def test_only_a_connection_that_receives_hl7_takes_files(desk: Any, tmp_path: Path) -> None:
    file = loadable(tmp_path, "F1")
    ended = desk.run("hl7", "load", str(file), "--connection", "Nobody")
    assert ended.code == 1
    assert "Nobody" in ended.err
