"""A mixed-integer programme as HiGHS takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array

from hub.domain.purchasing.columns import Bools, Floats


@dataclass(frozen=True, slots=True)
class Programme:
    """Minimise cost · z subject to lower ≤ matrix · z ≤ upper and 0 ≤ z ≤ most; `integral`
    marks the binaries."""

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
