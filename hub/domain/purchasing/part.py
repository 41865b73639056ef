"""A model, or a part of it with some columns held at 0, as HiGHS takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.problem import Ints


@dataclass(frozen=True, slots=True)
class Programme:
    """Minimise cost · z subject to lower ≤ matrix · z ≤ upper and 0 ≤ z ≤ most."""

    cost: Floats
    most: Floats
    integral: Bools
    matrix: csc_array
    lower: Floats
    upper: Floats

    def hand_over(self, solver: Any) -> None:
        """Give the programme to a HiGHS instance."""
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.lower)
        lp.col_cost_ = self.cost
        lp.col_lower_, lp.col_upper_ = np.zeros(len(self.cost)), self.most
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = self.matrix.indptr.astype(np.int32)
        lp.a_matrix_.index_ = self.matrix.indices.astype(np.int32)
        lp.a_matrix_.value_ = self.matrix.data
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[flag] for flag in self.integral.tolist()]
        solver.passModel(lp)


@dataclass(frozen=True, slots=True)
class Part:
    """The model with only these columns and the rows that can bind them."""

    model: Model
    columns: Ints
    rows: Ints

    def scatter(self, values: Floats) -> Floats:
        """Values of the part's columns as values of all, 0 elsewhere."""
        whole = np.zeros(len(self.model.cost))
        whole[self.columns] = values
        return whole

    def hand_over(self, solver: Any) -> None:
        """Give the part to a HiGHS instance."""
        model, columns, rows = self.model, self.columns, self.rows
        Programme(
            model.cost[columns],
            model.most[columns],
            model.integral[columns],
            model.matrix[rows][:, columns].tocsc(),
            model.lower[rows],
            model.upper[rows],
        ).hand_over(solver)


def whole(model: Model) -> Part:
    return Part(model, np.arange(len(model.cost)), np.arange(len(model.lower)))


def part_of(model: Model, active: Bools) -> Part:
    """The columns `active`, without the rows that hold by themselves once the others are 0.

    What counts towards free freight of lines that no longer buy there is left out, too.
    """
    counted, here = model.orders.counted, active[: len(model.uses)]
    listed = counted >= 0
    active = active.copy()
    active[counted[listed]] = False
    active[counted[listed & here]] = True
    waiting = model.matrix[:, ~active].tocsr()
    raising = model.matrix[:, active].tocsr()
    raising.data = (raising.data > 0).astype(float)
    idle = (np.diff(waiting.indptr) > 0) & (raising.sum(axis=1) == 0)
    idle &= np.isneginf(model.lower) & (model.upper == 0)
    return Part(model, np.flatnonzero(active), np.flatnonzero(~idle))
