"""Suggested quantities: par level or usage, less stock and open orders, in whole packs."""

from __future__ import annotations

from datetime import date

from hub.domain.par_levels import Need, Stock, Usage, suggest

TODAY = date(2026, 3, 2)


def test_a_shelf_is_filled_to_par_in_whole_packs() -> None:
    need = suggest(Stock("i", 500, 120, 100, 100), [], today=TODAY, cover_days=30)
    assert need == Need("i", 300, "Par 500; on hand 120; on order 100; short 280, packs of 100.")


def test_usage_counts_where_it_is_more_than_par() -> None:
    usages = [Usage("i", date(2026, 1, 1), 30, 300), Usage("i", date(2026, 2, 1), 28, 290)]
    need = suggest(Stock("i", 100, 0), usages, today=TODAY, cover_days=60)
    assert need is not None
    assert need.units == 611  # 590 in 58 days, for 60 days, rounded up
    assert "used 10.2 a day, 611 in 60 days" in need.why


def test_usage_of_long_ago_and_of_the_future_does_not_count() -> None:
    usages = [Usage("i", date(2025, 12, 1), 30, 3000), Usage("i", date(2026, 3, 3), 30, 3000)]
    assert suggest(Stock("i", None, 0), usages, today=TODAY, cover_days=30) is None


def test_nothing_is_suggested_where_enough_is_there_or_coming() -> None:
    assert suggest(Stock("i", 100, 60, 40), [], today=TODAY, cover_days=30) is None


def test_stock_nobody_counted_counts_as_none_and_the_reason_says_so() -> None:
    need = suggest(Stock("i", 10, None), [], today=TODAY, cover_days=30)
    assert need is not None
    assert need.units == 10
    assert "not counted" in need.why
