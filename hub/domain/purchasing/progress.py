"""What a solve has found so far, and how it tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hub.domain.purchasing.check import faults_of_rules
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents, Instance
from hub.domain.purchasing.pricing import Line, Priced, Purchases, Source, price, reprice
from hub.domain.purchasing.problem import Problem
from hub.domain.purchasing.search import Stop, improve
from hub.domain.purchasing.state import State

Phase = Literal["greedy", "local_search", "alone", "solver", "explain"]


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
class Search:
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

    def good_enough(self) -> bool:
        """The gap asked for is proven."""
        cost, allowed = self.best_cost, self.instance.limits.gap
        return (
            cost is not None and allowed > 0 and (cost - self.bound) * RATE_UNIT <= cost * allowed
        )

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
                    if self.problem.source(option.offer) == start.get(line)
                ),
                instead,
            )
            for line, options, instead in zip(
                self.problem.lines, self.problem.options, otherwise.chosen, strict=True
            )
        ]
        self.keep(improve(State(self.problem, chosen), self.stop))
