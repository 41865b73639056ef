"""A model, or a part of it with some columns held at 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.problem import Ints
from hub.domain.purchasing.programme import Programme


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
            cost=model.cost[columns],
            most=model.most[columns],
            integral=model.integral[columns],
            matrix=model.matrix[rows][:, columns].tocsc(),
            lower=model.lower[rows],
            upper=model.upper[rows],
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
