"""The linear relaxation of a model: a lower bound that is proven whatever the accuracy reached.

Any prices of the rows (dual values) prove a bound, because every column lies between 0 and its
most: what the rows are worth, plus each column with negative reduced cost taken in full (weak
duality). So the method that looks for prices may stop at any time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hub.domain.purchasing.columns import Floats
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.primal_dual import PrimalDual
from hub.domain.purchasing.search import Stop, never

_STEPS = 20
"""Between two looks at the time."""

_ACCURATE = 1e-4
"""Good enough where cost and bound of the relaxation differ by this part."""

_LOOKS, _WORTH_THEM = 10, 5e-5
"""So many looks must raise the bound by more than this part."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """`bound` in cents; value and reduced cost of every column.

    The values break rows a little. No plan that uses a column costs less than `bound` and the
    column's reduced cost together, where that is positive.
    """

    bound: float
    values: Floats
    reduced: Floats


def relax(
    model: Model,
    start: Sequence[int] | None,
    *,
    seconds: float,
    stop: Stop = never,
    proven: Callable[[float], None] = lambda _: None,
) -> Relaxed | None:
    """Solve the relaxation as far as `seconds` reach; None where nothing was proven.

    `start` is an allowed plan to begin from. `proven` hears each better bound.
    """
    deadline = time.monotonic() + seconds
    method = PrimalDual(model, model.encode(start) if start is not None else _cheapest(model))
    bound, reduced, bounds = -math.inf, model.cost, [-math.inf] * _LOOKS
    while time.monotonic() < deadline and not stop():
        distance = method.advance(_STEPS)
        found, costs = proven_bound(model, method.best_prices)
        if found > bound:
            bound, reduced = found, costs
            proven(bound)
        bounds.append(bound)
        if distance <= _ACCURATE * abs(bound) or bound - bounds[-1 - _LOOKS] <= _WORTH_THEM * bound:
            break
    if not math.isfinite(bound):
        return None
    return Relaxed(bound, np.clip(method.values, 0.0, model.most), reduced)


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
    first = np.searchsorted(uses.line, np.arange(len(model.problem.lines)))
    least = np.minimum.reduceat(reduced[: len(uses)], first)
    prices[: len(least)] += least  # the rows of the lines come first
    reduced[: len(uses)] -= least[uses.line]
    return prices, reduced


def _cheapest(model: Model) -> Floats:
    """Each line at its cheapest column, without regard to anything else."""
    uses, values = model.uses, np.zeros(len(model.cost))
    ranked = np.lexsort((model.cost[: len(uses)], uses.line))
    first = np.searchsorted(uses.line, np.arange(len(model.problem.lines)))
    values[ranked[first]] = 1.0
    return values
