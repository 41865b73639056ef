"""What each practice contributes to figures across practices, and the figures as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Date, func, select, type_coerce

from hub.domain.metrics import Metric
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Appointment,
    Charge,
    EligibilityCheck,
    Encounter,
    Labelled,
    MetricFigure,
    PayrollRun,
)

CURRENCY = "USD"
GONE = ("cancelled", "deleted", "discontinued")


@dataclass(frozen=True, slots=True)
class _Counted:
    """The rows of a metric: when they are, which of them, and what is added instead of one each.

    Records with a sensitivity label are in no figure: whoever sees it need not be granted them.
    """

    at: Any
    where: tuple[ColumnElement[bool], ...] = ()
    amount: Any = None

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        table = self.at.class_
        return (*self.where, table.sensitivity == "") if issubclass(table, Labelled) else self.where


_COUNTED: Mapping[Metric, _Counted] = {
    Metric.APPOINTMENTS: _Counted(Appointment.starts_at, (Appointment.status.not_in(GONE),)),
    Metric.NO_SHOWS: _Counted(Appointment.starts_at, (Appointment.status == "no_show",)),
    Metric.ENCOUNTERS: _Counted(Encounter.starts_at, (Encounter.status != "cancelled",)),
    Metric.ELIGIBILITY_CHECKS: _Counted(EligibilityCheck.requested_at),
    Metric.CHARGES: _Counted(
        Charge.service_date,
        (Charge.kind == "charge", Charge.currency == CURRENCY),
        Charge.amount,
    ),
    Metric.PAYROLL_GROSS: _Counted(
        PayrollRun.check_date,
        (PayrollRun.status == "paid", PayrollRun.currency == CURRENCY),
        PayrollRun.gross,
    ),
}


def first_day(session: ScopedSession, metric: Metric) -> date | None:
    """The day of the first row of a metric, in UTC; None if there is none."""
    counted = _COUNTED[metric]
    found = session.scalar(select(func.min(counted.at)).where(*counted.conditions()))
    return found.date() if isinstance(found, datetime) else found


def contributions(
    session: ScopedSession, metric: Metric, zones: Mapping[str, str], month: date, after: date
) -> dict[str, int]:
    """Practice → its rows, or cents, from `month` until before `after`, two days of the practice's
    own calendar. `zones` are the practices with their IANA time zones. One statement per zone."""
    counted = _COUNTED[metric]
    folded = func.count() if counted.amount is None else _sum(counted.amount)
    practice = counted.at.class_.practice_id
    found: dict[str, int] = {}
    for zone in sorted(set(zones.values())):
        practices = sorted(each for each, its in zones.items() if its == zone)
        begin, end = (_moment(day, zone, counted) for day in (month, after))
        rows = session.execute(
            select(practice, folded)
            .where(practice.in_(practices), counted.at >= begin, counted.at < end)
            .where(*counted.conditions())
            .group_by(practice)
        )
        found |= {practice_id: int(value or 0) for practice_id, value in rows}
    return found


def _sum(amount: Any) -> ColumnElement[int]:
    return func.sum(type_coerce(amount, BigInteger()))


def _moment(day: date, zone: str, counted: _Counted) -> date | datetime:
    """The first moment of a day in a zone, or the day itself where rows have days only."""
    if isinstance(counted.at.type, Date):
        return day
    return datetime.combine(day, time(), ZoneInfo(zone))


def published(session: ScopedSession, metric: Metric) -> set[date]:
    """The months of a metric that were computed."""
    return set(session.scalars(select(MetricFigure.month).where(MetricFigure.metric == metric)))
