"""Solves a round: simple plans first, then the solver from the best of them, priced exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hub.domain.purchasing.baseline import Alone, alone
from hub.domain.purchasing.check import check, faults_of_rules
from hub.domain.purchasing.explain import explain
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.highs import Outcome, run
from hub.domain.purchasing.instance import Cents, Instance
from hub.domain.purchasing.model import build
from hub.domain.purchasing.plan import Baselines, Plan, Status
from hub.domain.purchasing.pricing import Line, Priced, Purchases, Source, price, reprice
from hub.domain.purchasing.problem import Problem, compile_instance
from hub.domain.purchasing.search import Stop, greedy, improve, never
from hub.domain.purchasing.shares import compute_shares
from hub.domain.purchasing.state import State

Phase = Literal["greedy", "local_search", "alone", "solver", "explain"]

_ALONE_PART = 0.3
"""The part of the time that the practices' own optima may take at most."""

_MENDING = 1.0
"""Seconds that the local search may take after the solver ended."""

_EXACT = 1e-3
"""The solver's bound is trusted to a thousandth of a cent."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a solve stands: cents, None while unknown; `seconds` since its start.

    `choices` are those of the best plan, if a cheaper one was found since the last report.
    """

    phase: Phase
    seconds: float
    cost: Cents | None = None
    lower_bound: Cents | None = None
    choices: Mapping[Line, Source] | None = None


@dataclass(slots=True)
class _Search:
    """What a solve has found so far."""

    instance: Instance
    problem: Problem
    report: Callable[[Progress], None]
    should_stop: Stop
    started: float = field(default_factory=time.monotonic)
    best: State | None = None
    split: Priced | None = None
    bound: Cents = 0
    stopped: bool = False
    told_cost: Cents | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        return self.instance.limits.seconds - self.seconds

    def stop(self) -> bool:
        """Out of time, or asked to stop; once asked, always stopped."""
        self.stopped = self.stopped or self.should_stop()
        return self.stopped or self.left <= 0

    def keep(self, state: State) -> None:
        """Remember `state` if it is allowed and the cheapest yet."""
        if not state.violation and (self.best is None or state.cost < self.best.cost):
            self.best = State(self.problem, state.chosen)

    def keep_split(self, purchases: Purchases) -> None:
        """Remember a plan that splits lines if it is allowed and cheaper than every other."""
        priced = price(self.instance, purchases)
        if not faults_of_rules(self.instance, priced.awards) and (
            self.best_cost is None or priced.cost < self.best_cost
        ):
            self.split = priced

    @property
    def best_cost(self) -> Cents | None:
        if self.split is not None:
            return self.split.cost
        return None if self.best is None else self.best.cost

    def priced(self) -> Priced | None:
        """The best plan so far."""
        if self.split is not None or self.best is None:
            return self.split
        return reprice(self.instance, self.problem.choices(self.best.chosen))

    def cost_of(self, state: State) -> Cents | None:
        """Keep `state`; its cost if it is allowed."""
        self.keep(state)
        return None if state.violation else state.cost

    def tell(self, phase: Phase) -> None:
        cost, choices = None, None
        if self.best is not None:
            cost = self.best.cost
            if self.told_cost is None or cost < self.told_cost:
                choices = self.problem.choices(self.best.chosen)
        self.told_cost = cost
        self.report(Progress(phase, self.seconds, cost, self.bound, choices))

    def resume(self, start: Mapping[Line, Source], otherwise: State) -> None:
        """Keep what an earlier solve chose, improved; where it cannot stand, `otherwise` does."""
        chosen = [
            next(
                (
                    k
                    for k, option in enumerate(options)
                    if (
                        self.problem.offers[option.offer].vendor,
                        self.problem.offers[option.offer].item,
                    )
                    == start.get(line)
                ),
                instead,
            )
            for line, options, instead in zip(
                self.problem.lines, self.problem.options, otherwise.chosen, strict=True
            )
        ]
        self.keep(improve(State(self.problem, chosen), self.stop))


def solve(
    instance: Instance,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    start: Mapping[Line, Source] | None = None,
) -> Plan:
    """The cheapest allowed plan found, with a proven lower bound, baselines and shares.

    Stops when the gap of `instance.limits` is proven, its seconds are over, or `should_stop()`
    (polled several times a second, from this thread) is true; the best plan so far is kept with
    the bound proven so far. Status: "optimal" (no plan is cheaper), "gap_reached", "time_limit"
    (also after a stop; `interrupted` tells; cost None if nothing allowed was met) or
    "infeasible" with its reasons. `start` is an earlier plan of these or similar lines to begin
    from. The plan has passed `check`. Not for use by several threads
    on the same arguments; each call stands alone.
    """
    problem = compile_instance(instance)
    search = _Search(instance, problem, progress or (lambda _: None), should_stop or never)
    if problem.unfillable:
        return _no_plan(search)
    if not problem.lines:
        return _nothing_to_buy(instance, search)
    search.bound = easy_bound(problem)
    search.tell("greedy")
    state = greedy(problem, search.stop)
    baselines = Baselines(greedy=search.cost_of(state))
    search.tell("local_search")
    baselines = replace(baselines, local_search=search.cost_of(improve(state, search.stop)))
    if start is not None:
        search.resume(start, state)
    search.tell("alone")
    single = alone(
        instance,
        search.stop,
        search.left * _ALONE_PART,
        finished=lambda _: search.tell("alone"),
    )
    baselines = replace(baselines, alone=single.total)
    if single.choices.keys() == set(problem.lines):
        search.keep(improve(State(problem, problem.chosen(single.choices)), search.stop))
    outcome = _run_solver(search)
    if outcome.ended == "infeasible" and search.best_cost is None:
        return replace(_no_plan(search), baselines=baselines)
    return _plan(search, outcome, baselines, single)


def easy_bound(problem: Problem) -> Cents:
    """A bound without a solver: every line at its lowest price and its vendor's highest rebate."""
    if problem.split:
        return 0
    vendors = {vendor.id: vendor for vendor in problem.instance.vendors}
    paid = [
        RATE_UNIT - max((step.rate for step in vendors[offer.vendor].spend_rebates), default=0)
        for offer in problem.offers
    ]
    total = sum(
        min(
            option.packs * problem.prices[option.offer][-1] * paid[option.offer]
            + option.switching * RATE_UNIT
            for option in options
        )
        for options in problem.options
    )
    return total // RATE_UNIT


def _run_solver(search: _Search) -> Outcome:
    """Run HiGHS from the best plan; take over its plan, mended where rounding broke a rule."""
    search.tell("solver")
    if search.stop():
        return Outcome("limit", None, -math.inf)
    model = build(search.problem)
    told = 0.0

    def watch(bound: float) -> bool:
        nonlocal told
        if math.isfinite(bound):
            search.bound = max(search.bound, math.floor(bound - _EXACT))
        if search.seconds - told > 0.1:
            told = search.seconds
            search.tell("solver")
        return search.stop()

    outcome = run(
        model,
        seconds=search.left,
        gap=search.instance.limits.gap / RATE_UNIT,
        start=search.best.chosen if search.best else None,
        watch=watch,
        found=lambda chosen: search.keep(State(search.problem, chosen)),
    )
    if outcome.chosen is not None:
        state = State(search.problem, outcome.chosen)
        if state.violation or outcome.ended == "limit":
            mended = time.monotonic() + _MENDING
            improve(state, lambda: time.monotonic() > mended)
        search.keep(state)
    if outcome.purchases is not None:
        search.keep_split(outcome.purchases)
    return outcome


def _plan(search: _Search, outcome: Outcome, baselines: Baselines, single: Alone) -> Plan:
    priced = search.priced()
    if priced is None:
        return Plan(
            "time_limit", None, search.bound, search.seconds, baselines, interrupted=search.stopped
        )
    bound = _proven(search, outcome, priced.cost)
    plan = Plan(
        status=_status(search, outcome, bound, priced.cost),
        cost=priced.cost,
        lower_bound=bound,
        seconds=search.seconds,
        baselines=baselines,
        awards=priced.awards,
        orders=priced.orders,
        credits=priced.credits,
        rebates=priced.rebates,
        switching=priced.switching,
        shares=compute_shares(search.instance, priced, single.costs),
        interrupted=search.stopped,
    )
    faults = check(search.instance, plan)
    if faults:
        raise RuntimeError(f"the plan does not pass its check: {faults[0]}")
    return plan


def _proven(search: _Search, outcome: Outcome, cost: Cents) -> Cents:
    """The bound in whole cents, rounded down; equal to the cost if no cheaper cent is left."""
    if math.isfinite(outcome.bound):
        if outcome.bound > cost - 1 + _EXACT:
            return cost
        return min(cost, max(search.bound, math.floor(outcome.bound + _EXACT)))
    return min(cost, search.bound)


def _status(search: _Search, outcome: Outcome, bound: Cents, cost: Cents) -> Status:
    # The model does not round rebates down, so each may leave a cent that no plan can save.
    rounding = sum(bool(vendor.spend_rebates) for vendor in search.instance.vendors)
    if cost - bound <= (rounding if outcome.ended == "solved" else 0):
        return "optimal"
    allowed = search.instance.limits.gap
    return "gap_reached" if (cost - bound) * RATE_UNIT <= cost * allowed else "time_limit"


def _no_plan(search: _Search) -> Plan:
    search.tell("explain")
    reasons = explain(search.instance, max(5.0, search.left), search.should_stop)
    return Plan("infeasible", None, None, search.seconds, infeasible_because=reasons)


def _nothing_to_buy(instance: Instance, search: _Search) -> Plan:
    costs = {practice.id: 0 for practice in instance.practices}
    shares = compute_shares(instance, reprice(instance, {}), costs)
    return Plan("optimal", 0, 0, search.seconds, Baselines(0, 0, 0), shares=shares)
