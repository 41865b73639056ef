"""Figures of lists: counted, summed and grouped inside one practice, under the caller's rights."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import DataClass, Domain
from hub.storage import tables
from hub.storage.tables import AuditEvent

BY_STATUS = """{ appointments { aggregates(groupBy: [STATUS]) {
  practiceId count keys { status provider } sum { minutes } average { minutes }
  minimum { minutes } maximum { minutes } } } }"""


@pytest.fixture
def north(world: Any) -> str:
    practice = world.practice("North")
    patients = world.patients(practice, 3)
    world.visits(practice, patients)
    add(world, practice, patients[0], "no_show", minutes=20, days=40)
    add(world, practice, patients[1], "no_show", minutes=25, days=41)
    add(world, practice, patients[1], "cancelled", minutes=None, days=41)
    return str(practice)


def add(world: Any, practice: str, patient: str, status: str, *, minutes: Any, days: int) -> None:
    world.add(
        tables.Appointment(
            practice_id=practice, patient_id=patient, status=status, minutes=minutes,
            starts_at=world.now + timedelta(days=days), external_id=tables.new_id(),
        )
    )  # fmt: skip


def groups(api: Any, query: str, **variables: Any) -> Any:
    (connection,) = api.data(query, **variables).values()
    return connection["aggregates"]


def test_rows_are_counted_and_folded_by_group(world: Any, north: str) -> None:
    found = groups(world.app(north), BY_STATUS)

    by_status = {group["keys"]["status"]: group for group in found}
    assert {status: group["count"] for status, group in by_status.items()} == {
        "BOOKED": 6,
        "CANCELLED": 1,
        "NO_SHOW": 2,
    }
    no_shows = by_status["NO_SHOW"]
    assert no_shows["sum"] == {"minutes": "45"}
    assert no_shows["average"] == {"minutes": "22.5000"}
    assert no_shows["minimum"] == {"minutes": "20"}
    assert no_shows["maximum"] == {"minutes": "25"}
    assert no_shows["keys"]["provider"] is None
    assert by_status["CANCELLED"]["average"] == {"minutes": None}


def test_a_filter_narrows_what_is_counted_and_the_page_does_not(world: Any, north: str) -> None:
    query = """query ($from: DateTime!) { appointments(first: 1, where: {startsAt: {gte: $from}}) {
      nodes { status } totalCount aggregates { count } } }"""

    found = world.app(north).data(query, **{"from": "2026-04-01T00:00:00Z"})["appointments"]

    assert len(found["nodes"]) == 1
    assert found["totalCount"] == 3
    assert found["aggregates"] == [{"count": 3}]


def test_moments_are_grouped_by_the_month_of_utc_in_order(world: Any, north: str) -> None:
    query = """{ appointments { aggregates(groupBy: [STARTS_AT_MONTH]) {
      count keys { startsAtMonth startsAtDay } } } }"""

    assert groups(world.app(north), query) == [
        {"count": 6, "keys": {"startsAtMonth": "2026-03-01", "startsAtDay": None}},
        {"count": 3, "keys": {"startsAtMonth": "2026-04-01", "startsAtDay": None}},
    ]


def test_what_to_group_by_may_be_a_variable(world: Any, north: str) -> None:
    query = """query ($by: [AppointmentGroupBy!]) { appointments { aggregates(groupBy: $by) {
      count keys { status startsAtYear } } } }"""
    app = world.app(north)

    years = groups(app, query, by=["STARTS_AT_YEAR"])
    statuses = groups(app, query, by=["STATUS"])

    assert years == [{"count": 9, "keys": {"status": None, "startsAtYear": "2026-01-01"}}]
    assert [group["keys"]["status"] for group in statuses] == ["BOOKED", "CANCELLED", "NO_SHOW"]


def test_no_group_spans_two_practices_and_none_is_foreign(world: Any, north: str) -> None:
    south, east = world.practice("South"), world.practice("East")
    for practice in (south, east):
        world.visits(practice, world.patients(practice, 1))
    for practice in (north, south):
        world.agreement(practice, Domain.SCHEDULE)

    found = groups(world.mso(), "{ appointments { aggregates { practiceId count } } }")

    counted = {group["practiceId"]: group["count"] for group in found}
    assert sorted(counted.values()) == [2, 9]
    assert len(counted) == 2


def test_lists_below_a_row_have_figures_of_their_own(world: Any, north: str) -> None:
    query = """{ patients { nodes { familyName appointments(first: 1) {
      aggregates(groupBy: [STATUS]) { count keys { status } } } } } }"""

    nodes = world.app(north).data(query)["patients"]["nodes"]

    assert {
        node["familyName"]: {
            group["keys"]["status"]: group["count"] for group in node["appointments"]["aggregates"]
        }
        for node in nodes
    } == {
        "Fam0000": {"BOOKED": 2, "NO_SHOW": 1},
        "Fam0001": {"BOOKED": 2, "NO_SHOW": 1, "CANCELLED": 1},
        "Fam0002": {"BOOKED": 2},
    }


def test_amounts_of_two_currencies_are_never_added(world: Any) -> None:
    practice = world.practice("North")
    world.payroll(practice)
    period = world.read(lambda session: session.query(tables.PayPeriod).one().id)
    world.add(
        tables.PayrollRun(
            practice_id=practice, id=tables.new_id(), pay_period_id=period, kind="off_cycle",
            status="paid", check_date=date(2026, 2, 21), gross=Decimal("10.10"), net=Decimal(8),
            employer_cost=Decimal(1), currency="CAD",
        )
    )  # fmt: skip
    app = world.app(practice)

    amounts = groups(app, "{ payrollRuns { aggregates { count currency sum { gross } } } }")

    assert amounts == [
        {"count": 1, "currency": "CAD", "sum": {"gross": "10.10"}},
        {"count": 1, "currency": "USD", "sum": {"gross": "1000.50"}},
    ]
    assert groups(app, "{ payrollRuns { aggregates { count } } }") == [{"count": 2}]


def test_what_may_not_be_read_may_not_be_summed_nor_grouped_by(world: Any, north: str) -> None:
    world.payroll(north)
    app = world.app(north, "desk", classes={DataClass.OPERATIONAL})

    for query in (
        "{ payrollRuns { aggregates { sum { gross } } } }",
        "{ payrollRuns { aggregates { currency } } }",
        "{ appointments { aggregates(groupBy: [STATUS]) { count } } }",
    ):
        assert app.raw({"query": query}).json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


def test_figures_of_sensitive_data_are_audited_with_their_practices(world: Any, north: str) -> None:
    groups(world.app(north), BY_STATUS)

    event = world.read(lambda session: session.query(AuditEvent).all()[-1])
    assert event.entities == {"Appointment": 9}
    assert event.practice_ids == [north]


def test_rows_of_no_practice_are_one_group_and_no_rows_are_none(world: Any) -> None:
    world.agreement(world.practice("North"), Domain.SUPPLY)
    mso, query = world.mso(), "{ purchasingRounds { aggregates { count } } }"

    assert groups(mso, query) == []
    world.round("March", {})
    world.round("April", {})
    assert groups(mso, query) == [{"count": 2}]


def test_too_many_groups_and_too_many_keys_are_refused(
    world: Any, north: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.storage.reads.aggregates.MOST_GROUPS", 2)
    app = world.app(north)
    five = "STATUS PROVIDER STARTS_AT_DAY STARTS_AT_MONTH STARTS_AT_YEAR"

    assert app.code(BY_STATUS) == "BAD_INPUT"
    assert (
        app.code(f"{{ appointments {{ aggregates(groupBy: [{five}]) {{ count }} }} }}")
        == "BAD_INPUT"
    )
