"""What is typed into the search box of messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.entrypoints.console.searching import read_search, where_of
from hub.errors import Rejected

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAMES = {"North EHR": "c1", "South EHR": "c2", "Payers": "c3"}


@pytest.mark.parametrize(
    ("text", "given", "patient"),
    [
        ("", {}, ""),
        ("ctl:M1 TYPE:ADT^A01", {"ctl": "M1", "type": "ADT^A01"}, ""),
        ('conn:"North EHR" status:waiting', {"conn": "North EHR", "status": "waiting"}, ""),
        ("after:2h before:2026-03-01T10:00", {"since": "2h", "until": "2026-03-01T10:00"}, ""),
        ("mrn:123 err:x", {"err": "x"}, "123"),
        ('patient:"1 2"', {}, "1 2"),
    ],
)
def test_qualifiers_are_told_apart(text: str, given: dict[str, str], patient: str) -> None:
    found = read_search(text)
    assert (found.given, found.patient) == (given, patient)


def test_spaces_do_not_keep_the_hub_busy() -> None:
    """Where they do, this test does not end."""
    assert read_search("ctl:M1" + " " * 1_000_000).given == {"ctl": "M1"}


@pytest.mark.parametrize(
    "text", ["Smith", "ctl:1 Smith", "name:Smith", '"Smith John"', "ctl:", 'mrn:""', 'ctl:" "']
)
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_search(text)
    assert "Smith" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, {}),
        ({"ctl": "M1"}, {"controlId": {"eq": "M1"}}),
        ({"status": "Waiting"}, {"state": {"eq": "RECEIVED"}}),
        ({"status": "refused"}, {"state": {"eq": "REFUSED"}}),
        ({"conn": "ehr"}, {"connection": {"in": ["c1", "c2"]}}),
        ({"conn": "nobody"}, {"connection": {"in": []}}),
        ({"since": "90min"}, {"receivedAt": {"gte": "2026-03-02T10:30:00+00:00"}}),
        ({"since": "2d"}, {"receivedAt": {"gte": "2026-02-28T12:00:00+00:00"}}),
        ({"until": "2026-03-01"}, {"receivedAt": {"lt": "2026-03-01T00:00:00+00:00"}}),
        (
            {"until": "2026-03-01T10:00:00-06:00"},
            {"receivedAt": {"lt": "2026-03-01T10:00:00-06:00"}},
        ),
    ],
)
def test_an_address_stands_for_a_filter(given: dict[str, str], where: dict[str, object]) -> None:
    assert where_of(given, NAMES, NOW) == where


@pytest.mark.parametrize(
    "given", [{"status": "odd"}, {"since": "yesterday"}, {"until": "99999d9"}, {"since": "2x"}]
)
def test_what_stands_for_nothing_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(Rejected):
        where_of(given, NAMES, NOW)
