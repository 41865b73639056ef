"""`mso-hub message`: lists and details without content; raw bytes and replay are audited."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from hub.services.operators import LONGEST_REASON
from hub.storage.tables import InboundMessage, JobRow

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
    (job,) = desk.rows(JobRow, unique_key=f"inbox:{bad}")
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
    with pytest.raises(RuntimeError):
        desk.run("message", "replay", desk.messages["bad"], "--reason", "again")
    assert desk.rows(JobRow, unique_key=f"inbox:{desk.messages['bad']}") == []
    assert len(desk.rows(InboundMessage)) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["show", "nope"], 1, "mso-hub: There is no message nope; `mso-hub message list`"),
        (["list", "--state", "odd"], 2, "mso-hub: Invalid value for --state: must be one of rec"),
        (["list", "--kind", "odd"], 2, "mso-hub: Invalid value for --kind: must be one of hl7v2"),
        (["list", "--since", "odd"], 2, "mso-hub: Invalid value for --since: must be an age like"),
        (["replay"], 2, "mso-hub: Missing argument"),
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
