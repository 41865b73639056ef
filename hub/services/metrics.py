"""Figures across practices, published once per month under the small-group rule."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from hub.domain.metrics import RULES, Metric, figure, following, members, months
from hub.storage import metrics as store
from hub.storage.agreements import read_terms
from hub.storage.session import ScopedSession
from hub.storage.tables import MetricFigure


def publish(session: ScopedSession, metric: Metric, *, now: datetime) -> int:
    """Compute every month of a metric that is long enough over and was not computed yet; returns
    the figures shown. What comes later for such a month changes nothing any more."""
    first = store.first_day(session, metric)
    if first is None:
        return 0
    done = store.published(session, metric)
    due = [month for month in months(metric, first, now.date()) if month not in done]
    group = members(metric, read_terms(session), now)
    shown = 0
    for month in due:
        given = store.contributions(session, metric, group.counted, month, following(month))
        found = figure(given, group.read)
        row = MetricFigure(
            metric=metric,
            month=month,
            suppressed=found is None,
            left_out=list(group.left_out),
            published_at=now,
        )
        if found is not None:
            shown += 1
            row.practices = found.practices
            if RULES[metric].amount:
                row.amount = Decimal(found.value).scaleb(-2)
            else:
                row.count = found.value
        session.add(row)
    session.flush()
    return shown
