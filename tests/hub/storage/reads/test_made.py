"""Holes in a text are filled with what the hub makes of the row's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hub.storage.reads.made import HOLE, Made, fill_in
from hub.storage.reads.parts import Computed, Shape

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NEEDS = {
    "name": Shape.PLAIN,
    "day": Shape.DATE,
    "moment": Shape.TIMESTAMP,
    "sum": Shape.MONEY,
    "rate": Shape.DECIMAL,
}


def hole(number: int, needed: str) -> str:
    return f"{HOLE}{number}{needed}{HOLE}"


def test_each_hole_gets_its_value_and_rows_that_need_the_same_are_worked_out_once():
    asked: list[str] = []

    def lengths(rows: Sequence[Mapping[str, Any]], _: datetime) -> list[int]:
        asked.extend(row["name"] for row in rows)
        return [len(row["name"]) for row in rows]

    made = Made(Computed("length", ("name",), lengths), (Shape.PLAIN,))
    same = Made(Computed("again", ("name",), lengths), (Shape.PLAIN,))
    roe, li, bracket = '["Roe"]', '["Li"]', '["[\\u001d]"]'
    text = f"[{hole(0, roe)},{hole(0, li)},{hole(0, roe)},{hole(1, li)},{hole(0, bracket)}]"
    assert fill_in(text, [made, same], NOW) == "[3,2,3,2,3]"
    assert sorted(asked) == ["Li", "Li", "Roe", "[\x1d]"]


def test_what_a_field_needs_comes_as_the_database_holds_it():
    seen: list[Mapping[str, Any]] = []

    def see(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[Any]:
        assert now == NOW
        seen.extend(rows)
        return [None for _ in rows]

    made = Made(Computed("seen", tuple(NEEDS), see), tuple(NEEDS.values()))
    needed = '["Roe","2026-03-02","2026-03-02T00:00:00.000000Z","12.50","0.070"]'
    assert fill_in(hole(0, needed), [made], NOW) == "null"
    assert fill_in(hole(0, "[null,null,null,null,null]"), [made], NOW) == "null"
    values = ("Roe", date(2026, 3, 2), NOW, Decimal("12.50"), Decimal("0.070"))
    assert seen == [dict(zip(NEEDS, values, strict=True)), dict.fromkeys(NEEDS)]
    assert str(seen[0]["rate"]) == "0.070"


def test_a_text_without_holes_stays_as_it_is():
    assert fill_in('{"a":1}', [], NOW) == '{"a":1}'
