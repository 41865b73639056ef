"""What a bench claims: each value beside its goal, and how a bench tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Claim = dict[str, Any]
Claims = list[Claim]


def at_least(text: str, value: float | None, goal: float, unit: str = "x") -> Claim:
    """A figure that should not be smaller; None: it could not be measured."""
    return _claim(text, value, unit, f">= {goal}", value is not None and value >= goal)


def at_most(text: str, value: float | None, goal: float, unit: str = "x") -> Claim:
    """A figure that should not be larger; None: it could not be measured."""
    return _claim(text, value, unit, f"<= {goal}", value is not None and value <= goal)


def shown(text: str, value: float, unit: str = "x") -> Claim:
    """A figure without a goal."""
    return _claim(text, value, unit, None, True)


def _claim(text: str, value: float | None, unit: str, goal: str | None, ok: bool) -> Claim:
    known = value is not None and value != float("inf")
    rounded = float(f"{value:.5g}") if known else None
    return {"claim": text, "value": rounded, "unit": unit, "goal": goal, "ok": ok}


def tell(claims: Iterable[Claim], as_json: bool) -> None:
    """Prints each claim, and at the end all of them in one line of JSON where that is asked for."""
    told = list(claims)
    for claim in told:
        mark = "ok  " if claim["ok"] else "MISS"
        value = "missing" if claim["value"] is None else f"{claim['value']:g} {claim['unit']}"
        goal = f" (goal {claim['goal']})" if claim["goal"] else ""
        print(f"{mark} {claim['claim']}: {value}{goal}")
    if as_json:
        print(json.dumps({"claims": told}))
