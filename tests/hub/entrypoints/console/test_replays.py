"""Reading many messages again from the console: planned, counted, started once, and audited."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.records import Issue
from hub.storage import tables
from tests.hub.entrypoints.console.conftest import SCOPE, START, add_connection, message
from tests.hub.entrypoints.console.test_pages import check_page

FAULT = Issue("unknown_authority", "PID-3", "The authority is not known.")
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
SEARCH = {"err": "unknown_authority"}


@pytest.fixture
def feed(empty: Any) -> Any:
    """Two connections with messages in quarantine, and one that was read."""
    for name in ("north", "south"):
        add_connection(empty, name)
    for number in range(3):
        message(empty, "north", "p1", f"N{number}", state="quarantined", fault=FAULT)
    message(empty, "south", "p1", "S0", state="quarantined", fault=FAULT)
    message(empty, "south", "p1", "S1", state="ignored")
    empty.credential("operator", write=True)
    empty.moment[0] = START + timedelta(minutes=5)
    return empty


def again(feed: Any) -> list[str]:
    """The control ids of the messages that a job is to read again, one for each job."""
    with feed.database.read(SCOPE) as session:
        rows = session.scalars(select(tables.InboundMessage))
        names = {row.id: row.control_id for row in rows}
        jobs = session.scalars(select(tables.JobRow)).all()
        return sorted(names[job.args["inbox_id"]] for job in jobs if "inbox_id" in job.args)


def planned(person: Any, **search: str) -> tuple[Any, dict[str, str]]:
    """The plan of a search, and the fields of its form."""
    answer = person.post("/console/messages/plan", **search)
    return answer, dict(HIDDEN.findall(answer.text))


def test_a_search_is_planned_counted_and_read_again_as_counted(feed: Any) -> None:
    person = feed.person("operator")
    shown = person.get("/console/messages", **SEARCH)
    assert "Read all of these again" in shown.text
    answer, form = planned(person, **SEARCH)
    check_page(answer)
    assert form["planned"] == "4"
    assert again(feed) == []

    done = person.post("/console/messages/replay", **form, count="4", reason="authority added")
    check_page(done)
    assert "4 of 4 messages are read again" in done.text
    assert again(feed) == ["N0", "N1", "N2", "S0"]
    (event,) = [one for one in feed.events("replayMessages") if "authority added" in one.reason]
    assert event.principal_name == "operator"


def test_the_same_form_twice_reads_them_again_once(feed: Any) -> None:
    person = feed.person("operator")
    _, form = planned(person, **SEARCH)
    first, second = (
        person.post("/console/messages/replay", **form, count="4", reason="once") for _ in "ab"
    )
    assert "4 of 4 messages" in first.text
    assert "4 of 4 messages" in second.text
    assert again(feed) == ["N0", "N1", "N2", "S0"]


def test_what_arrives_after_the_plan_is_not_among_it(feed: Any) -> None:
    person = feed.person("operator")
    _, form = planned(person, **SEARCH)
    feed.moment[0] += timedelta(minutes=1)
    message(feed, "north", "p1", "LATE", state="quarantined", fault=FAULT)
    done = person.post("/console/messages/replay", **form, count="4", reason="authority added")

    assert "4 of 4 messages" in done.text
    assert "LATE" not in again(feed)


def test_a_search_by_connection_and_state_plans_those_alone(feed: Any) -> None:
    person = feed.person("operator")
    answer, form = planned(person, conn="north", status="quarantined")
    assert form["planned"] == "3"
    both, _ = planned(person, conn="th", status="quarantined")
    assert both.status_code == 400
    assert "conn: finds 2 connections" in both.text
    nothing, none = planned(person, ctl="NOBODY")
    assert "Nothing is to be read again" in nothing.text
    assert "planned" not in none
    assert answer.status_code == 200


def test_what_cannot_be_read_again_is_left_out_and_said(feed: Any) -> None:
    forged = Issue("signature", "", "The signature does not match.")
    feed.moment[0] -= timedelta(minutes=1)
    message(feed, "north", "p1", "FORGED", kind="webhook", state="refused", fault=forged)
    feed.moment[0] += timedelta(minutes=1)
    answer, form = planned(feed.person("operator"), conn="north")
    assert form["planned"] == "3"
    assert "Left out</dt><dd>1" in answer.text
    assert "turned away unproven" in answer.text


@pytest.mark.parametrize("count", ["", "3", "4x", "-4"])
def test_the_number_has_to_be_typed(feed: Any, count: str) -> None:
    person = feed.person("operator")
    _, form = planned(person, **SEARCH)
    answer = person.post("/console/messages/replay", **form, count=count, reason="x")
    assert answer.status_code == 400
    assert again(feed) == []


def test_a_reason_and_a_search_are_wanted(feed: Any) -> None:
    person = feed.person("operator")
    _, form = planned(person, **SEARCH)
    assert person.post("/console/messages/replay", **form, count="4", reason=" ").status_code == 409
    unsearched = person.post("/console/messages/plan")
    assert unsearched.status_code == 400
    assert "Search first" in unsearched.text
    assert "Read all of these again" not in person.get("/console/messages").text
    assert again(feed) == []


@pytest.mark.parametrize("name", ["reader", "clinic"])
def test_who_may_not_read_again_sees_no_button_and_is_refused(feed: Any, name: str) -> None:
    feed.credential("clinic", "p1", write=True)
    person = feed.person(name)
    assert "Read all of these again" not in person.get("/console/messages", **SEARCH).text
    for path in ("plan", "replay"):
        answer = person.post(f"/console/messages/{path}", **SEARCH, planned="4", count="4")
        assert answer.status_code == 403
    assert again(feed) == []


def test_no_plan_is_taken_from_elsewhere(feed: Any) -> None:
    person = feed.person("operator")
    _, form = planned(person, **SEARCH)
    foreign = {"origin": "https://evil.example"}
    sent = {**form, "count": "4", "reason": "x"}
    assert person.post("/console/messages/replay", foreign, **sent).status_code == 403
    assert person.post("/console/messages/replay", **{**sent, "token": ""}).status_code == 403
    assert again(feed) == []
