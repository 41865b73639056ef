"""Figures across practices, for the MSO."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.metrics import Metric
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, RANGE, col, enum, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

metric_figure = stored(
    "MetricFigure",
    table=tables.MetricFigure,
    access=Access.MSO,
    root="metricFigures",
    order="-month",
    help="A month of a metric across the practices whose agreements let figures be made of theirs. "
    "It is published once and never changed; where fewer than five practices contributed or one "
    "made up more than a quarter, also of those left when what the MSO reads by itself is "
    "subtracted, it is suppressed.",
    fields={
        "metric": enum(OPERATIONAL, "Metric", tuple(Metric)),
        "month": col(OPERATIONAL, help="Its first day, in each practice's own calendar."),
        "suppressed": col(OPERATIONAL),
        "count": col(OPERATIONAL, help="Of metrics that count."),
        "amount": col(FINANCIAL, help="Of metrics that add amounts, in USD."),
        "practices": col(OPERATIONAL, help="How many contributed."),
        "leftOut": col(
            OPERATIONAL,
            help="Ids of practices that only lack the clause on data aggregation "
            "(45 CFR 164.504(e)(2)(i)(B)).",
        ),
        "publishedAt": col(OPERATIONAL),
    },
    filters={"metric": EQ, "month": RANGE, "suppressed": EQ},
    orders={"month": ("month",)},
)
