"""Baselines, sharing to the cent, fees under the safe harbor, and benchmarks of prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.purchasing.benchmarks import (
    Benchmark,
    PaidPrice,
    benchmark,
    may_be_published,
    quarter_of,
)
from hub.domain.purchasing.fees import FeeTerms, check_terms, within
from hub.domain.purchasing.savings import Baseline, at_baseline, baseline_of, shared_out
from hub.errors import Rejected

DAY = date(2026, 1, 1)


def test_the_baseline_is_the_practices_own_price_or_else_the_cheapest_on_offer() -> None:
    offered = [Fraction(3), Fraction(2)]
    assert baseline_of(Fraction(5), offered) == Baseline(Fraction(5), "own_price")
    assert baseline_of(None, offered) == Baseline(Fraction(2), "list_price")
    assert baseline_of(None, []) is None
    assert at_baseline(Fraction(1, 3), 100) == Decimal("33.33")


@given(
    st.decimals(min_value=0, max_value=10**6, places=2),
    st.dictionaries(
        st.text(min_size=1, max_size=3), st.decimals(min_value=0, max_value=10**4, places=2)
    ),
)
def test_what_is_shared_out_adds_up_to_the_cent(
    amount: Decimal, weights: dict[str, Decimal]
) -> None:
    parts = shared_out(amount, weights)
    assert parts.keys() == weights.keys()
    if weights:
        assert sum(parts.values()) == amount
    assert shared_out(amount, dict(reversed(weights.items()))) == parts


@pytest.mark.parametrize(
    ("terms", "received", "allowed"),
    [
        (FeeTerms(DAY, DAY), "30.00", True),
        (FeeTerms(DAY, DAY), "30.01", False),
        (FeeTerms(DAY, DAY, maximum_rate=Decimal("0.05")), "50.00", True),
        (FeeTerms(DAY, DAY, maximum_rate=Decimal("0.05")), "50.01", False),
        (FeeTerms(DAY, DAY, maximum_amount=Decimal("90.00")), "90.00", True),
        (FeeTerms(DAY, DAY, maximum_amount=Decimal("90.00")), "90.01", False),
    ],
)
def test_fees_are_three_percent_or_what_members_were_told(
    terms: FeeTerms, received: str, allowed: bool
) -> None:
    check_terms(terms)
    assert within(terms, Decimal("1000.00"), Decimal(received)) is allowed


@pytest.mark.parametrize(
    "terms",
    [
        FeeTerms(DAY, DAY, ends_on=DAY),
        FeeTerms(date(2026, 1, 2), DAY),
        FeeTerms(DAY, DAY, maximum_rate=Decimal("1.01")),
        FeeTerms(DAY, DAY, maximum_amount=Decimal("-1")),
    ],
)
def test_terms_that_cannot_be_are_refused(terms: FeeTerms) -> None:
    with pytest.raises(Rejected):
        check_terms(terms)


def paid(*amounts: int) -> list[PaidPrice]:
    return [PaidPrice(f"p{n}", Decimal(amount), 10) for n, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [((10, 10, 10, 10), False), ((10, 10, 10, 10, 10), True), ((20, 10, 10, 10, 10), False)],
)
def test_a_benchmark_needs_five_practices_and_none_above_a_quarter(
    amounts: tuple[int, ...], shown: bool
) -> None:
    assert (benchmark(paid(*amounts)) is not None) is shown


def test_a_benchmark_is_the_average_of_all_units_and_the_middle_practice() -> None:
    found = benchmark([*paid(10, 11, 12, 13, 14), PaidPrice("p0", Decimal(4), 10)])
    assert found == Benchmark(Decimal("1.0667"), Decimal("1.2000"))


def test_quarters_follow_each_other_and_are_old_enough_after_ninety_days() -> None:
    assert quarter_of(date(2026, 12, 31)) == (date(2026, 10, 1), date(2027, 1, 1))
    assert quarter_of(date(2026, 2, 28)) == (date(2026, 1, 1), date(2026, 4, 1))
    assert may_be_published(date(2026, 4, 1), date(2026, 6, 30))
    assert not may_be_published(date(2026, 4, 1), date(2026, 6, 29))
