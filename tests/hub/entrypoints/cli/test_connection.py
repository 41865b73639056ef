"""`mso-hub connection`: adding with checked settings and secrets, checking, pausing, resuming."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.payroll_rest import simulator as payroll
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hl7_route_table import RouteTable
from hub.errors import ConfigError
from hub.services.connections import SecretStore
from hub.storage import connections
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, ConnectionPractice, ConnectionSecret, JobRow

SCOPE = unrestricted_scope("test")
EHR = """
zone = "America/Chicago"
[routing]
sending_application = "EHRB"
peers = ["10.1.0.0/16"]
[routing.receiving_facilities]
NORTH = "HUBNORTH"
"""


def file(tmp_path: Path, text: str, name: str = "settings.toml") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def add(desk: Any, connector: str, config: str, *more: str, name: str = "New") -> Any:
    return desk.run(
        "connection", "add", "--connector", connector, "--name", name, "--config", config, *more
    )


def test_an_hl7_connection_is_added_with_its_routing(desk: Any, tmp_path: Path) -> None:
    ended = add(desk, "ehr_hl7v2", file(tmp_path, EHR), "--practice", "NORTH=north")
    assert (ended.code, ended.err) == (0, "")
    assert "webhook" not in ended.out
    (row,) = desk.rows(Connection, name="New")
    assert row.config == {"zone": "America/Chicago"}
    assert row.routing == {"sending_application": "EHRB", "peers": ["10.1.0.0/16"]}
    (routed,) = desk.rows(ConnectionPractice, connection_id=row.id)
    assert (routed.code, routed.practice_id, routed.receiving_facility) == (
        "NORTH",
        "id-north",
        "HUBNORTH",
    )
    assert [event[0] for event in desk.audited()] == ["connection add"]


def test_a_webhooks_address_is_printed_once_and_finds_the_connection(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_PUBLIC_URL", "https://hub.example/")
    monkeypatch.setenv("STONEBRIDGE_KEY", "the api key")
    monkeypatch.setattr(sys, "stdin", io.StringIO("the signing key\n"))
    ended = add(
        desk, "supply_x12", file(tmp_path, "{}", "settings.json"), "--practice", "ACCT=id-south",
        "--secret", "api_key=env:STONEBRIDGE_KEY", "--secret", "webhook_secrets=-",
    )  # fmt: skip
    assert ended.code == 0
    found = re.search(r"https://hub\.example/webhooks/supply_x12/(\S{40,})", ended.out)
    assert found is not None
    (row,) = desk.rows(Connection, name="New")
    with desk.hub.database.read(SCOPE) as session:
        digest = desk.hub.crypto.digest(f"endpoint:{found[1]}")
        assert connections.by_endpoint(session, "supply_x12", digest).id == row.id
    store = SecretStore(desk.hub.database, desk.hub.crypto, row.id)
    assert store.get(row.config["api_key"]) == "the api key"
    assert [store.get(item) for item in row.config["webhook_secrets"]] == ["the signing key"]
    listed = desk.run("connection", "list", "--json").out
    for text in (found[1], "the api key", "the signing key"):
        assert text not in listed
        assert text not in json.dumps(row.config)
        assert all(text.encode() not in s.ciphertext for s in desk.rows(ConnectionSecret))


def test_a_secret_in_a_file_that_cannot_be_read_is_named_and_not_an_unexpected_error(
    desk: Any, tmp_path: Path
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "good").write_text("the key\n")
    store = SecretStore(desk.hub.database, desk.hub.crypto, "ehr")
    assert store.get(f"file:{tmp_path / 'good'}") == "the key"
    for name in ("bytes", "missing", ""):
        with pytest.raises(ConfigError, match="There is no secret behind file:"):
            store.get(f"file:{tmp_path / name}")


def test_a_reference_in_the_file_stands_for_a_secret_of_the_connection(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAY", "s")
    config = file(tmp_path, 'client_id = "x"\nclient_secret = "secret://pay"\n')
    assert add(desk, "payroll_rest", config, "--secret", "pay=env:PAY").code == 0
    (row,) = desk.rows(Connection, name="New")
    assert row.config["client_secret"] == f"secret://conn/{row.id}/pay"


@pytest.mark.parametrize(
    ("connector", "text", "options", "code", "words"),
    [
        ("payrol_rest", "", (), 1, 'no connector "payrol_rest"'),
        ("payroll_rest", "", (), 1, "client_id is missing"),
        ("payroll_rest", 'client_id = "x"\nclient_secret = "hunter2"', (), 1, "reference"),
        ("payroll_rest", "client_id = ", (), 1, "no readable TOML or JSON"),
        ("payroll_rest", '[routing]\nx = "y"', (), 1, "has no [routing]"),
        ("ehr_hl7v2", "", (), 1, "sending_application"),
        ("ehr_hl7v2", '[routing]\nsending_application="A"\npeers=["x"]', (), 1, "10.1.0.0/16"),
        ("ehr_hl7v2", '[routing]\nsending_application="A"\nodd=1', (), 1, "has no odd"),
        (
            "ehr_hl7v2",
            '[routing]\nsending_application="A"\ncertificates=["ehr.example"]',
            (),
            1,
            "dns:ehr.example",
        ),
        (
            "ehr_hl7v2",
            '[routing]\nsending_application="A"\nprocessing_ids=["PT"]',
            (),
            1,
            "P, T and D (MSH-11), not PT",
        ),
        ("ehr_hl7v2", 'zonee = "UTC"' + EHR, (), 1, "Did you mean zone?"),
        ("ehr_hl7v2", EHR + '[values.sex]\n1 = "hunter2"', (), 1, "'female', 'male', 'other'"),
        (
            "ehr_hl7v2",
            EHR + '[events]\nalias = { "ADT^Z99" = "ADT^Q99" }',
            (),
            1,
            "no event that is read",
        ),
        ("ehr_hl7v2", EHR + "odd = 1", (), 1, "receiving_facilities"),
        ("ehr_hl7v2", EHR, ("--practice", "NORTH"), 2, "NAME=VALUE"),
        ("ehr_hl7v2", EHR, ("--practice", "NORTH=nowhere"), 1, '"nowhere" is neither the id'),
        ("ehr_hl7v2", EHR, ("--secret", "x=hunter2"), 2, "never the secret itself"),
        ("ehr_hl7v2", EHR, ("--secret", "x=env:NOT_SET_HERE"), 1, "The secret x is empty"),
        ("ehr_hl7v2", EHR, ("--name", "EHR A"), 1, 'There is a connection "EHR A" already'),
    ],
)
def test_a_wrong_setting_is_one_sentence_without_values_and_adds_nothing(
    desk: Any,
    tmp_path: Path,
    connector: str,
    text: str,
    options: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    ended = add(desk, connector, file(tmp_path, text), *options)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err
    assert "hunter2" not in ended.err
    assert ended.err.count("\n") == 1
    assert [row.name for row in desk.rows(Connection)] == ["EHR A"]
    assert desk.audited() == []


def test_connections_are_listed_with_what_waits(desk: Any) -> None:
    (row,) = desk.run("connection", "list", "--json").json["connections"]
    assert (row["name"], row["state"], row["waiting"]) == ("EHR A", "ok", 1)
    assert row["waiting_since"] is not None
    assert "EHR A" in desk.run("connection", "list").out


def test_settings_that_no_longer_hold_are_listed_with_what_is_wrong(desk: Any) -> None:
    def outdate(session: ScopedSession) -> None:
        connections.get(session, "ehr").config = {"zone": "Nowhere/Atall"}

    desk.work(outdate)
    RouteTable(desk.hub.database).refresh()
    (row,) = desk.run("connection", "list", "--json").json["connections"]
    assert row["state"] == "invalid_config"
    assert "zone" in row["status_reason"]
    assert row["status_reason"] in desk.run("connection", "list").out


def test_pausing_and_resuming_is_shown_and_audited(desk: Any) -> None:
    assert desk.run("connection", "pause", "EHR A").out == "EHR A is paused.\n"
    assert desk.run("connection", "pause", "ehr", "--json").json["changed"] is False
    (row,) = desk.run("connection", "list", "--json").json["connections"]
    assert (row["state"], row["paused"]) == ("paused", True)
    assert desk.run("connection", "resume", "EHR A", "--json").json == {
        "resumed": "EHR A",
        "changed": True,
    }
    (row,) = desk.run("connection", "list", "--json").json["connections"]
    assert row["state"] == "ok"
    assert [event[0] for event in desk.audited()] == [
        "connection pause",
        "connection pause",
        "connection resume",
    ]


def test_a_sync_is_a_job_and_a_second_request_joins_it(desk: Any, tmp_path: Path) -> None:
    text = 'base_url = "http://127.0.0.1:9"\nclient_id = "a"\n'
    config = file(tmp_path, text + f'client_secret = "file:{tmp_path}/secret"\n')
    (tmp_path / "secret").write_text("secret")
    assert add(desk, "payroll_rest", config, "--practice", "cmp=north").code == 0
    first = desk.run("connection", "sync", "New", "--json").json["job"]
    assert desk.run("connection", "sync", "New", "--json").json["job"] == first
    (job,) = desk.rows(JobRow, id=first)
    assert job.kind == "pull.sync_streams"


def test_what_only_sends_is_not_synchronised(desk: Any) -> None:
    before = len(desk.rows(JobRow))
    ended = desk.run("connection", "sync", "EHR A")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "mso-hub: ehr_hl7v2 has nothing to read: what it brings is sent.\n"
    assert len(desk.rows(JobRow)) == before


def test_a_check_reports_every_probe_and_fails_with_the_vendor(desk: Any, tmp_path: Path) -> None:
    plan = FaultPlan()
    vendor = payroll.build(
        seed=1, today=date(2026, 3, 2), entities=[payroll.Entity("cmp", "North")], plan=plan
    )
    with SimulatorServer(vendor) as server:
        text = f'base_url = "{server.url}"\nclient_id = "{payroll.CLIENT_ID}"\n'
        config = file(tmp_path, text + f'client_secret = "file:{tmp_path}/secret"\n')
        (tmp_path / "secret").write_text(payroll.CLIENT_SECRET)
        assert add(desk, "payroll_rest", config, "--practice", "cmp=north").code == 0
        good = desk.run("connection", "check", "New", "--json")
        assert (good.code, good.json["ok"]) == (0, True)
        assert len(good.json["probes"]) >= 1
        plan.faults = [Fault("status", times=99, params={"status": 503})]
        bad = desk.run("connection", "check", "New")
    assert bad.code == 1
    assert "failed" in bad.out
    assert bad.err.startswith("mso-hub: New: ")
    assert bad.err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "sync", "pause", "resume"])
def test_an_unknown_connection_is_one_sentence(desk: Any, command: str) -> None:
    ended = desk.run("connection", command, "nope")
    assert (ended.code, ended.out) == (1, "")
    words = 'mso-hub: There is no connection "nope"; `mso-hub connection list` shows the names.\n'
    assert ended.err == words
