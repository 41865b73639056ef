"""`mso-hub client`, `export-schema` and `audit verify` on an embedded database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from hub.auth.credentials import authenticate
from hub.domain.agreements import Domain, Purpose, unrestricted_scope
from hub.entrypoints.cli.main import commands
from hub.errors import HubError
from hub.storage.session import Database
from hub.storage.tables import AuditEvent
from schema.export import sdl

SCOPE = unrestricted_scope("test")


@pytest.fixture
def run(data_dir, monkeypatch):
    monkeypatch.setenv("HUB_DATA_DIR", str(data_dir))
    monkeypatch.delenv("HUB_DATABASE_URL", raising=False)
    runner = CliRunner()

    def invoke(*arguments: str):
        return runner.invoke(commands(), list(arguments))

    return invoke


def test_a_created_key_works_until_it_is_revoked(run, tmp_path):
    made = run(
        "client", "create", "board", "--kind", "mso", "--domain", "schedule",
        "--purpose", "operations", "--purpose", "payment", "--json",
    )  # fmt: skip
    facts = json.loads(made.stdout)
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with database.read(SCOPE) as session:
        principal = authenticate(session, f"Bearer {facts['key']}")
    assert principal.domains == {Domain.SCHEDULE}
    assert principal.purposes == {Purpose.OPERATIONS, Purpose.PAYMENT}
    listed = run("client", "list", "--json").stdout
    assert facts["key"] not in listed
    assert (principal.write, principal.approve, principal.export) == (False, False, False)
    assert json.loads(listed)["clients"][0]["revoked_at"] is None
    assert run("client", "revoke", "board").exit_code == 0
    assert json.loads(run("client", "list", "--json").stdout)["clients"][0]["revoked_at"]
    with database.read(SCOPE) as session, pytest.raises(HubError):
        authenticate(session, f"Bearer {facts['key']}")
    database.close()


def test_a_credential_may_do_what_it_was_allowed_and_no_more(run):
    made = run("client", "create", "desk", "--kind", "mso", "--allow", "write", "--json")
    facts = json.loads(made.stdout)
    assert (facts["write"], facts["approve"]) == (True, False)
    made = run("client", "create", "a", "--kind", "mso", "--allow", "approve", "--json")
    assert json.loads(made.stdout)["approve"] is True
    assert [run("client", "list").stdout.count(word) for word in ("desk", "approve")] == [1, 1]


def test_a_credential_reads_the_classes_of_fields_it_was_given(run):
    def classes(*arguments: str) -> set[str]:
        name = str(len(arguments))
        made = run("client", "create", name, "--kind", "mso", "--json", *arguments)
        return set(json.loads(made.stdout)["data_classes"])

    assert classes() == {"PUBLIC", "OPERATIONAL", "FINANCIAL", "PAYROLL", "PHI"}
    assert classes("--data-class", "operational") == {"PUBLIC", "OPERATIONAL"}
    given = classes("--data-class", "PHI", "--sensitive")
    assert given == {"PUBLIC", "PHI", "PHI_SENSITIVE"}


def test_the_list_tells_a_person_what_each_may_do_and_what_is_revoked(run):
    run("client", "create", "desk [a]", "--kind", "mso", "--allow", "write")
    run("client", "create", "board", "--kind", "mso")
    run("client", "revoke", "board")
    listed = run("client", "list")
    assert listed.exit_code == 0, listed.output
    rows = {
        name: next(line for line in listed.stdout.splitlines() if f" {name} " in line)
        for name in ("desk [a]", "board")
    }
    assert " write " in rows["desk [a]"]
    assert " active " in rows["desk [a]"]
    assert " read " in rows["board"]
    assert " revoked " in rows["board"]


def test_creating_and_revoking_a_credential_is_audited_without_its_key(run, tmp_path):
    key = json.loads(run("client", "create", "desk", "--kind", "mso", "--json").stdout)["key"]
    run("client", "revoke", "desk")
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with database.read(SCOPE) as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.sequence)).all()
        written = str([vars(event) for event in events])
    database.close()
    assert [(e.operation, e.reason, e.action) for e in events] == [
        ("client create", "desk", "write"),
        ("client revoke", "desk", "write"),
    ]
    assert all(e.principal_id.startswith("os:") for e in events)
    assert key not in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "robot"),
        ("--kind", "mso", "--domain", "nonsense"),
        ("--kind", "mso", "--purpose", "nonsense"),
        ("--kind", "mso", "--allow", "everything"),
        ("--kind", "mso", "--data-class", "nonsense"),
        ("--kind", "mso", "--data-class", "SECRET"),
        ("--kind", "mso", "--data-class", "PHI_SENSITIVE"),
    ],
)
def test_an_unknown_word_is_wrong_usage(run, arguments):
    result = run("client", "create", "x", *arguments)
    assert result.exit_code == 2
    assert arguments[-2] in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("client", "create", "", "--kind", "mso"),
        ("client", "create", " board", "--kind", "mso"),
        ("client", "create", "board\x1b[2J", "--kind", "mso"),
        ("client", "create", "b" * 201, "--kind", "mso"),
        ("client", "create", "x", "--kind", "practice"),
        ("client", "create", "x", "--kind", "practice", "--practice", "nowhere"),
        ("client", "revoke", "nobody"),
    ],
)
def test_a_wrong_wish_is_one_sentence(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, HubError)


def test_the_schema_is_exported(run, tmp_path):
    assert run("export-schema").stdout == sdl()
    assert run("export-schema", "--output", str(tmp_path / "s.graphql")).exit_code == 0
    assert (tmp_path / "s.graphql").read_text() == sdl()


def test_the_trail_of_a_new_hub_is_intact(run):
    assert json.loads(run("audit", "verify", "--json").stdout) == {
        "intact": True,
        "events": 0,
        "anchors": 0,
        "bad_sequence": None,
    }
