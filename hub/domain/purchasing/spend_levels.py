"""Rounds in which nothing is pooled but rebates on spend: the total quantity discount problem.

Goossens, Maas, Spieksma and van de Klundert 2007 (European Journal of Operational Research 178).
What decides such a round is the level each vendor reaches. A bound for any choice of levels comes
from the Lagrangian relaxation of "each line is bought once": at given prices of the lines every
vendor sells by itself what pays, at least the threshold of its level, the last line in part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hub.domain.purchasing.columns import Bools, Floats
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.problem import Ints, Problem

_NEVER = -1e12
"""Ratio of price to amount of what a vendor does not have: after everything it has."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What vendors sell (a row each, padded with nothing) and the levels of their rebates.

    `amount` is list price in cents, `switching` what leaving the incumbent costs. At a level a
    vendor sells for `least` or more, and `paid` of each cent is left to pay; the first level is
    that without a rebate.
    """

    problem: Problem
    line: Ints
    option: Ints
    amount: Floats
    switching: Floats
    least: Floats
    paid: Floats

    @property
    def lines(self) -> int:
        return len(self.problem.lines)

    @property
    def reachable(self) -> Bools:
        """Levels that a vendor reaches if it sells all it can."""
        found: Bools = self.least <= self.amount.sum(axis=1)[:, None]
        return found


@dataclass(frozen=True, slots=True)
class Look:
    """The relaxation at some prices of the lines.

    `worth[vendor, level]` is what the vendor's part costs at the level less the prices of what it
    sells; `level` the least of each vendor, and `sold` how often those sell each line.
    `bar[vendor]` is the ratio of price to amount from which that level sells a line.
    """

    bound: float
    worth: Floats
    level: Ints
    sold: Floats
    ratio: Floats
    bar: Floats


def levels_of(problem: Problem) -> Levels | None:
    """The round as levels of spend; None where anything else ties lines together."""
    if problem.split or not _only_spend_counts(problem):
        return None
    rows: list[list[tuple[int, int, int, int]]] = [[] for _ in problem.vendors]
    for line, options in enumerate(problem.options):
        for k, option in enumerate(options):
            amount = option.packs * problem.prices[option.offer][0]
            if not amount:
                return None
            rows[problem.vendor_of[option.offer]].append((line, k, amount, option.switching))
    width = max(map(len, rows))
    vendors = [vendor for vendor, row in enumerate(rows) if row]
    padded = np.array(
        [rows[vendor] + [(0, 0, 0, 0)] * (width - len(rows[vendor])) for vendor in vendors],
        dtype=np.int64,
    )
    least, paid = _thresholds(problem, vendors)
    return Levels(
        problem=problem,
        line=padded[:, :, 0],
        option=padded[:, :, 1],
        amount=padded[:, :, 2].astype(float),
        switching=padded[:, :, 3].astype(float),
        least=least,
        paid=paid,
    )


def _only_spend_counts(problem: Problem) -> bool:
    """No tiers, no limits, no terms of an order; lines meet in the spend with a vendor alone."""
    rules = problem.instance.rules
    return (
        any(vendor.spend_rebates for vendor in problem.instance.vendors)
        and rules.max_vendors is None
        and rules.max_vendors_per_practice is None
        and not rules.max_vendors_per_category
        and not rules.commitments
        and all(len(breaks) == 1 for breaks in problem.breaks)
        and all(offer.max_packs is None for offer in problem.offers)
        and all(
            not vendor.min_order and (not vendor.shipping.fee or vendor.shipping.free_from == 0)
            for vendor in problem.instance.vendors
        )
    )


def _thresholds(problem: Problem, vendors: list[int]) -> tuple[Floats, Floats]:
    terms = {vendor.id: vendor.spend_rebates for vendor in problem.instance.vendors}
    steps = [terms[problem.vendors[vendor]] for vendor in vendors]
    shape = len(vendors), 1 + max(map(len, steps))
    least, paid = np.full(shape, np.inf), np.ones(shape)
    least[:, 0] = 0.0
    for row, levels in enumerate(steps):
        for n, level in enumerate(levels, start=1):
            least[row, n] = level.from_spend
            paid[row, n] = 1.0 - level.rate / RATE_UNIT
    return least, paid


def look(levels: Levels, prices: Floats, allowed: Bools) -> Look:
    """The relaxation at these prices of the lines, every vendor at one of its allowed levels.

    `allowed[vendor]` has a reachable level at least. The bound is proven: no plan with such levels
    costs less.
    """
    ratio, ranked = _ranked(levels, prices)
    everyone, width = np.arange(len(ratio)), ratio.shape[1]
    row = everyone[:, None]
    # Lines that pay by themselves, and lines that it takes to fill the threshold: which are more?
    pays = (ranked.ratio[:, None, :] > levels.paid[:, :, None]).sum(axis=2)
    fills = (ranked.spend[:, None, 1:] < levels.least[:, :, None]).sum(axis=2)
    short = (fills >= pays) & (levels.least > 0) & (fills < width)
    upto = np.where(short, fills, pays)
    last = np.minimum(upto, width - 1)
    part = np.where(short, levels.least - ranked.spend[row, last], 0.0)
    gained = ranked.gain[row, upto] + part * ranked.ratio[row, last]
    worth = levels.paid * (ranked.spend[row, upto] + part) - gained
    worth = np.where(allowed, worth, np.inf)
    level = worth.argmin(axis=1)
    cut = everyone[short[everyone, level]]
    at = upto[cut, level[cut]]
    taken = (np.arange(width)[None, :] < upto[everyone, level][:, None]).astype(float)
    taken[cut, at] = part[cut, level[cut]] / ranked.amount[cut, at]
    bar = levels.paid[everyone, level]
    bar[cut] = ranked.ratio[cut, at]
    sold = np.zeros(levels.lines)
    np.add.at(sold, ranked.line.ravel(), taken.ravel())
    return Look(
        bound=float(prices.sum() + worth[everyone, level].sum()),
        worth=worth,
        level=np.asarray(level, dtype=np.int64),
        sold=sold,
        ratio=ratio,
        bar=bar,
    )


def levels_within(here: Look, below: float) -> Bools:
    """The levels of vendors that a plan costing `below` at most may have."""
    lift = here.worth - here.worth.min(axis=1, keepdims=True)
    within: Bools = here.bound + lift <= below
    return within


def purchases_within(levels: Levels, here: Look, below: float) -> tuple[Ints, Ints]:
    """What a plan costing `below` at most may buy if vendors have the levels of `here`: vendors and
    places in their rows.
    """
    rise = levels.amount * (here.bar[:, None] - here.ratio)
    vendor, place = np.nonzero((levels.amount > 0) & (here.bound + rise <= below))
    return np.asarray(vendor, dtype=np.int64), np.asarray(place, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What each vendor has, the best ratio of price to amount first; `spend` and `gain` are sums
    of none, the first, the first two, and so on.
    """

    line: Ints
    amount: Floats
    ratio: Floats
    spend: Floats
    gain: Floats


def _ranked(levels: Levels, prices: Floats) -> tuple[Floats, _Ranked]:
    gain = np.where(levels.amount > 0, prices[levels.line] - levels.switching, 0.0)
    ratio = np.where(levels.amount > 0, gain / np.maximum(levels.amount, 1.0), _NEVER)
    order = np.argsort(-ratio, axis=1)
    amounts = np.take_along_axis(levels.amount, order, axis=1)
    return ratio, _Ranked(
        line=np.take_along_axis(levels.line, order, axis=1),
        amount=amounts,
        ratio=np.take_along_axis(ratio, order, axis=1),
        spend=_from_zero(np.cumsum(amounts, axis=1)),
        gain=_from_zero(np.cumsum(np.take_along_axis(gain, order, axis=1), axis=1)),
    )


def _from_zero(sums: Floats) -> Floats:
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
