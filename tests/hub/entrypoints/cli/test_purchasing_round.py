"""`mso-hub purchasing` on a database: rounds, their history, and demand from a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub import settings
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.cli.main import commands
from hub.services import rounds
from hub.storage.session import Database
from hub.storage.tables import AuditEvent, Item, Practice

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
ALL = unrestricted_scope("test")


@pytest.fixture
def hub(migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("HUB_DATABASE_URL", migrated_url)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    settings.load()
    database = Database(migrated_url)

    def seed(session: Any) -> None:
        session.add(Practice(id="p1", name="North", zone="UTC", created_at=NOW))
        session.add(Item(id="gloves", gtin="00012345678905", name="Gloves", category="gloves"))
        rounds.open_round(session, name="March", now=NOW, by="mso")

    database.transaction(ALL, seed)
    return database


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(commands(), ["purchasing", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_file_is_stated_with_a_reason_for_each_line_that_waits(
    hub: Database, tmp_path: Path
) -> None:
    file = tmp_path / "march.csv"
    file.write_text("gtin,quantity,unit\n012345678905,20,EA\n012345678905,2,BX\n,3,EA\n")
    facts = run("requisition", str(file), "--round", "March", "--practice", "p1", "--json")
    assert (facts["matched"], facts["needs_units"], facts["rejected"]) == (1, 1, 1)
    assert [row["number"] for row in facts["waiting"]] == [3, 4]
    assert "how many EA are in one BX" in facts["waiting"][0]["issue"]
    with hub.read(ALL) as session:
        operations = [event.operation for event in session.query(AuditEvent)]
    assert "purchasing requisition" in operations
    hub.close()


def test_scenarios_are_written_as_a_page(hub: Database, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    shown = run("scenarios", "March", "--page", str(page), "--json")
    assert (shown["plan"]["name"], shown["scenarios"]) == ("March", [])
    assert "<h1>March</h1>" in page.read_text()
    assert run("savings", "March", "--by", "category", "--json")["savings"] == []
    hub.close()


def test_a_round_is_shown_with_its_steps(hub: Database) -> None:
    [listed] = run("rounds", "--json")["rounds"]
    shown = run("show", "March", "--json")
    assert (listed["name"], shown["status"]) == ("March", "open")
    assert [(step["step"], step["taken_by"]) for step in shown["steps"]] == [("open", "mso")]
    hub.close()
