"""`mso-hub outbound`: queue a file for a destination, see what became of it, send it again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.services import connections, outbound
from hub.storage.tables import Connection, JobRow, OutboundMessage

PATIENT = "Quillfeather"
ROUTED = """host = "lab.example"
port = 2575

[[routing.forward]]
from = "EHR A"
types = ["ADT"]
"""


def message(control_id: str) -> str:
    return f"MSH|^~\\&|HUB|MSO|LAB|MAIN|20260302||ADT^A08|{control_id}|P|2.5.1\rPID|1||{PATIENT}\r"


@pytest.fixture
def lab(desk: Any, tmp_path: Path) -> Path:
    """A destination that listens nowhere, and a file of two messages."""
    desk.work(
        lambda session: connections.add(
            session, desk.hub.crypto, connection_id="lab", name="Lab", now=datetime.now(UTC),
            connector_id="hl7v2_destination", config={"host": "127.0.0.1", "port": 9, "tls": False},
        )
    )  # fmt: skip
    file = tmp_path / "out.hl7"
    file.write_text(message("OUT1") + message("OUT2"), newline="")
    return file


def test_the_messages_of_a_file_are_queued_and_listed_without_content(desk: Any, lab: Path) -> None:
    added = desk.run("outbound", "add", str(lab), "--to", "Lab", "--json")
    assert len(added.json["messages"]) == 2
    listed = desk.run("outbound", "list", "--to", "lab", "--state", "queued", "--json")
    rows = listed.json["messages"]
    assert {(row["control_id"], row["destination"], row["attempts"]) for row in rows} == {
        ("OUT1", "Lab", 0),
        ("OUT2", "Lab", 0),
    }
    assert PATIENT not in listed.out + desk.run("outbound", "list").out
    found = desk.run("outbound", "list", "--control-id", "OUT2", "--json").json["messages"]
    assert [row["id"] for row in found] == [added.json["messages"][1]]
    (listed_lab,) = [
        row
        for row in desk.run("connection", "list", "--json").json["connections"]
        if row["id"] == "lab"
    ]
    assert (listed_lab["waiting"], listed_lab["parked"]) == (2, 0)
    assert desk.audited()[-1][0] == "outbound add"


def test_content_is_shown_with_a_reason_only_and_audited(desk: Any, lab: Path) -> None:
    (first, _) = desk.run("outbound", "add", str(lab), "--to", "Lab", "--json").json["messages"]
    assert PATIENT not in desk.run("outbound", "show", first, "--json").out
    assert desk.run("outbound", "show", first, "--raw").code == 2
    shown = desk.run("outbound", "show", first, "--raw", "--reason", "lab asks", "--json")
    assert shown.json["raw"] == message("OUT1").strip("\r").split("\r")
    assert desk.audited()[-1][::2] == ("outbound show --raw", "lab asks")


def test_only_a_parked_message_is_sent_again(desk: Any, lab: Path) -> None:
    (first, second) = desk.run("outbound", "add", str(lab), "--to", "Lab", "--json").json[
        "messages"
    ]
    refused = desk.run("outbound", "resend", first, "--reason", "corrected")
    assert (refused.code, "not parked" in refused.err) == (1, True)

    def park(session: Any) -> None:
        row = session.get_one(OutboundMessage, first)
        row.state = "parked"
        (job,) = session.query(JobRow).filter_by(unique_key=f"outbox:{first}")
        job.state = "dead"

    desk.work(park)
    assert desk.run("outbound", "list", "--state", "parked", "--json").json["messages"]
    done = desk.run("outbound", "resend", first, "--reason", "corrected", "--json")
    assert done.json == {"queued": 1}
    assert {row.state for row in desk.rows(OutboundMessage)} == {"queued"}
    jobs = {job.unique_key: job for job in desk.rows(JobRow) if job.unique_key}
    assert jobs[f"outbox:{first}"].state == "ready"
    assert jobs[f"outbox:{first}"].id < jobs[f"outbox:{second}"].id
    assert desk.audited()[-1][::2] == ("outbound resend", "corrected")


@pytest.mark.parametrize(
    ("to", "content", "says"),
    [
        ("EHR A", message("X"), "takes no messages from us"),
        ("Nobody", message("X"), "There is no connection"),
        ("Lab", "no message at all", "does not begin with MSH"),
        ("Lab", message(""), "MSH-10 is required"),
    ],
)
def test_what_cannot_be_sent_is_told_and_nothing_queued(
    desk: Any, lab: Path, to: str, content: str, says: str
) -> None:
    lab.write_text(content, newline="")
    ended = desk.run("outbound", "add", str(lab), "--to", to)
    assert (ended.code, says in ended.err) == (1, True)
    assert desk.rows(OutboundMessage) == []


def test_a_destination_is_added_with_what_is_forwarded_to_it(desk: Any, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(ROUTED)
    options = ("--connector", outbound.DESTINATION, "--config", str(file), "--json")
    added = desk.run("connection", "add", "--name", "Lab", *options)
    assert added.code == 0
    (row,) = desk.rows(Connection, name="Lab")
    assert row.routing == {"forward": [{"from": "EHR A", "types": ["ADT"]}]}


@pytest.mark.parametrize(
    "routing",
    [
        {"sending_application": "LAB"},
        {"forward": "EHR A"},
        {"forward": [{"types": ["ADT"]}]},
        {"forward": [{"from": "EHR A", "types": "ADT"}]},
        {"forward": [{"from": "EHR A", "to": "Lab"}]},
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused(
    desk: Any, tmp_path: Path, routing: Any
) -> None:
    file = tmp_path / "lab.json"
    file.write_text(json.dumps({"host": "lab.example", "port": 2575, "routing": routing}))
    options = ("--connector", outbound.DESTINATION, "--config", str(file))
    ended = desk.run("connection", "add", "--name", "Lab", *options)
    assert ended.code == 1
    assert "forward" in ended.err or "types" in ended.err
