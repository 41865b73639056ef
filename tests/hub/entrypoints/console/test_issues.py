"""Issues in the console: gathered by code and connection, for the MSO."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hub.domain.records import Issue
from hub.entrypoints.console.issues import groups
from tests.hub.entrypoints.console.conftest import START, add_connection, message
from tests.hub.entrypoints.console.test_pages import check_page

FAULT = Issue("unknown_authority", "PID-3", "The authority is not known.")
OTHER = Issue("hl7_101", "MSH-9", "MSH-9 is required.")


def test_days_are_gathered_by_what_is_the_same_and_the_most_frequent_come_first() -> None:
    def count(day: str, code: str, count: int) -> dict[str, Any]:
        ours = {"connectionId": "c", "connectionName": "Feed", "kind": "fault"}
        return {**ours, "day": day, "code": code, "count": count}

    first, second = groups(
        [count("2026-03-02", "a", 1), count("2026-03-02", "b", 2), count("2026-03-01", "b", 3)]
    )
    assert (first.code, first.count, second.code) == ("b", 5, "a")
    assert first.days == (("2026-03-01", 3), ("2026-03-02", 2))


def test_a_group_leads_to_its_messages_and_those_to_reading_them_again(empty: Any) -> None:
    add_connection(empty, "north")
    for number in range(3):
        message(empty, "north", "p1", f"N{number}", state="quarantined", fault=FAULT)
    message(empty, "north", "p1", "M", state="quarantined", fault=OTHER)
    empty.credential("operator", write=True)
    empty.moment[0] = START + timedelta(minutes=5)
    person = empty.person("operator")
    answer = person.get("/console/issues")
    check_page(answer)
    assert answer.text.index("unknown_authority") < answer.text.index("hl7_101")
    assert "2026-03-02: 3" in answer.text
    messages = person.get("/console/messages", err="unknown_authority", conn="north")
    assert messages.text.count("<code>N") == 3
    assert "Read all of these again" in messages.text


def test_what_is_older_than_the_days_asked_for_is_not_shown(empty: Any) -> None:
    add_connection(empty, "north")
    message(empty, "north", "p1", "N", state="quarantined", fault=FAULT)
    empty.moment[0] = START + timedelta(days=3)
    person = empty.person("reader")
    assert "unknown_authority" not in person.get("/console/issues", days="1").text
    assert "unknown_authority" in person.get("/console/issues", days="7").text
    assert person.get("/console/issues", days="365").status_code == 400


def test_a_practice_has_no_such_area(seeded: Any) -> None:
    person = seeded.person("app A")
    assert "/console/issues" not in person.get("/console").text
    assert person.get("/console/issues").status_code == 404
    assert "/console/issues" in seeded.person("reader").get("/console").text
