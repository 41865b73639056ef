"""Figures across practices through GraphQL."""

from __future__ import annotations

from datetime import date
from typing import Any

from hub.domain.agreements import Domain
from hub.storage import tables

QUERY = """{ metricFigures(where: {metric: {eq: APPOINTMENTS}}) { nodes {
  metric month count amount practices suppressed leftOut } } }"""


def test_the_mso_reads_them_and_a_practice_does_not(world: Any) -> None:
    practice = world.practice("North")
    common = {"left_out": ["south"], "published_at": world.now}
    world.add(
        tables.MetricFigure(
            metric="appointments", month=date(2026, 1, 1), suppressed=False, count=50, practices=6,
            **common,
        ),
        tables.MetricFigure(
            metric="appointments", month=date(2026, 2, 1), suppressed=True, **common
        ),
        tables.MetricFigure(metric="charges", month=date(2026, 2, 1), suppressed=True, **common),
    )  # fmt: skip

    nodes = world.mso().data(QUERY)["metricFigures"]["nodes"]

    assert nodes == [
        {
            "metric": "APPOINTMENTS", "month": "2026-02-01", "count": None, "amount": None,
            "practices": None, "suppressed": True, "leftOut": ["south"],
        },
        {
            "metric": "APPOINTMENTS", "month": "2026-01-01", "count": 50, "amount": None,
            "practices": 6, "suppressed": False, "leftOut": ["south"],
        },
    ]  # fmt: skip
    assert world.app(practice).code(QUERY) == "BAD_INPUT"


def test_an_agreement_on_figures_alone_grants_no_row(world: Any) -> None:
    practice = world.practice("North")
    world.patients(practice, 2)
    world.agreement(practice, Domain.CLINICAL, "AGGREGATE", data_aggregation=True)
    mso = world.mso()

    assert mso.data("{ patients { totalCount aggregates { count } } }") == {
        "patients": {"totalCount": 0, "aggregates": []}
    }
