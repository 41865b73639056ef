"""The linear relaxation of a model: a lower bound that is proven whatever the solver's accuracy.

Any prices of the rows (dual values) prove a bound, because every column lies between 0 and its
most: what the rows are worth, plus each column with negative reduced cost taken in full (weak
duality). So the interior point method may stop early, and columns that look hopeless may be left
out of the programme: those that turn out attractive are added and it is solved again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.part import part_of, whole
from hub.domain.purchasing.search import Stop, never

_AT_ONCE = 150_000
"""Up to so many columns of lines the programme is solved whole."""

_NEAR = 0.06
"""Columns dearer than the cheapest of their line by this part, at first glance, wait outside."""

_ROUNDS = 6
_WORTH_A_ROUND = 2e-4
_ACCURATE = 1e-5


@dataclass(frozen=True, slots=True)
class Relaxed:
    """`bound` in cents, −inf where nothing is proven; value and reduced cost of every column.

    `cost` is that of the values; `attractive` marks the columns that could lower it.
    """

    bound: float
    cost: float
    values: Floats
    reduced: Floats
    attractive: Bools


def relax(
    model: Model, start: Sequence[int] | None, *, seconds: float, stop: Stop = never
) -> Relaxed | None:
    """Solve the relaxation within `seconds`; None where it was not to be had.

    `start` is an allowed plan; without one all columns are taken at once.
    """
    deadline = time.monotonic() + seconds
    active = np.ones(len(model.cost), dtype=bool)
    if start is not None and len(model.uses) > _AT_ONCE:
        active = _near_best(model) | (model.encode(start) > 0)
    best: Relaxed | None = None
    for _ in range(_ROUNDS):
        left = deadline - time.monotonic()
        if left <= 0 or stop():
            break
        found = _solve(model, active, left, stop)
        if found is None:
            break
        if best is None or found.bound > best.bound:
            best = found
        attractive = found.attractive & ~active
        if not attractive.any() or found.bound >= found.cost * (1 - _WORTH_A_ROUND):
            break
        active |= attractive
    return best


def proven_bound(model: Model, prices: Floats) -> tuple[float, Floats]:
    """The bound that `prices` of the rows prove, and the reduced costs of the columns."""
    limit = np.where(prices > 0, model.lower, model.upper)
    prices = np.where(np.isfinite(limit), prices, 0.0)
    limit = np.where(np.isfinite(limit), limit, 0.0)
    reduced = model.cost - model.matrix.T @ prices
    if not model.problem.split:  # a line takes exactly one column: its price may be the cheapest's
        prices, reduced = _lines_repriced(model, prices, reduced)
    return float(prices @ limit + np.minimum(reduced, 0.0) @ model.most), reduced


def _lines_repriced(model: Model, prices: Floats, reduced: Floats) -> tuple[Floats, Floats]:
    uses, prices, reduced = model.uses, prices.copy(), reduced.copy()
    least = np.full(len(model.problem.lines), np.inf)
    np.minimum.at(least, uses.line, reduced[: len(uses)])
    prices[: len(least)] += least  # the rows of the lines come first
    reduced[: len(uses)] -= least[uses.line]
    return prices, reduced


def _near_best(model: Model) -> Bools:
    """The columns that are not of lines, and those of lines that look cheap enough."""
    uses, active = model.uses, np.ones(len(model.cost), dtype=bool)
    cost = model.cost[: len(uses)]
    cheapest = np.full(len(model.problem.lines), np.inf)
    np.minimum.at(cheapest, uses.line, cost)
    active[: len(uses)] = cost <= cheapest[uses.line] * (1 + _NEAR)
    return active


def _solve(model: Model, active: Bools, seconds: float, stop: Stop) -> Relaxed | None:
    part = whole(model) if active.all() else part_of(model, active)
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("time_limit", float(seconds)),
        ("solver", "hipo"),
        ("run_crossover", "off"),
        ("ipm_optimality_tolerance", _ACCURATE),
    ):
        solver.setOptionValue(option, value)
    part.hand_over(solver, integral=False)
    solver.cbIpmInterrupt += lambda event: event.interrupt(stop())
    solver.run()
    solver.clearCallbacks()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None  # cut short, its prices would prove next to nothing
    solution = solver.getSolution()
    dual, values = np.array(solution.row_dual), np.array(solution.col_value)
    if len(dual) != len(part.rows) or not np.isfinite(dual).all():
        return None
    prices = np.zeros(len(model.lower))
    prices[part.rows] = dual
    values = part.scatter(np.clip(values, 0.0, model.most[part.columns]))
    bound, reduced = proven_bound(model, prices)
    return Relaxed(
        bound=bound if math.isfinite(bound) else -math.inf,
        cost=float(model.cost @ values),
        values=values,
        reduced=reduced,
        attractive=model.cost - model.matrix.T @ prices < -_ACCURATE,
    )
