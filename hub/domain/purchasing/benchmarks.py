"""Prices of others, only where the small-group rule holds: at least five practices, none with more
than a quarter of the spend, and only for quarters that ended at least 90 days ago.

A quarter is computed once and never again, so that two versions of it cannot be subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median

from hub.domain.small_groups import OLDEST_ENOUGH, is_large_enough

FOUR_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class PaidPrice:
    """What a practice paid for some base units of an item."""

    practice: str
    amount: Decimal
    units: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Prices per base unit: of all units together, and the middle one of the practices' own."""

    average: Decimal
    middle: Decimal


def benchmark(paid: Iterable[PaidPrice]) -> Benchmark | None:
    """The benchmark of one item in one quarter; None where the small-group rule does not hold."""
    amounts: dict[str, Decimal] = {}
    units: dict[str, int] = {}
    for each in paid:
        if each.units > 0:
            amounts[each.practice] = amounts.get(each.practice, Decimal(0)) + each.amount
            units[each.practice] = units.get(each.practice, 0) + each.units
    total = sum(amounts.values(), Decimal(0))
    if not is_large_enough(amounts.values()):
        return None
    own = [amounts[practice] / units[practice] for practice in amounts]
    return Benchmark(_rounded(total / sum(units.values())), _rounded(median(own)))


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(FOUR_PLACES, ROUND_HALF_EVEN)


def quarter_of(day: date) -> tuple[date, date]:
    """The first day of the quarter `day` lies in, and that of the next."""
    first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    following = date(first.year + first.month // 10, (first.month + 2) % 12 + 1, 1)
    return first, following


def may_be_published(ends: date, today: date) -> bool:
    """True for a quarter that ended (first day after it: `ends`) at least 90 days ago."""
    return ends + OLDEST_ENOUGH <= today
