"""The page of scenarios: a table and a chart, nothing from elsewhere, nothing unescaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hub.entrypoints.purchasing_page import scenarios_page

PLAN = {"name": "March <b>", "pooled_cost": "200.00", "gap": "0.001"}
SCENARIO = {
    "name": "No Acme",
    "state": "solved",
    "pooled_cost": "100.00",
    "difference": "-100.00",
    "gap": None,
    "suppliers": 1,
    "orders": 6,
    "summary": "Without <script>.",
}


def test_the_page_shows_every_scenario_beside_the_plan() -> None:
    page = scenarios_page(PLAN, [SCENARIO, {**SCENARIO, "name": "None", "pooled_cost": None}])
    assert page.count("<tr>") == 4
    assert "<script>" not in page
    assert "March <b>" not in page
    chart = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert [bar.get("width") for bar in chart.iter("rect")] == ["640", "320"]


def test_the_page_asks_nothing_of_another_server() -> None:
    assert not re.search(r"https?:|src=|href=|url\(", scenarios_page(PLAN, [SCENARIO]))


def test_a_round_without_figures_has_no_chart() -> None:
    assert "<svg" not in scenarios_page({"name": "x", "pooled_cost": None, "gap": None}, [])
