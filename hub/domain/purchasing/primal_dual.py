"""The primal-dual hybrid gradient method for the linear relaxation of a model, step by step.

Values of the columns and prices of the rows move in turn, each against the other (Chambolle and
Pock 2011); the mean of the steps is restarted from when it has come closer to the optimum
(Applegate et al. 2021). A step costs two products with the matrix, so a round far too large for
the simplex or an interior point method is no obstacle, and prices are there after every step.

A line bought whole takes exactly one of its columns: their values are kept on the simplex and
need no row. Step sizes follow the money at stake: the price of a row moves on the scale of what
the lines in it cost, which is what makes a few hundred steps enough.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import csr_array

from hub.domain.purchasing.columns import Floats
from hub.domain.purchasing.model import Model

_STAKE = 0.05
"""A row decides about roughly this part of what its lines cost."""

_CLOSER = 0.4
"""Restart from the mean once its distance from the optimum fell to this part, or"""

_LONG = 0.6
"""after this part of all steps."""

_NEWTON_STEPS = 10
_LEVEL = 1e-5


class PrimalDual:
    """The state of the method. `values` of the columns, near the optimum, may break rows a little;
    `bound` is the highest proven so far.
    """

    def __init__(self, model: Model, values: Floats) -> None:
        self.model = model
        lines = 0 if model.problem.split else len(model.problem.lines)
        self._whole = 0 if model.problem.split else len(model.uses)
        self._line = model.uses.line[: self._whole]
        self.first = np.searchsorted(self._line, np.arange(lines))
        self._rows = slice(lines, None)  # the rows of the lines come first
        self._matrix = _narrow(model.matrix.tocsr()[self._rows])
        self._transposed = _narrow(self._matrix.T.tocsr())
        self._lower, self._upper = model.lower[self._rows], model.upper[self._rows]
        self._level = np.zeros(lines)
        self._least_price = np.where(np.isfinite(self._upper), -np.inf, 0.0)
        self._most_price = np.where(np.isfinite(self._lower), np.inf, 0.0)
        self._column_step, self._row_step, self._stake = self._steps()
        self._weight = 1.0
        self._taken = self._since = 0
        self.values, self._prices = values.copy(), np.zeros(len(self._lower))
        self.bound, self._best_prices = -math.inf, self._prices
        self._pull = np.zeros(len(values))
        self._begin(math.inf)

    @property
    def best_prices(self) -> Floats:
        """Those with the highest bound so far, 0 for the rows of lines bought whole."""
        prices = np.zeros(len(self.model.lower))
        prices[self._rows] = self._best_prices
        return prices

    def advance(self, steps: int) -> float:
        """Take steps, restart where that is due; gives how far from the optimum it may be, in
        cents: what cost and bound differ by, and what is missing in broken rows.
        """
        for _ in range(steps):
            self._step()
        mean, mean_prices = self._sum / self._since, self._sum_prices / self._since
        here = self._distance(self.values, self._prices, self._pull)
        pull = self._transposed @ mean_prices
        there = self._distance(mean, mean_prices, pull)
        nearest = min(here, there)
        if nearest < _CLOSER * self._at_restart or self._since >= _LONG * self._taken:
            if there < here:
                self.values, self._prices, self._pull = mean, mean_prices, pull
            self._reweigh()
            self._begin(nearest)
        return nearest

    def _step(self) -> None:
        weight = self._weight
        moved = self.values - weight * self._column_step * (self.model.cost - self._pull)
        values = self._allowed(moved)
        step = self._row_step / weight
        prices = self._prices - step * (self._matrix @ (2 * values - self.values))
        prices -= step * np.clip(prices / step, -self._upper, -self._lower)
        prices = np.clip(prices, self._least_price, self._most_price)  # no rounding past a side
        self.values, self._prices = values, prices
        self._pull = self._transposed @ prices
        self._sum += values
        self._sum_prices += prices
        self._since += 1
        self._taken += 1

    def _begin(self, distance: float) -> None:
        self._at_restart = distance
        self._from, self._from_prices = self.values, self._prices
        self._sum, self._sum_prices = np.zeros_like(self.values), np.zeros_like(self._prices)
        self._since = 0

    def _reweigh(self) -> None:
        """Values and prices should have the same way to go."""
        way = np.sqrt((((self.values - self._from) ** 2) / self._column_step).sum())
        way_of_prices = np.sqrt((((self._prices - self._from_prices) ** 2) / self._row_step).sum())
        if way > 0 and way_of_prices > 0:
            self._weight = math.sqrt(self._weight * way / way_of_prices)

    def _steps(self) -> tuple[Floats, Floats, Floats]:
        """Step sizes of columns and rows (Pock and Chambolle 2011), and the money at stake."""
        size = abs(self._matrix)
        money = abs(self.model.cost)
        money[: len(self.model.uses)] *= _STAKE
        counted = self._matrix.copy()
        counted.data = np.ones_like(counted.data)
        amount, units = counted @ money, size @ (money > 0).astype(float)
        typical = float(np.median(money[: len(self.model.uses)]))
        stake = np.maximum(np.where(units > 0, amount / np.maximum(units, 1e-9), typical), 1.0)
        column = 1.0 / np.maximum(size.T @ stake, 1e-9)
        if self._whole:
            least = np.minimum.reduceat(column[: self._whole], self.first)
            column[: self._whole] = least[self._line]  # one size a line, for the simplex
        return column, stake / np.maximum(size.sum(axis=1), 1e-9), stake

    def _allowed(self, values: Floats) -> Floats:
        """The nearest values that fill each line and lie within their bounds."""
        found: Floats = np.clip(values, 0.0, self.model.most)
        if self._whole:
            found[: self._whole] = self._on_simplex(values[: self._whole])
        return found

    def _on_simplex(self, values: Floats) -> Floats:
        """Lower all values of a line by as much as leaves a positive part of 1.

        Newton's method from the level of the step before, near which the new one lies.
        """
        level = self._level
        for _ in range(_NEWTON_STEPS):
            above = np.maximum(values - level[self._line], 0.0)
            rise = np.add.reduceat(above, self.first) - 1.0
            rise /= np.maximum(np.add.reduceat(above > 0, self.first, dtype=np.int32), 1)
            level = level + rise
            if np.abs(rise).max() < _LEVEL:
                break
        self._level = level
        lowered: Floats = np.maximum(values - level[self._line], 0.0)
        return lowered

    def _distance(self, values: Floats, prices: Floats, pull: Floats) -> float:
        """How far cost and bound are apart, and what is missing in broken rows, in cents."""
        cost, reduced = self.model.cost, self.model.cost - pull
        bound = float(np.minimum(reduced[self._whole :], 0.0) @ self.model.most[self._whole :])
        if self._whole:
            bound += float(np.minimum.reduceat(reduced[: self._whole], self.first).sum())
        limit = np.where(prices > 0, self._lower, self._upper)
        bound += float(prices @ np.where(prices == 0, 0.0, limit))
        if bound > self.bound:
            self.bound, self._best_prices = bound, prices
        reached = self._matrix @ values
        broken = np.maximum(self._lower - reached, 0.0) + np.maximum(reached - self._upper, 0.0)
        return abs(float(cost @ values) - bound) + float(broken @ self._stake)


def _narrow(matrix: csr_array) -> csr_array:
    """With indices of half the width, which is what a product spends its time on reading."""
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix
