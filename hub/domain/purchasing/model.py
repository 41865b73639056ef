"""The mixed-integer programme of a round, built as index arrays and held as one sparse matrix.

Columns: x[line, offer, tier] (the line is bought there), y[offer, tier] (the tier holds), u and
g[practice, vendor] (an order is opened, its freight is free), used[vendor] and used[category,
vendor] where counted, w[vendor, level] and r[offer, level] (the rebate holds, rebated share of
the offer's spend). Every threshold row is divided by its threshold, so that the solver's
tolerance is relative. The objective is in cents; rebates are not rounded, so the optimum is never
above the cost of the best plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.domain.purchasing.blocks import (
    OrderColumns,
    commitments,
    counts,
    orders,
    pack_limits,
    tiers,
)
from hub.domain.purchasing.columns import Bools, Builder, Floats, Uses, uses_of
from hub.domain.purchasing.pricing import Line, Purchases, Source
from hub.domain.purchasing.problem import Ints, Problem
from hub.domain.purchasing.programme import Programme
from hub.domain.purchasing.rebates import RebateColumns, rebates
from hub.domain.purchasing.splits import Parts, split_lines, whole_lines
from hub.domain.purchasing.state import State


@dataclass(frozen=True, slots=True)
class Model(Programme):
    """The programme of a problem. Its first `len(uses)` columns are x; the fields after `uses` give
    the numbers of the others (−1 or absent where there is none).
    """

    problem: Problem
    uses: Uses
    tier: dict[tuple[int, int], int]
    orders: OrderColumns
    used: Ints
    used_in: dict[tuple[int, int], int]
    rebate: RebateColumns
    parts: Parts
    switch: dict[int, int]

    def decode(self, values: Floats) -> list[int]:
        """The option of each line that carries most weight in a solution."""
        weight = np.asarray(values[: len(self.uses)])
        ranked = np.argsort(weight, kind="stable")
        chosen = np.zeros(len(self.problem.lines), dtype=np.int64)
        chosen[self.uses.line[ranked]] = self.uses.option[ranked]  # the heaviest is written last
        return [int(k) for k in chosen]

    def purchases(self, values: Floats) -> Purchases:
        """What a solution buys, the parts of split lines included."""
        counts = np.rint(values[: len(self.uses)]).astype(np.int64)
        found: dict[Line, dict[Source, int]] = {line: {} for line in self.problem.lines}
        for x in np.flatnonzero(counts).tolist():
            bought = found[self.problem.lines[self.uses.line[x]]]
            source = self.problem.source(int(self.uses.offer[x]))
            packs = int(counts[x] * self.uses.packs[x])
            bought[source] = bought.get(source, 0) + packs
        return found

    def encode(self, chosen: Sequence[int]) -> Floats:
        """The column values of an allowed plan, to start the solver from."""
        state = State(self.problem, chosen)
        values = np.zeros(len(self.cost))
        tier = np.array(
            [
                sum(packs >= least for least in breaks[1:])
                for packs, breaks in zip(state.packs, self.problem.breaks, strict=True)
            ],
            dtype=np.int64,
        )
        bought = self.uses.option == np.asarray(chosen, dtype=np.int64)[self.uses.line]
        here = bought & (self.uses.tier == tier[self.uses.offer])
        values[: len(self.uses)] = here * self._times(chosen)
        for line, k in enumerate(chosen if self.parts else ()):
            values[self.parts[line, k]] = 1.0
            if self.problem.options[line][k].switching:
                values[self.switch[line]] = 1.0
        for offer, level in enumerate(tier.tolist()):
            if level:
                values[self.tier[offer, level]] = 1.0
        self._encode_orders(state, values, here)
        self._encode_rebates(state, values)
        return values

    def _times(self, chosen: Sequence[int]) -> Ints:
        """The value of each x where its line buys all it needs there."""
        packs = [options[k].packs for options, k in zip(self.problem.options, chosen, strict=True)]
        return np.array(packs, dtype=np.int64)[self.uses.line] // self.uses.packs

    def _encode_orders(self, state: State, values: Floats, bought: Bools) -> None:
        count, goods = np.array(state.count), np.array(state.goods)
        width, columns = len(self.problem.vendors), self.orders
        opened = (columns.opened >= 0) & (count > 0)
        values[columns.opened[opened]] = 1.0
        free_from = [terms.shipping.free_from for terms in state.terms]
        limit = np.array([np.inf if least is None else least for least in free_from])
        free = (columns.free >= 0) & opened & (goods >= np.tile(limit, len(self.problem.practices)))
        values[columns.free[free]] = 1.0
        pairs = self.uses.practice * width + self.uses.vendor
        counted = np.flatnonzero(bought & (columns.counted >= 0) & free[pairs])
        values[columns.counted[counted]] = columns.part[counted]
        for vendor, column in enumerate(self.used):
            if column >= 0 and count[vendor::width].any():
                values[column] = 1.0
        for line in range(len(self.problem.lines)):
            key = self.problem.category_of[line], state.vendor(line)
            if key in self.used_in:
                values[self.used_in[key]] = 1.0

    def _encode_rebates(self, state: State, values: Floats) -> None:
        holds: dict[int, int] = {}
        for vendor, level in sorted(self.rebate.level):
            if state.terms[vendor].spend_rebates[level].from_spend <= state.spend[vendor]:
                holds[vendor] = level
        for vendor, level in holds.items():
            values[self.rebate.level[vendor, level]] = 1.0
        for (offer, level), column in self.rebate.rebated.items():
            if holds.get(self.problem.vendor_of[offer]) == level:
                spend = self.problem.offers[offer].goods_at(state.packs[offer])
                values[column] = spend / self.rebate.most[offer]


def build(problem: Problem) -> Model:
    """The whole model of a problem that has lines, each with an option."""
    uses = uses_of(problem)
    builder = Builder(uses)
    parts: Parts = {}
    switch: dict[int, int] = {}
    if problem.split:
        parts, switch = split_lines(builder, problem, uses)
    else:
        whole_lines(builder, problem, uses)
    tier = tiers(builder, problem, uses)
    pack_limits(builder, problem, uses)
    ordered = orders(builder, problem, uses)
    used, used_in = counts(builder, problem, uses, ordered.opened)
    commitments(builder, problem, uses)
    rebate = rebates(builder, problem, uses, tier)
    return Model(
        problem=problem,
        uses=uses,
        cost=np.concatenate(builder.cost),
        most=np.concatenate(builder.most),
        integral=np.concatenate(builder.integral),
        matrix=builder.matrix(),
        lower=np.concatenate(builder.lower),
        upper=np.concatenate(builder.upper),
        tier=tier,
        orders=ordered,
        used=used,
        used_in=used_in,
        rebate=rebate,
        parts=parts,
        switch=switch,
    )
