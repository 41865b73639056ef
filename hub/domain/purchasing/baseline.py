"""Simpler ways to buy, to measure a plan against: alone, greedy pooled, local search."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hub.domain.purchasing.check import faults_of_rules
from hub.domain.purchasing.highs import Outcome, run
from hub.domain.purchasing.instance import Cents, Demand, Instance, Item, Offer
from hub.domain.purchasing.level_search import run_by_levels
from hub.domain.purchasing.model import build
from hub.domain.purchasing.pricing import Line, Priced, Source, price, reprice
from hub.domain.purchasing.problem import Problem, compile_instance
from hub.domain.purchasing.search import Stop, improve, never
from hub.domain.purchasing.search import greedy as greedy_state
from hub.domain.purchasing.spend_levels import levels_of
from hub.domain.purchasing.state import State

SECONDS_ALONE = 5.0
"""What one practice's own optimum may take before the best plan found stands for it."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Each practice buying for itself.

    `costs` has every practice; None where it cannot buy alone (below every minimum order, say).
    `choices` joins the plans that exist. `proven` tells that each cost is the least possible.
    """

    costs: dict[str, Cents | None]
    choices: dict[Line, Source]
    proven: bool

    @property
    def total(self) -> Cents | None:
        """What all practices pay together; None when one of them cannot buy alone."""
        known = [cost for cost in self.costs.values() if cost is not None]
        return sum(known) if len(known) == len(self.costs) else None


def greedy(instance: Instance) -> Priced | None:
    """Each line where it is cheapest at pooled tiers, broken orders mended; None if it fails."""
    problem = compile_instance(instance)
    return None if problem.unfillable else _priced(greedy_state(problem))


def local_search(instance: Instance, stop: Stop = never) -> Priced | None:
    """The greedy plan improved until no single move helps; None if no allowed plan is met."""
    problem = compile_instance(instance)
    return None if problem.unfillable else _priced(improve(greedy_state(problem, stop), stop))


def alone(
    instance: Instance,
    stop: Stop = never,
    seconds: float = 60.0,
    finished: Callable[[str], None] | None = None,
) -> Alone:
    """Each practice at the tiers, rebates, shipping and minimum orders of its own volume.

    The practice's own rules hold (vendors forbidden to it, its vendor limit, its switching
    costs); the pool's do not (vendors of the round or category, commitments). After `seconds`,
    or `stop()`, remaining practices are estimated by local search. `finished` hears each name.
    """
    deadline = time.monotonic() + seconds
    costs: dict[str, Cents | None] = {practice.id: 0 for practice in instance.practices}
    choices: dict[Line, Source] = {}
    proven = True
    for practice, own in one_by_one(instance):
        left = 0.0 if stop() else min(SECONDS_ALONE, deadline - time.monotonic())
        state, cost, best = _buy(own, left, stop)
        costs[practice] = cost
        proven = proven and best
        if state is not None:
            choices.update(state.problem.choices(state.chosen))
        if finished is not None:
            finished(practice)
    return Alone(costs, choices, proven)


def one_by_one(instance: Instance) -> Iterator[tuple[str, Instance]]:
    """For each practice with demand, the instance in which nobody else buys."""
    items = {item.id: item for item in instance.items}
    offers: defaultdict[str, list[Offer]] = defaultdict(list)
    for offer in instance.offers:
        offers[offer.item].append(offer)
    demand: defaultdict[str, list[Demand]] = defaultdict(list)
    for line in instance.demand:
        demand[line.practice].append(line)
    for practice in instance.practices:
        lines = demand[practice.id]
        if lines:
            yield practice.id, _only(instance, practice.id, lines, items, offers)


def _only(
    instance: Instance,
    practice: str,
    lines: list[Demand],
    items: dict[str, Item],
    offers: dict[str, list[Offer]],
) -> Instance:
    wanted = {line.item: items[line.item] for line in lines}
    sources = {key for item in wanted.values() for key in (item.id, *item.equivalents)}
    rules = instance.rules
    return replace(
        instance,
        practices=tuple(p for p in instance.practices if p.id == practice),
        items=tuple(
            items[key] if key in wanted else replace(items[key], equivalents=())
            for key in sorted(sources)
        ),
        demand=tuple(lines),
        offers=tuple(offer for key in sorted(sources) for offer in offers.get(key, ())),
        rules=replace(
            rules,
            max_vendors=None,
            max_vendors_per_category=(),
            forbid=tuple(
                ban
                for ban in rules.forbid
                if ban.practice == practice
                and (not ban.item or ban.item in wanted)
                and (not ban.offer_item or ban.offer_item in sources)
            ),
            commitments=(),
            switching_cost=tuple(
                s for s in rules.switching_cost if s.practice == practice and s.item in wanted
            ),
        ),
    )


def _buy(own: Instance, seconds: float, stop: Stop) -> tuple[State | None, Cents | None, bool]:
    """The best plan of one practice with lines bought whole; the least cost, parts included;
    whether that is proven.
    """
    problem = compile_instance(own)
    if problem.unfillable:
        return None, None, True
    found = improve(greedy_state(problem))
    state = None if found.violation else found
    outcome = _cheapest(problem, state, seconds, stop)
    if outcome.chosen is not None:
        solved = State(problem, outcome.chosen)
        if not solved.violation and (state is None or solved.cost < state.cost):
            state = solved
    costs = [] if state is None else [state.cost]
    if outcome.purchases is not None:
        split = price(own, outcome.purchases)
        if not faults_of_rules(own, split.awards):
            costs.append(split.cost)
    return state, min(costs, default=None), outcome.ended != "limit"


def _cheapest(problem: Problem, state: State | None, seconds: float, stop: Stop) -> Outcome:
    levels = levels_of(problem)
    if levels is not None and state is not None:
        return run_by_levels(levels, state.chosen, seconds=seconds, watch=lambda _: stop())
    return run(
        build(problem),
        seconds=seconds,
        gap=0.0,
        start=state.chosen if state else None,
        watch=lambda _: stop(),
    )


def _priced(state: State) -> Priced | None:
    if state.violation:
        return None
    return reprice(state.problem.instance, state.problem.choices(state.chosen))
