"""Branch and bound over the levels of spend that vendors reach, for rounds that `Levels` describes.

Nodes are kept by their bound. A node has the levels still allowed to each vendor; its bound comes
from subgradient steps for the prices of the lines, and levels that would lift it above the best
plan are struck out. Once every vendor has one level, HiGHS chooses the lines, among the few columns
whose reduced cost leaves them a chance.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_array

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.highs import Found, Outcome, Watch, optimum_below
from hub.domain.purchasing.problem import Ints
from hub.domain.purchasing.programme import Programme
from hub.domain.purchasing.spend_levels import (
    Levels,
    Look,
    levels_within,
    look,
    purchases_within,
)
from hub.domain.purchasing.state import State

_ROOT_STEPS, _CHILD_STEPS, _LEAF_STEPS = 500, 40, 150
_ROOT_LENGTH, _CHILD_LENGTH, _LEAF_LENGTH = 1.0, 0.25, 0.3
"""Steps of the subgradient method, and the first length as a part of Polyak's."""

_PATIENCE, _SHORTER = 6, 0.6
"""After so many steps without a better bound, go on from the best prices with shorter steps."""

_MEMORY = 0.93
"""Weight of what earlier steps chose, in the mean level of each vendor."""

_WHOLE_CENT = 1.0 - 1e-3
"""A plan must cost a cent less than the best to be worth looking for."""


@dataclass(order=True, slots=True)
class _Node:
    bound: float
    number: int
    allowed: Bools = field(compare=False)
    prices: Floats = field(compare=False)
    liked: Floats = field(compare=False)
    """How much of the time the steps chose each level of each vendor."""


def run_by_levels(
    levels: Levels,
    start: Sequence[int],
    *,
    seconds: float,
    watch: Watch = lambda _: False,
    found: Found = lambda _: None,
) -> Outcome:
    """The cheapest plan, from the plan `start`, until `seconds` are over or `watch` says stop.

    `watch` hears the bound, in cents, after every node and several times a second below a node;
    `found` the options of each better plan.
    """
    return _Tree(levels, start, time.monotonic() + seconds, watch, found).grow()


class _Tree:
    def __init__(
        self, levels: Levels, start: Sequence[int], deadline: float, watch: Watch, found: Found
    ) -> None:
        self.levels, self._deadline, self._watch, self._found = levels, deadline, watch, found
        self._chosen = list(start)
        self._cost = State(levels.problem, start).cost
        self._proven = float(self._cost)
        self._nodes: list[_Node] = []
        self._made = 0
        self._scale = _least_amounts(levels)

    def grow(self) -> Outcome:
        allowed = self.levels.reachable
        root = _Node(-math.inf, 0, allowed, self._scale, np.zeros(allowed.shape))
        self._add(root, _ROOT_STEPS, _ROOT_LENGTH)
        while self._nodes and self._nodes[0].bound <= self._cost - _WHOLE_CENT:
            node = self._nodes[0]
            if self._stopped(self._bound(node)):
                return Outcome("limit", self._chosen, self._bound(node))
            heapq.heappop(self._nodes)
            free = node.allowed.sum(axis=1) > 1
            if free.any():
                self._branch(node, free)
            elif not self._settle(node):
                return Outcome("limit", self._chosen, self._bound(node))
        return Outcome("solved", self._chosen, min(self._proven, float(self._cost)))

    def _bound(self, lowest: _Node) -> float:
        """Proven while `lowest` is the node with the lowest bound.

        Rebates are rounded down, so a plan may cost some cents more than its lines were found to.
        """
        return min(lowest.bound, self._proven)

    def _stopped(self, bound: float) -> bool:
        return self._watch(bound) or time.monotonic() > self._deadline

    def _branch(self, node: _Node, free: Bools) -> None:
        """The vendor whose level is least decided: at the one it mostly has, or at another."""
        without = node.liked[:, 0]
        doubt = np.where(free, 1.0 + np.minimum(without, 1.0 - without), 0.0)
        vendor = int(doubt.argmax())
        level = int(np.where(node.allowed[vendor], node.liked[vendor], -1.0).argmax())
        at, other = node.allowed.copy(), node.allowed.copy()
        at[vendor] = False
        at[vendor, level] = True
        other[vendor, level] = False
        for allowed in (at, other):
            self._add(replace(node, allowed=allowed), _CHILD_STEPS, _CHILD_LENGTH)

    def _add(self, node: _Node, steps: int, length: float) -> None:
        """Keep the node, its bound raised and its levels thinned out, unless it is hopeless."""
        below = self._cost - _WHOLE_CENT
        best = self._ascend(node, steps, length)
        if best.bound > below:
            return
        node.allowed = node.allowed & levels_within(best, below)
        node.bound = max(node.bound, best.bound)
        self._made += 1
        node.number = self._made
        heapq.heappush(self._nodes, node)

    def _ascend(self, node: _Node, steps: int, length: float) -> Look:
        """Subgradient steps of Polyak's length; leaves the best prices with the node."""
        prices, liked = node.prices, node.liked
        best = look(self.levels, prices, node.allowed)
        here, stalled, everyone = best, 0, np.arange(len(node.allowed))
        for _ in range(steps):
            missing = 1.0 - here.sold
            way = float((missing * missing) @ self._scale)
            if best.bound > self._cost - _WHOLE_CENT or way < 1e-12:
                break
            gap = self._cost * 1.0005 - here.bound
            prices = prices + length * gap / way * missing * self._scale
            here = look(self.levels, prices, node.allowed)
            liked = liked * _MEMORY
            liked[everyone, here.level] += 1.0 - _MEMORY
            if here.bound > best.bound + self._cost * 1e-7:
                best, node.prices, stalled = here, prices, 0
                continue
            stalled += 1
            if stalled == _PATIENCE:
                stalled, length, prices, here = 0, length * _SHORTER, node.prices, best
        node.liked = liked
        return best

    def _settle(self, node: _Node) -> bool:
        """Choose the lines at the node's levels; False where time did not allow that."""
        levels = self.levels
        best = self._ascend(node, _LEAF_STEPS, _LEAF_LENGTH)
        below = self._cost - _WHOLE_CENT
        if best.bound > below:
            return True
        columns = purchases_within(levels, best, below)
        if len(np.unique(levels.line[columns])) < levels.lines:
            return True
        programme = _choice_of_lines(levels, node.allowed.argmax(axis=1), *columns)
        ended, values = optimum_below(
            programme,
            below=below,
            seconds=self._deadline - time.monotonic(),
            stop=lambda: self._stopped(self._bound(node)),
        )
        if values is not None:
            self._proven = min(self._proven, float(programme.cost @ values))
            chosen = np.array(self._chosen)
            bought = columns[0][values > 0.5], columns[1][values > 0.5]
            chosen[levels.line[bought]] = levels.option[bought]
            self._take(chosen.tolist())
        return ended

    def _take(self, chosen: list[int]) -> None:
        cost = State(self.levels.problem, chosen).cost
        if cost < self._cost:
            self._cost, self._chosen = cost, chosen
            self._found(chosen)


def _choice_of_lines(levels: Levels, level: Ints, vendor: Ints, place: Ints) -> Programme:
    """Which of these columns buys each line, every vendor selling the least of its `level`."""
    count, everyone = len(vendor), np.arange(len(level))
    line, amount = levels.line[vendor, place], levels.amount[vendor, place]
    least = levels.least[everyone, level]
    row = np.full(len(level), -1)
    row[least > 0] = levels.lines + np.arange(int((least > 0).sum()))
    counted = np.flatnonzero(least[vendor] > 0)
    entries = np.concatenate([np.ones(count), amount[counted] / least[vendor[counted]]])
    rows = np.concatenate([line, row[vendor[counted]]])
    size = levels.lines + int((least > 0).sum())
    upper = np.ones(size)
    upper[levels.lines :] = np.inf
    return Programme(
        cost=levels.paid[everyone, level][vendor] * amount + levels.switching[vendor, place],
        most=np.ones(count),
        integral=np.ones(count, dtype=bool),
        matrix=coo_array(
            (entries, (rows, np.concatenate([np.arange(count), counted]))), shape=(size, count)
        ).tocsc(),
        lower=np.ones(size),
        upper=upper,
    )


def _least_amounts(levels: Levels) -> Floats:
    """What each line costs where it is cheapest, without a rebate."""
    least = np.full(levels.lines, np.inf)
    costs = np.where(levels.amount > 0, levels.amount + levels.switching, np.inf)
    np.minimum.at(least, levels.line.ravel(), costs.ravel())
    return least
