"""Runs HiGHS on a model in this process: start, limits, interruption, progress, bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.part import Part, part_of, whole
from hub.domain.purchasing.pricing import Purchases
from hub.domain.purchasing.programme import Programme

Watch = Callable[[float], bool]
"""Called with the bound in cents, −inf while unknown; True asks to stop."""

Found = Callable[[list[int]], None]
"""Called with the options of each better plan the solver meets."""

_CLOSE = 0.5
"""Costs are whole cents, so half a cent above the bound is the optimum."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`bound` is in cents, −inf while nothing is proven; `chosen` is None without a solution.

    Where lines may be split, `purchases` says what is bought and `chosen` only where most is.
    """

    ended: Literal["solved", "limit", "infeasible"]
    chosen: list[int] | None
    bound: float
    purchases: Purchases | None = None


def run(
    model: Model,
    *,
    seconds: float,
    gap: float,
    start: Sequence[int] | None = None,
    watch: Watch | None = None,
    found: Found | None = None,
    active: Bools | None = None,
) -> Outcome:
    """Solve to the relative `gap` or until `seconds` are over or `watch` says stop.

    With `active` the other columns stay at 0: the bound then says nothing of the whole model.
    An exception of `watch` or `found` stops the solver and is raised afterwards.
    """
    if seconds <= 0:
        return Outcome("limit", None, -math.inf)
    solver = _solver(seconds, gap)
    part = whole(model) if active is None else part_of(model, active)
    part.hand_over(solver)
    if start is not None:
        values = model.encode(start)[part.columns]
        solver.setSolution(len(values), np.arange(len(values), dtype=np.int32), values)
    _run(solver, part, watch, found)
    return _outcome(solver, part)


def optimum_below(
    programme: Programme, *, below: float, seconds: float, stop: Callable[[], bool]
) -> tuple[bool, Floats | None]:
    """The cheapest solution at a cost of `below` at most, if there is one; False at a limit.

    Stops when `seconds` are over or `stop()` says so; the best values met are given then, too.
    """
    if seconds <= 0:
        return False, None
    solver = _solver(seconds, 0.0)
    solver.setOptionValue("objective_bound", below)
    programme.hand_over(solver)
    _run(solver, None, lambda _: stop(), None)
    limits = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)
    found = (
        solver.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    )
    values = np.array(solver.getSolution().col_value) if found else None
    return solver.getModelStatus() not in limits, values


def _solver(seconds: float, gap: float) -> Any:
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", float(seconds))
    solver.setOptionValue("mip_rel_gap", gap)
    solver.setOptionValue("mip_abs_gap", _CLOSE)
    return solver


def _run(solver: Any, part: Part | None, watch: Watch | None, found: Found | None) -> None:
    raised = _listen(solver, part, watch, found)
    solver.run()
    solver.clearCallbacks()
    if raised:
        raise raised[0]


def _listen(
    solver: Any, part: Part | None, watch: Watch | None, found: Found | None
) -> list[BaseException]:
    """Call `watch` whenever HiGHS may be interrupted; collects what the listeners raise."""
    raised: list[BaseException] = []

    def asked(bound: float) -> bool:
        if not raised and watch is not None:
            try:
                return watch(bound)
            except BaseException as error:  # raised again by run(): it must not cross the solver
                raised.append(error)
        return bool(raised)

    def improved(event: Any) -> None:
        if not raised and found is not None and part is not None:
            try:
                values = part.scatter(np.array(event.data_out.mip_solution))
                found(part.model.decode(values))
            except BaseException as error:
                raised.append(error)

    solver.cbMipInterrupt += lambda event: event.interrupt(asked(event.data_out.mip_dual_bound))
    solver.cbSimplexInterrupt += lambda event: event.interrupt(asked(-math.inf))
    solver.cbIpmInterrupt += lambda event: event.interrupt(asked(-math.inf))
    if found is not None:
        solver.cbMipImprovingSolution += improved
    return raised


def _outcome(solver: Any, part: Part) -> Outcome:
    status, info = solver.getModelStatus(), solver.getInfo()
    kinds = highspy.HighsModelStatus
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        return Outcome("infeasible", None, math.inf)
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    model, chosen, purchases = part.model, None, None
    if found:
        values = part.scatter(np.array(solver.getSolution().col_value))
        chosen = model.decode(values)
        purchases = model.purchases(values) if model.problem.split else None
    bound = info.mip_dual_bound if math.isfinite(info.mip_dual_bound) else -math.inf
    return Outcome("solved" if status == kinds.kOptimal else "limit", chosen, bound, purchases)
