"""`mso-hub audit list`: what was done, by whom, and that somebody looked."""

from __future__ import annotations

from typing import Any


def test_what_somebody_did_is_listed_and_looking_is_audited(desk: Any) -> None:
    desk.run("job", "cancel", str(desk.jobs["ready"]))
    (event,) = desk.run("audit", "list", "--json", "--patients").json["events"]
    who = event["principal_id"]
    assert (event["operation"], event["patients"]) == ("job cancel", [])
    assert who.startswith("os:")

    listed = desk.run("audit", "list", "--by", who, "--json").json["events"]
    assert [each["operation"] for each in listed] == ["audit list", "job cancel"]
    assert desk.run("audit", "list", "--by", "somebody else", "--json").json == {"events": []}
    assert desk.audited()[-1][0] == "audit list --by"
    assert "job cancel" in desk.run("audit", "list").out


def test_an_unknown_patient_is_named_as_such(desk: Any) -> None:
    ended = desk.run("audit", "list", "--patient", "nobody")
    assert (ended.code, ended.out) == (1, "")
    assert "no such patient" in ended.err
