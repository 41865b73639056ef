"""Figures across practices: what is counted, who is in it, and when it may be shown.

A figure is of one month of the practices' own calendars. It is computed once, when the month is
long enough over, and never again: two versions of it could be subtracted, and so could figures of
two groups of practices.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from hub.domain.agreements import AgreementTerm, Domain, Granularity, Purpose
from hub.domain.small_groups import OLDEST_ENOUGH, is_large_enough

PURPOSE = Purpose.OPERATIONS
ROWS = frozenset({Granularity.ROW, Granularity.LIMITED})
"""What an agreement must allow for its practice to be counted."""
SETTLED = timedelta(days=10)
"""How long what a month brought may come late."""


class Metric(StrEnum):
    APPOINTMENTS = "appointments"
    NO_SHOWS = "no_shows"
    ENCOUNTERS = "encounters"
    ELIGIBILITY_CHECKS = "eligibility_checks"
    CHARGES = "charges"
    PAYROLL_GROSS = "payroll_gross"


@dataclass(frozen=True, slots=True)
class Rule:
    """`amount`: cents are added instead of rows counted. `after`: how long the month must be over.
    `clause`: made of health information, so that the agreement must allow data aggregation
    (45 CFR 164.504(e)(2)(i)(B))."""

    domain: Domain
    amount: bool = False
    after: timedelta = SETTLED
    clause: bool = True


RULES: Mapping[Metric, Rule] = {
    Metric.APPOINTMENTS: Rule(Domain.SCHEDULE),
    Metric.NO_SHOWS: Rule(Domain.SCHEDULE),
    Metric.ENCOUNTERS: Rule(Domain.CLINICAL),
    Metric.ELIGIBILITY_CHECKS: Rule(Domain.ELIGIBILITY),
    Metric.CHARGES: Rule(Domain.BILLING, amount=True, after=OLDEST_ENOUGH),
    Metric.PAYROLL_GROSS: Rule(Domain.PAYROLL, amount=True, after=OLDEST_ENOUGH, clause=False),
}


@dataclass(frozen=True, slots=True)
class Members:
    """The practices in a figure, by id with their time zones; those that only lack the clause on
    data aggregation; and those whose rows in the domain the MSO reads by themselves."""

    counted: Mapping[str, str]
    left_out: tuple[str, ...]
    read: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """The sum over `practices` practices."""

    value: int
    practices: int


def members(metric: Metric, terms: Iterable[AgreementTerm], now: datetime) -> Members:
    """Who is in a figure computed at `now` (aware), by the agreements in force then."""
    rule = RULES[metric]
    counted: dict[str, str] = {}
    without: set[str] = set()
    read: set[str] = set()
    for term in terms:
        if term.domain is rule.domain and term.granularity in ROWS and term.in_force(now):
            read.add(term.practice_id)  # whatever the purpose: who subtracts is not asked for one
        applies = term.domain is rule.domain and PURPOSE in term.purposes and term.in_force(now)
        if not applies or term.granularity is Granularity.NONE:
            continue
        if rule.clause and not term.data_aggregation:
            without.add(term.practice_id)
        else:
            counted[term.practice_id] = term.practice_zone
    return Members(counted, tuple(sorted(without - counted.keys())), frozenset(read))


def figure(contributions: Mapping[str, int], read: Container[str] = ()) -> Figure | None:
    """The sum of what practices contribute; None where the small-group rule does not hold, of all
    or of those that are left when what the MSO can `read` is subtracted. A practice with nothing is
    not in the group."""
    weights = {practice: value for practice, value in contributions.items() if value > 0}
    others = [value for practice, value in weights.items() if practice not in read]
    if not is_large_enough(weights.values()) or (others and not is_large_enough(others)):
        return None
    return Figure(sum(weights.values()), len(weights))


def months(metric: Metric, first: date, today: date) -> list[date]:
    """The first days of the months from that of `first` on that are long enough over."""
    found = []
    month = first.replace(day=1)
    while (after := following(month)) + RULES[metric].after <= today:
        found.append(month)
        month = after
    return found


def following(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
