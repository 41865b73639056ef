"""`mso-hub client documents`: checked against the credential's grants, listed and removed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.cli.common import opened
from hub.entrypoints.cli.main import commands
from hub.errors import Forbidden, HubError, Rejected
from hub.storage.reads.explain import TableAccess
from hub.storage.tables import AuditEvent

PATIENTS = "query Patients($first: Int) { patients(first: $first) { nodes { id familyName } } }"

OPEN = """mutation($input: OpenPurchasingRoundInput!) {
  __typename openPurchasingRound(input: $input) { __typename } }"""


class Command:
    """Runs `mso-hub` on an embedded database with one credential, `board`."""

    def __init__(self, folder: Path) -> None:
        self._runner = CliRunner()
        self._folder = folder

    def __call__(self, *arguments: str) -> Result:
        return self._runner.invoke(commands(), list(arguments))

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        return json.loads(result.stdout)

    def hub(self) -> Any:
        return opened()

    def file(self, text: str, name: str = "patients.graphql") -> str:
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def command(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("HUB_DATA_DIR", str(data_dir))
    monkeypatch.delenv("HUB_DATABASE_URL", raising=False)
    command = Command(data_dir)
    assert command("client", "create", "board", "--kind", "mso").exit_code == 0
    return command


def test_a_document_is_added_with_its_digest_cost_and_purpose_and_removed(
    command: Command,
) -> None:
    added = command.json("client", "documents", "add", "board", command.file(PATIENTS))
    expected = {
        "name": "patients.graphql",
        "id": "sha256:" + hashlib.sha256(PATIENTS.encode()).hexdigest(),
        "purpose": "OPERATIONS",
        "cost": 26,
    }
    assert added["documents"] == [expected]
    assert command.json("client", "documents", "list", "board")["documents"] == [expected]
    assert command("client", "documents", "remove", "board", expected["id"]).exit_code == 0
    assert command.json("client", "documents", "list", "board")["documents"] == []
    again = command("client", "documents", "remove", "board", expected["id"])
    assert isinstance(again.exception, HubError)
    with command.hub() as hub, hub.database.read(unrestricted_scope("test")) as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.sequence)).all()
    assert [(event.operation, event.entities, event.reason) for event in events[-2:]] == [
        (f"client documents add {expected['id']}", {"ClientDocument": 1}, "board"),
        (f"client documents remove {expected['id']}", {"ClientDocument": 1}, "board"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ patients { nodes { nothingLikeIt } } }", "patients.graphql, line 1"),
        ("{ __schema { types { name } } }", "introspection"),
        ("{", "not GraphQL"),
        (OPEN, "patients.graphql: The credential may not use openPurchasingRound."),
        ("{ patients(first: 100) { nodes { appointments(first: 100) { nodes { id } } } } }", ""),
    ],
)
def test_a_document_that_could_not_run_is_not_stored(
    command: Command, text: str, words: str
) -> None:
    result = command("client", "documents", "add", "board", command.file(text))
    assert isinstance(result.exception, HubError)
    assert words in str(result.exception)
    assert command.json("client", "documents", "list", "board")["documents"] == []


def test_a_credential_that_writes_may_run_mutations_and_the_list_shows_whole_ids(
    command: Command,
) -> None:
    command("client", "create", "desk", "--kind", "mso", "--allow", "write")
    [added] = command.json("client", "documents", "add", "desk", command.file(OPEN))["documents"]
    assert added["id"] in command("client", "documents", "list", "desk").stdout


def test_one_bad_document_keeps_the_others_out(command: Command) -> None:
    good, bad = command.file(PATIENTS, "good.graphql"), command.file("{ no }", "bad.graphql")
    result = command("client", "documents", "add", "board", good, bad)
    assert isinstance(result.exception, Rejected)
    assert command.json("client", "documents", "list", "board")["documents"] == []


def test_a_purpose_the_credential_does_not_have_is_refused(command: Command) -> None:
    file = command.file(PATIENTS)
    result = command("client", "documents", "add", "board", file, "--purpose", "treatment")
    assert isinstance(result.exception, Forbidden)


def test_a_developer_is_shown_as_one(command: Command) -> None:
    made = command.json("client", "create", "dev", "--kind", "mso", "--developer")
    assert made["developer"] is True
    shown = {c["name"]: c["developer"] for c in command.json("client", "list")["clients"]}
    assert shown == {"board": False, "dev": True}


def test_a_document_that_would_read_every_row_of_a_practices_table_is_not_stored(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = [TableAccess("patients", None, True)]
    monkeypatch.setattr("schema.trusted.explain", lambda *_: scan)
    result = command("client", "documents", "add", "board", command.file(PATIENTS))
    assert isinstance(result.exception, Rejected)
    assert "patients.graphql: It would read every row of patients" in str(result.exception)
    assert command.json("client", "documents", "list", "board")["documents"] == []
