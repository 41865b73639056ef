import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.entrypoints.cli.x12 import app, describe

FIXTURES = Path(__file__).parents[4] / "fixtures" / "payer_x12"


def show(path: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["show", str(path), "--json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["transactions"]
    return found


def test_a_271_is_shown_with_its_canonical_result() -> None:
    (found,) = show(FIXTURES / "active.edi")
    assert (found["set"], found["control"], found["outcome"]) == ("271", "0001", "active")
    assert found["plan_name"] == "LAKESHORE GOLD 1500"
    assert found["coverage_from"] == "2026-01-01"
    amounts = [item["amount"] for item in found["benefits"] if item["kind"] == "C"]
    assert "1100.50" in amounts
    assert {issue["code"] for issue in found["issues"]} == {"sentinel_amount", "percent"}


def test_rejects_are_shown_with_class_and_text() -> None:
    (found,) = show(FIXTURES / "rejected_subscriber.edi")
    assert found["outcome"] == "rejected"
    assert [item["code"] for item in found["rejects"]] == ["72", "75"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("truncated", "truncated"), ("missing_iea", "truncated"), ("html", "not_x12")],
)
def test_bad_input_is_an_issue(name: str, outcome: str) -> None:
    (found,) = show(FIXTURES / f"{name}.edi")
    assert found["outcome"] == outcome
    assert [issue["code"] for issue in found["issues"]] == [outcome]


def test_acknowledgments_say_whether_they_accept() -> None:
    (ack,) = show(FIXTURES / "ack_999.edi")
    assert (ack["set"], ack["outcome"]) == ("999", "rejected")
    (ta1,) = show(FIXTURES / "ta1.edi")
    assert (ta1["set"], ta1["outcome"]) == ("TA1", "rejected")


def test_any_other_set_is_shown_by_its_envelope(tmp_path: Path) -> None:
    text = (FIXTURES / "active.edi").read_text().replace("ST*271*", "ST*834*")
    (tmp_path / "members.edi").write_text(text)
    (found,) = show(tmp_path / "members.edi")
    assert (found["set"], found["outcome"]) == ("834", "read")
    assert found["segments"] > 30


def test_an_empty_file_is_an_issue() -> None:
    assert [item["outcome"] for item in describe(b"")] == ["not_x12"]


def test_the_table_names_outcome_and_issues() -> None:
    result = CliRunner().invoke(app, ["show", str(FIXTURES / "odd_envelope.edi")])
    assert result.exit_code == 0
    assert "active" in result.stdout
    assert "GS-01" in result.stdout


def test_a_missing_file_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["show", "no-such-file.edi"])
    assert result.exit_code == 2
