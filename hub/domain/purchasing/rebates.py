"""The rows of the purchasing model for rebates on a vendor's pooled spend."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hub.domain.purchasing.blocks import tier_costs_of
from hub.domain.purchasing.columns import Builder, Floats, Uses
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import SpendRebate
from hub.domain.purchasing.problem import Ints, Problem


@dataclass(slots=True)
class RebateColumns:
    """Columns by what they stand for: (vendor, level) holds; (offer, level) share rebated.

    `most[offer]` is the largest spend the offer could see, the unit of its rebated share.
    """

    most: Floats
    level: dict[tuple[int, int], int] = field(default_factory=dict)
    rebated: dict[tuple[int, int], int] = field(default_factory=dict)


def rebates(
    builder: Builder, problem: Problem, uses: Uses, tier: dict[tuple[int, int], int]
) -> RebateColumns:
    """Per vendor one level at most holds, earned by the spend that is rebated at that level.

    Counted per offer, which is tighter: no offer is rebated at a level more than the level holds,
    so half a level asks for half its threshold from shares of at most one half.
    """
    columns = RebateColumns(_largest_spend(problem, uses))
    terms = {vendor.id: vendor for vendor in problem.instance.vendors}
    for vendor, key in enumerate(problem.vendors):
        offers = np.unique(uses.offer[uses.vendor == vendor])
        offers = offers[columns.most[offers] > 0]
        reach = columns.most[offers].sum()
        steps = {
            n: step
            for n, step in enumerate(terms[key].spend_rebates)
            if step.rate and step.from_spend <= reach
        }
        if steps and len(offers):
            _vendor(builder, uses, vendor, offers, steps, columns, _fixed(problem, tier, offers))
    return columns


def _vendor(
    builder: Builder,
    uses: Uses,
    vendor: int,
    offers: Ints,
    steps: dict[int, SpendRebate],
    columns: RebateColumns,
    fixed: tuple[Ints, Ints, Floats],
) -> None:
    x = np.flatnonzero((uses.vendor == vendor) & (columns.most[uses.offer] > 0))
    most, row = columns.most[offers], np.searchsorted(offers, uses.offer[x])
    own = np.arange(len(offers))
    holds = builder.add_columns(np.zeros(len(steps)))
    builder.add_rows(1, (np.zeros(len(steps), dtype=np.int64), holds, 1.0), upper=1.0)
    spent = (row, x, -uses.amount[x] / most[row])
    fixed_row, fixed_column, fixed_cost = fixed
    terms = []
    for (n, step), hold in zip(steps.items(), holds, strict=True):
        part = builder.add_columns(-most * step.rate / RATE_UNIT, integral=False)
        builder.add_rows(
            len(offers), (own, part, 1.0), (own, np.full(len(own), hold), -1.0), upper=0.0
        )
        terms.append((own, part, 1.0))
        if step.from_spend:
            builder.add_rows(
                1,
                (np.zeros_like(own), part, most / step.from_spend),
                (np.zeros(1, dtype=np.int64), np.array([hold]), -1.0),
                lower=0.0,
            )
        columns.level[vendor, n] = int(hold)
        columns.rebated.update({(int(o), n): int(c) for o, c in zip(offers, part, strict=True)})
    charged = (fixed_row, fixed_column, -fixed_cost / most[fixed_row])
    builder.add_rows(len(offers), *terms, spent, charged, upper=0.0)


def _fixed(
    problem: Problem, tier: dict[tuple[int, int], int], offers: Ints
) -> tuple[Ints, Ints, Floats]:
    """The fixed costs of incremental tiers: row of the offer, column, cents."""
    found = [
        (row, tier[offer, level], cost)
        for row, offer in enumerate(offers.tolist())
        if problem.offers[offer].incremental
        for level, cost in enumerate(tier_costs_of(problem, offer), start=1)
    ]
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(float)


def _largest_spend(problem: Problem, uses: Uses) -> Floats:
    """Per offer: every line that may use it does, at the lowest tier that is open to it."""
    keys = uses.line * (int(uses.option.max(initial=0)) + 1) + uses.option
    _, first = np.unique(keys, return_index=True)
    most = np.zeros(len(problem.offers))
    if problem.split:
        for options in problem.options:
            for option in options:
                most[option.offer] += option.packs * problem.prices[option.offer][0]
        return most
    np.add.at(most, uses.offer[first], uses.goods[first].astype(float))
    return most
