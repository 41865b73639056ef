"""Solves a round: simple plans first, then the solver from the best of them, priced exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from hub.domain.purchasing.baseline import Alone, alone
from hub.domain.purchasing.check import check
from hub.domain.purchasing.explain import explain
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.highs import Outcome
from hub.domain.purchasing.instance import Cents, Instance
from hub.domain.purchasing.plan import Baselines, Plan, Status
from hub.domain.purchasing.pricing import Line, Source, reprice
from hub.domain.purchasing.problem import Problem, compile_instance
from hub.domain.purchasing.progress import Progress, Search
from hub.domain.purchasing.search import greedy, improve, never
from hub.domain.purchasing.shares import compute_shares, share_out
from hub.domain.purchasing.stages import method_for
from hub.domain.purchasing.state import State

__all__ = ["Progress", "easy_bound", "solve"]

_ALONE_PART = 0.3
"""The part of the time that the practices' own optima may take at most."""

_LOCAL_PART = 0.2
"""The part of the time that is left for the local search at most."""

_MENDING = 2.0
"""Seconds that the practices' own plans, taken together, are mended for after the time is over."""

_EXACT = 1e-3
"""The solver's bound is trusted to a thousandth of a cent."""


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
    search = Search(instance, problem, progress or (lambda _: None), should_stop or never)
    if problem.unfillable:
        return _no_plan(search)
    if not problem.lines:
        return _nothing_to_buy(instance, search)
    search.bound = easy_bound(problem)
    search.tell("greedy")
    state = greedy(problem, search.stop)
    baselines = Baselines(greedy=search.cost_of(state))
    search.tell("greedy")
    method = method_for(search)
    state = method.begin(state)
    search.tell("local_search")
    within = time.monotonic() + search.left * _LOCAL_PART
    state = improve(state, lambda: search.stop() or time.monotonic() > within)
    baselines = replace(baselines, local_search=search.cost_of(state))
    if start is not None:
        search.resume(start, state)
    method.follow()
    search.tell("alone")
    single = alone(
        instance,
        search.stop,
        search.left * _ALONE_PART,
        finished=lambda _: search.tell("alone"),
    )
    baselines = replace(baselines, alone=single.total)
    if _cheaper(single, search) and single.choices.keys() == set(problem.lines):
        # Pooled prices may break minimum orders, so that this plan is mended even when stopped.
        mended = time.monotonic() + (0.0 if search.best_cost is None else _MENDING)
        search.keep(
            improve(
                State(problem, problem.chosen(single.choices)),
                lambda: search.stop() and time.monotonic() > mended,
            )
        )
    outcome = method.finish()
    if outcome.ended == "infeasible" and search.best_cost is None:
        return replace(_no_plan(search), baselines=baselines)
    return _plan(search, outcome, baselines, single)


def _cheaper(single: Alone, search: Search) -> bool:
    """Buying alone costs less than the best plan so far, or there is none."""
    cost = search.best_cost
    return cost is None or (single.total is not None and single.total < cost)


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


def _plan(search: Search, outcome: Outcome, baselines: Baselines, single: Alone) -> Plan:
    priced = search.priced()
    if priced is None:
        return Plan(
            "time_limit", None, search.bound, search.seconds, baselines, interrupted=search.stopped
        )
    bound = _proven(search, outcome, priced.cost)
    shares, sampled = share_out(search.instance, priced, single.costs)
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
        shares=shares,
        sampled=sampled,
        interrupted=search.stopped,
    )
    faults = check(search.instance, plan)
    if faults:
        raise RuntimeError(f"the plan does not pass its check: {faults[0]}")
    return plan


def _proven(search: Search, outcome: Outcome, cost: Cents) -> Cents:
    """The bound in whole cents, rounded down; equal to the cost if no cheaper cent is left."""
    if math.isfinite(outcome.bound):
        if outcome.bound > cost - 1 + _EXACT:
            return cost
        return min(cost, max(search.bound, math.floor(outcome.bound + _EXACT)))
    return min(cost, search.bound)


def _status(search: Search, outcome: Outcome, bound: Cents, cost: Cents) -> Status:
    # The model does not round rebates down, so each may leave a cent that no plan can save.
    rounding = sum(bool(vendor.spend_rebates) for vendor in search.instance.vendors)
    if cost - bound <= (rounding if outcome.ended == "solved" else 0):
        return "optimal"
    allowed = search.instance.limits.gap
    return "gap_reached" if (cost - bound) * RATE_UNIT <= cost * allowed else "time_limit"


def _no_plan(search: Search) -> Plan:
    search.tell("explain")
    reasons = explain(search.instance, max(5.0, search.left), search.should_stop)
    return Plan("infeasible", None, None, search.seconds, infeasible_because=reasons)


def _nothing_to_buy(instance: Instance, search: Search) -> Plan:
    costs = {practice.id: 0 for practice in instance.practices}
    shares = compute_shares(instance, reprice(instance, {}), costs)
    return Plan("optimal", 0, 0, search.seconds, Baselines(0, 0, 0), shares=shares)
