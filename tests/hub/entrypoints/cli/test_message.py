"""`mso-hub message`: lists and details without content; raw bytes and replay are audited."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from hub.services import connections
from hub.services.intake import Arrival
from hub.services.operators import LONGEST_REASON
from hub.storage import inbox
from hub.storage.tables import (
    AuditEvent,
    InboundMessage,
    JobRow,
    OutboundMessage,
    Patient,
    PatientIdentifier,
)

PATIENT = "Quillfeather"


def me() -> str:
    return f"os:{pwd.getpwuid(os.getuid()).pw_name}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["pushed", "bad", "good"]),
        (["--state", "quarantined"], ["bad"]),
        (["--kind", "webhook"], ["pushed"]),
        (["--connection", "EHR A", "--kind", "hl7v2"], ["bad", "good"]),
        (["--connection", "ehr", "--limit", "1"], ["pushed"]),
        (["--connection", "unknown"], []),
        (["--type", "ADT^good"], ["good"]),
        (["--since", "1h"], ["pushed", "bad", "good"]),
        (["--since", "2020-01-01T00:00:00Z", "--state", "refused"], ["pushed"]),
        (["--since", "2100-01-01"], []),
    ],
)
def test_messages_are_listed_newest_first_and_filtered(
    desk: Any, options: list[str], expected: list[str]
) -> None:
    ended = desk.run("message", "list", "--json", *options)
    names = {inbox_id: name for name, inbox_id in desk.messages.items()}
    assert ended.code == 0
    assert [names[row["id"]] for row in ended.json["messages"]] == expected


def test_a_list_names_connection_practice_and_fault_and_never_content(desk: Any) -> None:
    for form in ((), ("--json",)):
        ended = desk.run("message", "list", *form)
        assert "EHR A" in ended.out
        assert "north" in ended.out
        assert "The frame does not begin with MSH." in ended.out
        assert PATIENT not in ended.out


def test_one_message_is_shown_with_headers_issues_and_jobs_and_without_content(desk: Any) -> None:
    bad = desk.run("message", "show", desk.messages["bad"], "--json")
    assert (bad.json["state"], bad.json["fault_path"]) == ("quarantined", "MSH")
    assert bad.json["headers"] == {"msh-9": "ADT^bad"}
    assert [issue["path"] for issue in bad.json["issues"]] == ["PID-7"]
    good = desk.run("message", "show", desk.messages["good"], "--json")
    assert [(job["kind"], job["state"]) for job in good.json["jobs"]] == [
        ("ingest.process_message", "ready")
    ]
    text = desk.run("message", "show", desk.messages["bad"])
    assert "quarantined" in text.out
    assert PATIENT not in bad.out + good.out + text.out
    assert desk.audited() == []


def test_a_refused_message_is_shown_with_all_that_is_wrong_with_it(
    desk: Any, tmp_path: Path
) -> None:
    file = tmp_path / "refused.hl7"
    file.write_bytes(b"MSH|^~\\&|EHRA|NORTH|||20260302||ADT^A04|C9|T|9.9\rPID|1||7^^^FAC1^MR\r")
    desk.run("hl7", "load", str(file), "--connection", "EHR A")
    (row,) = desk.run("message", "list", "--control-id", "C9", "--json").json["messages"]
    assert (row["fault_path"], row["issue_count"]) == ("MSH-11", 1)
    shown = desk.run("message", "show", row["id"])
    for rule in ("processing id are not taken", "version is not supported"):
        assert rule in shown.out


def test_raw_bytes_come_as_received_and_leave_an_audit_event(desk: Any) -> None:
    ended = desk.run("message", "show", desk.messages["bad"], "--raw", "--reason", "ticket 7")
    assert ended.out == f"MSH|^~\\&|bad\rPID|1||{PATIENT}\r"
    assert desk.audited() == [("message show --raw", me(), "ticket 7")]
    assert desk.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("reason", "code"), [((), 2), (("--reason", " "), 1), (("--reason", "x" * 201), 1)]
)
def test_raw_bytes_need_a_reason(desk: Any, reason: tuple[str, ...], code: int) -> None:
    assert LONGEST_REASON == 200
    ended = desk.run("message", "show", desk.messages["bad"], "--raw", *reason)
    assert (ended.code, ended.out) == (code, "")
    assert "reason" in ended.err
    assert desk.audited() == []


def test_a_replay_adds_a_job_and_an_audit_event(desk: Any) -> None:
    bad = desk.messages["bad"]
    ended = desk.run("message", "replay", bad, "--reason", "mapping corrected", "--json")
    assert ended.json == {"named": 1, "replayed": 1}
    (job,) = desk.rows(JobRow, unique_key=f"judge:{bad}")
    assert (job.state, job.args) == ("ready", {"inbox_id": bad})
    assert desk.audited() == [("message replay", me(), "mapping corrected")]


def test_a_refused_message_is_not_replayed_and_the_count_says_so(desk: Any) -> None:
    ids = [desk.messages["bad"], desk.messages["pushed"]]
    ended = desk.run("message", "replay", *ids, "--reason", "again")
    assert ended.out == "1 of 2 messages will be read again.\n"


def test_an_unknown_id_replays_nothing_at_all(desk: Any) -> None:
    ended = desk.run("message", "replay", desk.messages["bad"], "nope", "--reason", "again")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "mso-hub: There is no message nope; nothing was replayed.\n"
    assert desk.rows(JobRow, unique_key=f"inbox:{desk.messages['bad']}") == []
    assert desk.audited() == []


def test_a_failed_audit_event_undoes_the_replay(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the audit trail cannot be written")

    monkeypatch.setattr("hub.services.operators.audit.append", broken)
    ended = desk.run("message", "replay", desk.messages["bad"], "--reason", "again")
    assert (ended.code, ended.out) == (1, "")
    assert "RuntimeError" in ended.err
    assert desk.rows(JobRow, unique_key=f"inbox:{desk.messages['bad']}") == []
    assert len(desk.rows(InboundMessage)) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["show", "nope"], 1, "mso-hub: There is no message nope; `mso-hub message list`"),
        (["list", "--state", "odd"], 2, "mso-hub: Invalid value for --state: must be one of rec"),
        (["list", "--kind", "odd"], 2, "mso-hub: Invalid value for --kind: must be one of hl7v2"),
        (["list", "--since", "odd"], 2, "mso-hub: Invalid value for --since: must be an age like"),
        (["replay"], 2, "mso-hub: Missing option"),
        (["replay", "--reason", "r"], 2, "mso-hub: Invalid value: name ids, or say by options"),
        (["replay", "x", "--dry-run", "--reason", "r"], 2, "mso-hub: Invalid value for --dry-run"),
        (["show", "x", "--content"], 2, "mso-hub: Invalid value for --reason"),
        (["list", "--patient", ""], 2, "mso-hub: Invalid value for --patient"),
        (["nope"], 2, "mso-hub: No such command"),
    ],
)
def test_a_failure_is_one_sentence_on_stderr(
    desk: Any, arguments: list[str], code: int, sentence: str
) -> None:
    ended = desk.run("message", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(sentence)
    assert ended.err.count("\n") == 1


HEADER = "MSH|^~\\&|EHRA|NORTH|HUB|MSO|20260302150000||ADT^A04|{}|P|2.5.1\r"
BODY = "EVN|A04|20260302\rPID|1||{}^^^EHR^MR||{}^Cora||19700101|F\rPV1|1|O\r"


def arrive(desk: Any, control_id: str, number: str, prior: tuple[str, ...] = ()) -> str:
    """A message about the patient of a record number."""
    content = (HEADER.format(control_id) + BODY.format(number, PATIENT)).encode()
    arrival = Arrival(
        "hl7v2", "ehr", "id-north", "mllp:EHRA", control_id, "ADT^A04", content,
        lanes=(f"id-north|patient|EHR|{number}",), patients=(number, *prior),
    )  # fmt: skip
    inbox_id: str = desk.hub.intake.receive(arrival).result(timeout=30).inbox_id
    return inbox_id


def listed(desk: Any, *options: str) -> set[str]:
    ended = desk.run("message", "list", "--json", *options)
    return {row["id"] for row in ended.json["messages"]}


def test_a_message_is_found_by_its_control_id_and_by_its_fault(desk: Any) -> None:
    found = arrive(desk, "MSG77", "77")
    assert listed(desk, "--control-id", "MSG77") == {found}
    assert listed(desk, "--fault", "hl7_100") == {desk.messages["bad"], desk.messages["pushed"]}
    assert listed(desk, "--until", "1h") == set()


def test_messages_are_found_by_a_patients_number_or_id_and_the_number_is_nowhere_stored(
    desk: Any,
) -> None:
    first, second = arrive(desk, "M1", "4711"), arrive(desk, "M2", "4711")
    merge = arrive(desk, "M3", "4712", prior=("4711",))
    other = arrive(desk, "M4", "4713")
    assert listed(desk, "--patient", "4711") == {first, second, merge}
    desk.work(lambda session: _know_patient(session, "p1", ("4712", "4713")))
    assert listed(desk, "--patient", "p1") == {merge, other}
    assert listed(desk, "--patient", "4799") == set()
    for row in desk.rows(InboundMessage):
        stored = [row.lane, row.patient_key, row.prior_patient_key, row.headers, row.source]
        assert "471" not in [str(value)[:3] for value in stored]
        assert all("|" not in str(value) for value in stored[:3])


def _know_patient(session: Any, patient_id: str, numbers: tuple[str, ...]) -> None:
    session.add(Patient(id=patient_id, practice_id="id-north", family_name="F", given_name="G"))
    session.flush()
    for number in numbers:
        session.add(
            PatientIdentifier(
                practice_id="id-north", patient_id=patient_id, authority="EHR", type="MR",
                value=number,
            )
        )  # fmt: skip


def test_what_a_filter_finds_is_counted_first_and_then_read_again_in_order(desk: Any) -> None:
    ids = [arrive(desk, f"M{number}", str(number)) for number in range(5)]
    desk.work(lambda s: s.execute(update(JobRow).values(state="done")))
    options = ("--type", "ADT^A04", "--reason", "dialect corrected", "--json")
    counted = desk.run("message", "replay", *options, "--dry-run", "--limit", "3")
    assert counted.json == {"named": 5, "would_replay": 3}
    assert {job.state for job in desk.rows(JobRow)} == {"done"}
    assert desk.audited() == []
    assert desk.run("message", "replay", *options, "--limit", "3").json == {
        "named": 5,
        "replayed": 3,
    }
    jobs = sorted(desk.rows(JobRow, state="ready"), key=lambda job: job.id)
    assert [job.args["inbox_id"] for job in jobs] == ids[:3]
    assert desk.audited() == [("message replay", me(), "dialect corrected")]


def test_looking_for_a_patient_is_audited_found_or_not_and_the_number_is_not_said(
    desk: Any,
) -> None:
    arrive(desk, "M1", "4711")
    listed(desk)
    assert desk.audited() == []
    listed(desk, "--patient", "4711")
    listed(desk, "--patient", "4799")
    desk.run("message", "replay", "--patient", "4711", "--dry-run", "--reason", "ticket 9")
    assert [operation for operation, _, _ in desk.audited()] == [
        "message list --patient",
        "message list --patient",
        "message replay --patient",
    ]
    assert [row.entities for row in desk.rows(AuditEvent)] == [
        {"InboundMessage": count} for count in (1, 0, 1)
    ]


def test_a_replayed_message_keeps_the_order_of_its_patient(desk: Any) -> None:
    inbox_id = arrive(desk, "M1", "77")
    (first,) = desk.rows(JobRow, unique_key=f"inbox:{inbox_id}")
    desk.work(lambda s: s.execute(update(JobRow).values(state="done")))
    desk.run("message", "replay", inbox_id, "--reason", "again")
    (again,) = desk.rows(JobRow, unique_key=f"inbox:{inbox_id}", state="ready")
    assert again.lane == first.lane
    assert first.lane is not None


def test_content_is_shown_beside_what_is_read_in_it_and_audited(desk: Any) -> None:
    inbox_id = arrive(desk, "M1", "77")
    options = ("--content", "--reason", "ticket 9", "--json")
    shown = desk.run("message", "show", inbox_id, *options).json
    assert [line[:3] for line in shown["raw"]] == ["MSH", "EVN", "PID", "PV1"]
    assert shown["records"][0]["record"] == "Patient"
    assert desk.audited() == [("message show --raw", me(), "ticket 9")]


def test_what_went_wrong_is_counted_by_day_connection_and_code(desk: Any) -> None:
    counts = desk.run("message", "issues", "--json").json["counts"]
    assert {(one["connection"], one["kind"], one["code"], one["count"]) for one in counts} == {
        ("EHR A", "fault", "hl7_100", 2),
        ("EHR A", "issue", "bad_date", 1),
    }
    assert desk.run("message", "issues", "--connection", "other", "--json").json == {"counts": []}
    assert "bad_date" in desk.run("message", "issues").out


def adt(visit: str, *, facility: str = "NORTH") -> bytes:
    head = f"MSH|^~\\&|EHRA|{facility}|HUB|HUB|20260302||ADT^A04^ADT_A01|C-1|P|2.5.1\r"
    body = f"EVN|A04|20260302\rPID|1||M1^^^N^MR||{PATIENT}\rPV1|1|O|||||||||||||||||{visit}\r"
    return (head + body).encode()


@pytest.fixture
def lab(desk: Any) -> None:
    """A destination that listens nowhere."""
    desk.work(
        lambda session: connections.add(
            session, desk.hub.crypto, connection_id="lab", name="Lab", now=datetime.now(UTC),
            connector_id="hl7v2_destination", config={"host": "127.0.0.1", "port": 9, "tls": False},
        )
    )  # fmt: skip


def test_an_edited_copy_is_a_message_of_its_own_that_names_its_original(
    desk: Any, tmp_path: Path
) -> None:
    file = tmp_path / "edited.hl7"
    file.write_bytes(adt("V-2"))
    good = desk.messages["good"]
    made = desk.run(
        "message", "edit", good, "--file", str(file), "--reason", "wrong visit", "--json"
    )
    assert made.code == 0
    copy = desk.rows(InboundMessage, id=made.json["message"])[0]
    assert (copy.state, copy.connection_id, copy.practice_id) == ("received", "ehr", "id-north")
    assert (copy.headers["copy-of"], copy.message_type) == (good, "ADT^A04")
    raw = inbox.raw(copy, desk.hub.crypto)
    assert raw == adt("V-2").replace(b"|C-1|", f"|{copy.control_id}|".encode())
    assert copy.control_id not in {"C-1", "C-good"}
    assert [job.args for job in desk.rows(JobRow, unique_key=f"inbox:{copy.id}")]
    assert ("message edit", me(), "wrong visit") in desk.audited()
    assert desk.rows(InboundMessage, id=good)[0].state == "received"


def test_a_copy_that_would_not_be_accepted_is_not_stored(desk: Any, tmp_path: Path) -> None:
    file, before = tmp_path / "edited.hl7", len(desk.rows(InboundMessage))
    arguments = ("message", "edit", desk.messages["good"], "--file", str(file), "--reason", "r")
    file.write_bytes(adt("V-2", facility="ELSEWHERE"))
    ended = desk.run(*arguments)
    assert (ended.code, "may not send for this facility" in ended.err) == (1, True)
    file.write_bytes(b"PID|1\r")
    ended = desk.run(*arguments)
    assert (ended.code, "one message" in ended.err) == (1, True)
    assert len(desk.rows(InboundMessage)) == before


def test_a_copy_for_one_destination_goes_there_alone_and_is_not_read(
    desk: Any, tmp_path: Path, lab: None
) -> None:
    file = tmp_path / "edited.hl7"
    file.write_bytes(adt("V-2"))
    made = desk.run(
        "message", "edit", desk.messages["good"], "--file", str(file), "--to", "Lab",
        "--reason", "for the lab", "--json",
    )  # fmt: skip
    copy = desk.rows(InboundMessage, id=made.json["message"])[0]
    assert copy.state == "ignored"
    assert not desk.rows(JobRow, unique_key=f"inbox:{copy.id}")
    assert [(one.connection_id, one.inbox_id) for one in desk.rows(OutboundMessage)] == [
        ("lab", copy.id)
    ]


def test_stored_messages_are_sent_on_to_one_destination(desk: Any, lab: None) -> None:
    good, bad = desk.messages["good"], desk.messages["bad"]
    refused = desk.run("message", "forward", good, bad, "--to", "Lab", "--reason", "lost")
    assert (refused.code, desk.rows(OutboundMessage)) == (1, [])
    ended = desk.run("message", "forward", good, "--to", "Lab", "--reason", "lost", "--json")
    (sent,) = desk.rows(OutboundMessage)
    assert ended.json["messages"] == [sent.id]
    assert (sent.inbox_id, sent.control_id, sent.state) == (good, "C-good", "queued")
    assert ("message forward", me(), "lost") in desk.audited()


def test_bytes_are_not_asked_for_as_json(desk: Any) -> None:
    given = ("message", "show", desk.messages["good"], "--raw", "--json", "--reason", "Ticket 1.")
    ended = desk.run(*given)
    assert (ended.code, ended.out) == (2, "")
    assert "--content" in ended.err
