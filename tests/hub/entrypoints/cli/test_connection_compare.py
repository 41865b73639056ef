"""`mso-hub connection compare`: what other settings would make of messages, without values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.services.intake import Arrival
from hub.storage.tables import Connection, InboundMessage, JobRow

RAW = (Path(__file__).parents[4] / "fixtures" / "ehr_hl7v2" / "adt_a04.hl7").read_bytes()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "other.toml"
    path.write_text('unread = ["IN2-1"]\n[field]\n"patient.language" = ["PID-26"]\n')
    return path


def store(desk: Any) -> None:
    arrival = Arrival("hl7v2", "ehr", "id-north", "mllp:ehr", "C9", "ADT^A04", RAW)
    desk.hub.intake.receive(arrival).result(timeout=30)


def test_what_would_be_read_otherwise_is_counted_by_field(desk: Any, settings: Path) -> None:
    store(desk)
    before = (desk.rows(Connection)[0].config, len(desk.rows(JobRow)))
    asked = ("connection", "compare", "EHR A", "--settings", str(settings), "--reason", "why")
    found = desk.run(*asked, "--json").json
    assert (found["messages"], found["changed"]) == (3, 1)
    assert found["fields"] == {"Patient.language": 1}
    assert found["issues_gone"] == {"fields_not_read IN2-1": 1}
    assert found["issues_new"] == {"fields_not_read PID-15": 1}
    text = desk.run(*asked).out
    assert "1 of 3 messages would be read otherwise." in text
    assert "Quillfeather" not in text
    assert (desk.rows(Connection)[0].config, len(desk.rows(JobRow))) == before
    assert {row.state for row in desk.rows(InboundMessage)} >= {"received"}
    assert [event[0] for event in desk.audited()] == ["connection compare"] * 2


def test_settings_that_cannot_work_and_a_missing_reason_are_refused(
    desk: Any, tmp_path: Path, settings: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('zone = "Central"\n')
    asked = ("connection", "compare", "EHR A", "--settings")
    assert desk.run(*asked, str(wrong), "--reason", "why").code == 1
    assert desk.run(*asked, str(settings)).code == 2
    assert desk.audited() == []
