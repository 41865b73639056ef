"""Figures across practices: computed once per month, by each practice's own calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.metrics import Metric
from hub.services import metrics
from hub.storage import metrics as store
from hub.storage import tables
from hub.storage.session import Database

SCOPE = unrestricted_scope("test")
NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 15, tzinfo=UTC)


class Practices:
    """Practices with agreements, and appointments of theirs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, *rows: Any) -> None:
        def work(session: Any) -> None:
            for row in rows:
                session.add(row)
                session.flush()

        self.database.transaction(SCOPE, work)

    def practice(self, name: str, zone: str = "UTC", domain: str = "SCHEDULE", **term: Any) -> str:
        facts: dict[str, Any] = {
            "granularity": "AGGREGATE", "purposes": ["OPERATIONS"], "data_aggregation": True,
            "starts_on": date(2026, 1, 1), **term,
        }  # fmt: skip
        self.add(
            tables.Practice(id=name, name=name, zone=zone, created_at=NOW),
            tables.ServiceAgreement(practice_id=name, domain=domain, **facts),
            tables.Patient(
                id=f"patient-{name}", practice_id=name, family_name="Testperson", given_name="Ada",
                received_at=NOW,
            ),
        )  # fmt: skip
        return name

    def appointments(self, practice: str, *starts: datetime, status: str = "booked") -> None:
        self.add(
            *(
                tables.Appointment(
                    practice_id=practice, patient_id=f"patient-{practice}", status=status,
                    starts_at=moment, external_id=tables.new_id(),
                )
                for moment in starts
            )
        )  # fmt: skip

    def publish(self, metric: Metric, now: datetime = NOW) -> int:
        return self.database.transaction(SCOPE, lambda s: metrics.publish(s, metric, now=now))

    def figures(self) -> dict[date, Any]:
        with self.database.read(SCOPE) as session:
            return {row.month: row for row in session.scalars(select(tables.MetricFigure))}


@pytest.fixture
def practices(database: Database) -> Practices:
    return Practices(database)


def test_five_practices_make_a_figure_and_four_do_not(practices: Practices) -> None:
    names = [practices.practice(f"p{number}") for number in range(5)]
    for name in names:
        practices.appointments(name, MAY, MAY)
        practices.appointments(name, MAY, status="cancelled")
    for name in names[:4]:
        practices.appointments(name, MAY.replace(month=4))

    assert practices.publish(Metric.APPOINTMENTS) == 1

    figures = practices.figures()
    may, april = figures[date(2026, 5, 1)], figures[date(2026, 4, 1)]
    assert (may.count, may.practices, may.suppressed) == (10, 5, False)
    assert (april.count, april.practices, april.suppressed) == (None, None, True)


def test_a_figure_tells_of_nobody_whose_rows_alone_are_not_read(practices: Practices) -> None:
    for number in range(6):
        name = practices.practice(f"p{number}", granularity="ROW" if number else "AGGREGATE")
        practices.appointments(name, MAY)

    assert practices.publish(Metric.APPOINTMENTS) == 0
    assert practices.figures()[date(2026, 5, 1)].suppressed


def test_a_month_is_computed_once_whatever_comes_later(practices: Practices) -> None:
    for number in range(5):
        practices.appointments(practices.practice(f"p{number}"), MAY)
    practices.publish(Metric.APPOINTMENTS)
    practices.appointments(practices.practice("late"), MAY, MAY)

    assert practices.publish(Metric.APPOINTMENTS) == 0
    assert practices.figures()[date(2026, 5, 1)].count == 5


def test_a_month_is_that_of_the_practices_own_calendar(practices: Practices) -> None:
    for number in range(5):
        practices.appointments(practices.practice(f"p{number}"), MAY)
    chicago = practices.practice("chicago", zone="America/Chicago")
    practices.appointments(chicago, datetime(2026, 6, 1, 4, 59, tzinfo=UTC))
    practices.appointments("p0", datetime(2026, 6, 1, 0, 0, tzinfo=UTC))

    practices.publish(Metric.APPOINTMENTS)

    assert practices.figures()[date(2026, 5, 1)].count == 6


def test_a_practice_without_the_clause_is_left_out_and_listed(practices: Practices) -> None:
    for number in range(5):
        practices.appointments(practices.practice(f"p{number}"), MAY)
    practices.appointments(practices.practice("shy", data_aggregation=False), MAY)

    practices.publish(Metric.APPOINTMENTS)

    figure = practices.figures()[date(2026, 5, 1)]
    assert (figure.count, figure.left_out) == (5, ["shy"])


def test_pay_is_added_to_the_cent_after_ninety_days(practices: Practices) -> None:
    for number in range(5):
        practice = practices.practice(f"p{number}", domain="PAYROLL", data_aggregation=False)
        period = tables.PayPeriod(
            practice_id=practice, id=f"period-{number}", starts_on=date(2026, 3, 1),
            ends_on=date(2026, 3, 14), check_date=date(2026, 3, 20),
        )  # fmt: skip
        run = tables.PayrollRun(
            practice_id=practice, id=f"run-{number}", pay_period_id=period.id, kind="regular",
            status="paid", check_date=date(2026, 3, 20), gross=Decimal("100.01"), net=Decimal(80),
            employer_cost=Decimal(7),
        )  # fmt: skip
        practices.add(period, run)

    assert practices.publish(Metric.PAYROLL_GROSS, datetime(2026, 6, 29, tzinfo=UTC)) == 0
    assert practices.figures() == {}
    assert practices.publish(Metric.PAYROLL_GROSS, datetime(2026, 6, 30, tzinfo=UTC)) == 1
    assert practices.figures()[date(2026, 3, 1)].amount == Decimal("500.05")


def test_records_with_a_sensitivity_label_are_in_no_figure(practices: Practices) -> None:
    for name in [practices.practice(f"p{number}") for number in range(5)]:
        practices.appointments(name, MAY, MAY)

    def label(session: Any) -> None:
        for row in session.scalars(select(tables.Appointment)).all()[::2]:
            row.sensitivity = "SUD"

    practices.database.transaction(SCOPE, label)
    practices.publish(Metric.APPOINTMENTS)
    figure = practices.figures()[date(2026, 5, 1)]
    assert (figure.suppressed, figure.count) in ((False, 5), (True, None))
    counted = practices.database.transaction(
        SCOPE,
        lambda s: store.contributions(
            s, Metric.APPOINTMENTS, {f"p{n}": "UTC" for n in range(5)},
            date(2026, 5, 1), date(2026, 6, 1),
        ),
    )  # fmt: skip
    assert sum(counted.values()) == 5
