"""Messages in the console: searched for, opened for a reason, read again; and no patient in an
address."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from hub.domain.records import Issue
from hub.entrypoints.console.contents import MOST_SEGMENTS, Parsed, parsed
from tests.hub.entrypoints.console.conftest import KEY, RAW, add_connection, message

PATIENT = ("EVERGREEN", "7A")
NAME = re.compile(rb"\|\|\|?[A-Z]+\^")


def listed(answer: Any) -> set[str]:
    return set(re.findall(r"<code>(MSG-[A-Z0-9]+|H[^<]*)</code>", answer.text))


def searched(person: Any, text: str) -> Any:
    answer = person.post("/console/messages", q=text)
    if answer.status_code == 303:
        return person.get(answer.headers["location"])
    return answer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ctl:MSG-A", {"MSG-A"}),
        ('conn:"EHR of B"', {"MSG-B"}),
        ("conn:ehr status:waiting", {"MSG-A", "MSG-B"}),
        ("type:ADT^A04 ctl:MSG-B", {"MSG-B"}),
        ("type:ADT^A99", set()),
        ("conn:nobody", set()),
        ("after:2026-03-02 before:2026-03-03 conn:ehr", {"MSG-A", "MSG-B"}),
        ("after:2026-03-03", set()),
        ("before:1h", set()),
    ],
)
def test_the_box_narrows_the_list(seeded: Any, text: str, found: set[str]) -> None:
    answer = searched(seeded.person("reader"), text)
    assert answer.status_code == 200, answer.text
    assert listed(answer) == found


def test_a_fault_is_found_by_its_code(seeded: Any) -> None:
    assert len(listed(searched(seeded.person("reader"), "err:hl7_101"))) == 1


@pytest.mark.parametrize("text", ["Quillfeather", "ctl:x Quillfeather", "name:Quill", "status:odd"])
def test_what_the_box_does_not_know_is_refused_and_not_repeated(seeded: Any, text: str) -> None:
    answer = searched(seeded.person("reader"), text)
    assert answer.status_code == 400
    assert "Quill" not in answer.text


def test_a_patient_is_found_without_standing_in_an_address(seeded: Any) -> None:
    answer = seeded.person("reader").post("/console/messages", q="mrn:7A status:waiting")
    assert answer.status_code == 200
    assert listed(answer) == {"MSG-A"}
    for text in re.findall(r'(?:href|value|action)="([^"]*)"|<title>([^<]*)', answer.text):
        assert "7A" not in "".join(text)
    assert listed(seeded.person("app B").post("/console/messages", q="mrn:7A")) == set()


def test_the_next_page_of_a_patient_is_a_form_too(empty: Any) -> None:
    add_connection(empty, "one")
    for number in range(26):
        message(empty, "one", None, f"MSG-{number}", patients=("99",))
    person = empty.person("reader")
    first = person.post("/console/messages", q="mrn:99")
    hidden = dict(re.findall(r'name="(keys|after)" value="([^"]+)"', first.text))
    second = person.post("/console/messages/of-a-patient", **hidden)
    assert [len(listed(each)) for each in (first, second)] == [25, 1]


def test_who_may_not_see_patients_may_not_look_for_them(seeded: Any) -> None:
    assert seeded.person("blind").post("/console/messages", q="mrn:7A").status_code == 403


def test_a_message_is_opened_for_a_reason_which_is_audited(seeded: Any) -> None:
    person, path = seeded.person("reader"), f"/console/messages/{seeded.ids['message A']}"
    before = person.get(path).text
    assert "PID" not in before
    answer = person.post(f"{path}/content", reason="compare with the clinic")
    assert answer.status_code == 200
    for part in ("PID-5", "Patient name", "birth_date", "MSA|AA", "MSH|^~\\&amp;"):
        assert part in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["refresh"] == f"900; url={path}"
    assert "PID" not in person.get(path).text
    event = seeded.events("messageContent")[-1]
    assert (event.principal_name, event.reason) == ("reader", "compare with the clinic")
    assert event.practice_ids == ["pA"]


@pytest.mark.parametrize(
    ("name", "message_of", "reason", "status"),
    [
        ("reader", "A", " ", 400),
        ("reader", "A", "x" * 201, 400),
        ("blind", "A", "why not", 403),
        ("app A", "B", "why not", 404),
    ],
)
def test_a_message_stays_shut(
    seeded: Any, name: str, message_of: str, reason: str, status: int
) -> None:
    path = f"/console/messages/{seeded.ids[f'message {message_of}']}/content"
    answer = seeded.person(name).post(path, reason=reason)
    assert (answer.status_code, "PID" in answer.text) == (status, False)


def test_reading_again_happens_once_for_a_form_and_is_audited(seeded: Any) -> None:
    person, path = seeded.person("operator"), f"/console/messages/{seeded.ids['hostile']}"
    (key,) = KEY.findall(person.get(path).text)
    for _ in range(2):
        answer = person.post(f"{path}/replay", key=key, reason="corrected")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=replayed")
    done = person.get(path, done="replayed")
    assert "is read again" in done.text
    assert [one.reason for one in seeded.events() if "replay" in one.reason] == [
        "replayMessages: corrected"
    ]


@pytest.mark.parametrize("name", ["reader", "app A"])
def test_who_may_not_read_again_is_refused(seeded: Any, name: str) -> None:
    path = f"/console/messages/{seeded.ids['message A']}/replay"
    assert seeded.person(name).post(path, reason="x").status_code == 403


def test_a_webhook_that_was_turned_away_is_not_read_again(empty: Any) -> None:
    add_connection(empty, "one")
    fault = Issue("signature", "", "The signature does not match.")
    refused = message(empty, "one", None, "E1", kind="webhook", state="refused", fault=fault)
    empty.credential("operator", write=True)
    person, path = empty.person("operator"), f"/console/messages/{refused}"
    shown = person.get(path).text
    assert "signature did not match" in shown
    assert f"{path}/replay" not in shown
    answer = person.post(f"{path}/replay", reason="try")
    assert (answer.status_code, "not read again" in answer.text) == (409, True)


def test_segments_that_are_not_shown_are_counted(empty: Any) -> None:
    add_connection(empty, "one")
    raw = RAW + b"NTE|1||x\r" * MOST_SEGMENTS
    shown = message(empty, "one", None, "M1", raw=raw)
    answer = empty.person("reader").post(f"/console/messages/{shown}/content", reason="look")
    count = len(raw.rstrip(b"\r").split(b"\r")) - MOST_SEGMENTS
    assert f"{count} more segments" in answer.text


def test_others_are_answered_while_a_message_is_written_out(
    seeded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops = []

    def watched(text: str) -> list[Parsed]:
        try:
            loops.append(asyncio.get_running_loop())
        except RuntimeError:
            loops.append(None)
        return parsed(text)

    monkeypatch.setattr("hub.entrypoints.console.messages.parsed", watched)
    path = f"/console/messages/{seeded.ids['message A']}/content"
    assert seeded.person("reader").post(path, reason="look").status_code == 200
    assert loops == [None]
