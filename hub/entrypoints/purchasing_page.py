"""A round and its scenarios as one HTML page: a table and a chart, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

_COLUMNS = ("name", "state", "pooled_cost", "difference", "gap", "suppliers", "orders", "summary")
_BAR, _GAP, _LEFT, _WIDTH = 22, 8, 220, 640
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#1b1f24}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{border:1px solid #c9d1d9;padding:.3rem .6rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def scenarios_page(plan: Mapping[str, Any], scenarios: Sequence[Mapping[str, Any]]) -> str:
    """The page; `plan` and `scenarios` have the keys of `mso-hub purchasing scenarios --json`."""
    base = {**plan, "state": "plan", "summary": "The plan of the round.", "difference": "0.00"}
    rows = [base, *scenarios]
    name = escape(str(plan["name"]))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<style>{_STYLE}</style><h1>{name}</h1>{_hidden(rows)}{_table(rows)}{_chart(rows)}</html>\n"
    )


def _hidden(rows: Sequence[Mapping[str, Any]]) -> str:
    if not any(row["state"] == "solved" and row["pooled_cost"] is None for row in rows):
        return ""
    return "<p>Figures across practices are not shown: not all agreements cover them.</p>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in _COLUMNS)
    body = "".join(f"<tr>{''.join(_cell(row.get(c)) for c in _COLUMNS)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    number = text.removeprefix("-").replace(".", "", 1).isdigit()
    return f'<td class="n">{text}</td>' if number else f"<td>{escape(text)}</td>"


def _chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """A bar per cost; each says its name and amount in words, so that colour says nothing alone."""
    costs = [(str(row["name"]), Decimal(row["pooled_cost"])) for row in rows if row["pooled_cost"]]
    most = max((cost for _, cost in costs), default=Decimal(0))
    if not most:
        return ""
    bars = []
    for place, (name, cost) in enumerate(costs):
        top, width = place * (_BAR + _GAP), int(cost / most * _WIDTH)
        middle = top + _BAR - 6
        bars.append(
            f'<text x="0" y="{middle}">{escape(name[:28])}</text>'
            f'<rect x="{_LEFT}" y="{top}" width="{width}" height="{_BAR}" fill="#4a76a8"/>'
            f'<text x="{_LEFT + 6}" y="{middle}" fill="#fff">{cost}</text>'
        )
    height = len(costs) * (_BAR + _GAP)
    return (
        f'<svg role="img" aria-label="Cost of the plan and of each scenario" '
        f'width="{_LEFT + _WIDTH}" height="{height}" font-size="13">{"".join(bars)}</svg>'
    )
