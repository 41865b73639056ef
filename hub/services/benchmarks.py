"""Benchmarks of unit prices, published once per quarter under the small-group rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from hub.domain.purchasing.benchmarks import PaidPrice, benchmark, may_be_published, quarter_of
from hub.storage import savings as store
from hub.storage.session import ScopedSession
from hub.storage.tables import BenchmarkQuarter, PriceBenchmark


def publish(session: ScopedSession, *, now: datetime) -> int:
    """Compute every quarter that is old enough and was not computed yet; returns the benchmarks
    published. What comes later for such a quarter changes nothing any more."""
    done = store.computed_quarters(session)
    published = 0
    for starts, ends in _quarters(store.first_paid(session), now.date()):
        if starts in done:
            continue
        session.add(BenchmarkQuarter(starts_on=starts, computed_at=now))
        paid: dict[str, list[PaidPrice]] = {}
        for point in store.points_between(session, starts, ends):
            price = PaidPrice(point.practice_id, point.amount, point.units)
            paid.setdefault(point.item_id, []).append(price)
        for item_id, prices in sorted(paid.items()):
            found = benchmark(prices)
            if found is None:
                continue
            session.add(
                PriceBenchmark(
                    item_id=item_id,
                    starts_on=starts,
                    ends_on=ends,
                    average_price=found.average,
                    middle_price=found.middle,
                    published_at=now,
                )
            )
            published += 1
    session.flush()
    return published


def _quarters(first: date | None, today: date) -> Iterator[tuple[date, date]]:
    if first is None:
        return
    starts, ends = quarter_of(first)
    while may_be_published(ends, today):
        yield starts, ends
        starts, ends = quarter_of(ends)
