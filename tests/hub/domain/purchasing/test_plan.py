"""The result in JSON form, and the example files."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from hub.domain.purchasing.instance_file import load
from hub.domain.purchasing.plan import Plan, Share, money, share_of_one, to_result
from hub.domain.purchasing.solve import solve

ROOT = Path(__file__).parents[4]
CASES = sorted((ROOT / "fixtures" / "purchasing").glob("*.expected.json"))


@pytest.mark.parametrize("expected", CASES, ids=lambda path: path.name.split(".")[0])
def test_each_example_has_its_result(expected: Path) -> None:
    raw = Path(str(expected).replace(".expected", "")).read_bytes()
    meta = tomllib.loads(Path(str(expected).replace(".expected.json", ".meta.toml")).read_text())
    assert hashlib.sha256(raw).hexdigest() == meta["sha256"]
    result = to_result(solve(load(json.loads(raw))))
    assert result.pop("seconds") >= 0
    assert result == json.loads(expected.read_text())


def test_the_documented_example_is_the_example_file() -> None:
    page = (ROOT / "docs" / "reference" / "purchasing-instance.md").read_text()
    shown = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    example = json.loads((ROOT / "fixtures" / "purchasing" / "three-clinics.json").read_text())
    assert json.loads(shown[0]) == example
    result = to_result(solve(load(example)))
    assert result["cost"] in page


@pytest.mark.parametrize(
    ("cents", "shown"), [(0, "0.00"), (5, "0.05"), (1250, "12.50"), (-1, "-0.01"), (-250, "-2.50")]
)
def test_money_is_a_decimal_string(cents: int, shown: str) -> None:
    assert money(cents) == shown


@pytest.mark.parametrize(
    ("rate", "shown"), [(0, "0.00"), (10_000, "0.01"), (15_000, "0.015"), (1_000_000, "1.00")]
)
def test_rates_are_decimal_strings(rate: int, shown: str) -> None:
    assert share_of_one(rate) == shown


def test_unknown_amounts_are_null_and_switching_shows_only_where_it_counts() -> None:
    plan = Plan("time_limit", None, 12, 0.5, shares=(Share("a", None, 7, 3), Share("b", 9, 7)))
    result = to_result(plan)
    assert (result["cost"], result["lower_bound"], result["gap"]) == (None, "0.12", None)
    assert result["shares"] == [
        {"practice": "a", "alone": None, "pays": "0.07", "saving": None, "switching": "0.03"},
        {"practice": "b", "alone": "0.09", "pays": "0.07", "saving": "0.02"},
    ]
    assert "switching" not in result
