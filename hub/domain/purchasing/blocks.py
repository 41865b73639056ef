"""The rows of the purchasing model, block by block: tiers, orders, vendor counts, commitments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hub.domain.purchasing.columns import Bools, Builder, Floats, Uses
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.problem import Ints, Problem


def tiers(builder: Builder, problem: Problem, uses: Uses) -> dict[tuple[int, int], int]:
    """At most one tier of an offer holds, and pooled packs lie within it.

    The first tier needs no column: it holds when no other does. An incremental tier costs what
    the packs before it cost more than at its price.
    """
    keys = [(o, t) for o, breaks in enumerate(problem.breaks) for t in range(1, len(breaks))]
    if not keys:
        return {}
    columns = builder.add_columns(tier_costs(problem))
    widest = max(map(len, problem.breaks))
    lookup = np.full((len(problem.breaks), widest), -1, dtype=np.int64)
    least = np.ones((len(problem.breaks), widest))
    most = np.full((len(problem.breaks), widest), np.inf)
    for (offer, tier), column in zip(keys, columns, strict=True):
        lookup[offer, tier] = column
        least[offer, tier] = problem.breaks[offer][tier]
        most[offer, tier - 1] = max(1, problem.breaks[offer][tier] - 1)
    y, x = lookup[uses.offer, uses.tier], np.arange(len(uses))
    upper = uses.tier > 0
    count = int(upper.sum())
    link = np.arange(count)
    builder.add_rows(
        count, (link, x[upper], 1.0), (link, y[upper], -uses.most[upper].astype(float)), upper=0.0
    )
    base = columns[0]
    reach = uses.packs / least[uses.offer, uses.tier]
    own = np.arange(len(keys))
    builder.add_rows(
        len(keys), (y[upper] - base, x[upper], reach[upper]), (own, columns, -1.0), lower=0.0
    )
    _tier_caps(builder, np.array(keys, dtype=np.int64), columns, most, uses)
    return dict(zip(keys, columns.tolist(), strict=True))


def tier_costs(problem: Problem) -> Floats:
    """Per (offer, tier from the second on): its fixed cost; 0 with all-units tiers."""
    costs = [cost for offer in range(len(problem.offers)) for cost in tier_costs_of(problem, offer)]
    return np.array(costs, dtype=float)


def tier_costs_of(problem: Problem, offer: int) -> list[int]:
    """The fixed cost of each tier of the offer from the second on."""
    breaks, prices, fixed, costs = problem.breaks[offer], problem.prices[offer], 0, []
    for tier in range(1, len(breaks)):
        if problem.offers[offer].incremental:
            fixed += (prices[tier - 1] - prices[tier]) * max(0, breaks[tier] - 1)
        costs.append(fixed)
    return costs


def _tier_caps(builder: Builder, keys: Ints, columns: Ints, most: Floats, uses: Uses) -> None:
    """Pooled packs stay below the next tier's break; with this the price is the invoiced one."""
    x = np.arange(len(uses))
    within = most[uses.offer, uses.tier]
    first = (uses.tier == 0) & np.isfinite(within)
    builder.add_rows(
        len(most),
        (uses.offer[first], x[first], uses.packs[first] / within[first]),
        (keys[:, 0], columns, 1.0),
        upper=1.0,
    )
    capped = np.isfinite(most[keys[:, 0], keys[:, 1]])
    row = np.full(most.shape, -1, dtype=np.int64)
    row[keys[capped, 0], keys[capped, 1]] = np.arange(int(capped.sum()))
    inner = (uses.tier > 0) & np.isfinite(within)
    builder.add_rows(
        int(capped.sum()),
        (row[uses.offer[inner], uses.tier[inner]], x[inner], uses.packs[inner] / within[inner]),
        (np.arange(int(capped.sum())), columns[capped], -1.0),
        upper=0.0,
    )


def pack_limits(builder: Builder, problem: Problem, uses: Uses) -> None:
    limits = np.array([np.inf if o.max_packs is None else o.max_packs for o in problem.offers])
    x = np.flatnonzero(np.isfinite(limits[uses.offer])) if len(limits) else np.arange(0)
    share = uses.packs[x] / limits[uses.offer[x]]
    builder.add_rows(len(limits), (uses.offer[x], x, share), upper=1.0)


def _bought(builder: Builder, uses: Uses, among: Bools, used: Ints, *, split: bool) -> None:
    """Whatever a line buys of a vendor, the column `used` of each x among these is 1.

    Of a line bought whole, at most one x is 1; one that is `split` may take all it can.
    """
    count, row, x, first = _by_line(uses, among)
    size = np.bincount(row, uses.most[x], count).astype(float) if split else np.ones(count)
    builder.add_rows(count, (row, x, 1.0), (np.arange(count), used[first], -size), upper=0.0)


def _by_line(uses: Uses, among: Bools) -> tuple[int, Ints, Ints, Ints]:
    """Group columns by (line, vendor): number of groups, row and column of each, first column."""
    x = np.flatnonzero(among)
    width = int(uses.vendor.max(initial=0)) + 1
    keys = uses.line[x] * width + uses.vendor[x]
    _, first, row = np.unique(keys, return_index=True, return_inverse=True)
    return len(first), row.astype(np.int64), x, x[first]


@dataclass(frozen=True, slots=True)
class OrderColumns:
    """Columns per (practice, vendor), −1 where the pair needs none: an order is opened, its
    freight is free.

    `counted[x]` is the column of what counts towards free freight when x is bought, `part[x]` its
    value then; −1 where there is none.
    """

    opened: Ints
    free: Ints
    counted: Ints
    part: Floats


def orders(builder: Builder, problem: Problem, uses: Uses) -> OrderColumns:
    """Orders opened, minimum orders, fees and free freight."""
    terms = {vendor.id: vendor for vendor in problem.instance.vendors}
    vendors = [terms[key] for key in problem.vendors]
    width, pairs = len(vendors), uses.practice * len(vendors) + uses.vendor
    total = len(problem.practices) * width
    fee = np.array([v.shipping.fee if v.shipping.free_from != 0 else 0 for v in vendors])
    least = np.array([v.min_order for v in vendors], dtype=float)
    free_from = np.array(
        [np.inf if v.shipping.free_from is None else v.shipping.free_from for v in vendors]
    )
    counted = problem.instance.rules.max_vendors_per_practice is not None
    order, counted_at = np.full(total, -1, dtype=np.int64), np.full(len(uses), -1, dtype=np.int64)
    free, part = order.copy(), np.zeros(len(uses))
    if not len(uses):
        return OrderColumns(order, free, counted_at, part)
    needed = np.unique(pairs[(fee > 0)[uses.vendor] | (least > 0)[uses.vendor] | counted])
    order[needed] = builder.add_columns(fee[needed % width])
    _bought(builder, uses, order[pairs] >= 0, order[pairs], split=problem.split)
    _goods_reach(builder, uses, pairs, order, np.tile(least, len(problem.practices)))
    waived = needed[np.isfinite(free_from[needed % width]) & (fee[needed % width] > 0)]
    free[waived] = builder.add_columns(-fee[waived % width].astype(float))
    own = np.arange(len(waived))
    builder.add_rows(len(waived), (own, free[waived], 1.0), (own, order[waived], -1.0), upper=0.0)
    if problem.split:
        _goods_reach(builder, uses, pairs, free, np.tile(free_from, len(problem.practices)))
    elif len(waived):
        counted_at, part = _free_goods(builder, uses, free[pairs], free_from)
    return OrderColumns(order, free, counted_at, part)


def _free_goods(builder: Builder, uses: Uses, free: Ints, threshold: Floats) -> tuple[Ints, Floats]:
    """Where freight is free, the goods counted for it reach the threshold.

    No line counts for more than it buys, nor for more than the freight is free. (Without the
    second a single large line would make the freight of a small order partly free.)
    """
    among = free >= 0
    count, row, x, first = _by_line(uses, among)
    limit = threshold[uses.vendor[x]]
    goods = np.minimum(uses.goods[x], limit)
    most = np.ones(count)
    np.maximum.at(most, row, goods)
    columns = builder.add_columns(np.zeros(count), integral=False)
    own = np.arange(count)
    builder.add_rows(count, (own, columns, 1.0), (row, x, -goods / most[row]), upper=0.0)
    builder.add_rows(count, (own, columns, 1.0), (own, free[first], -1.0), upper=0.0)
    pairs, pair = np.unique(free[first], return_inverse=True)
    each = np.arange(len(pairs))
    builder.add_rows(
        len(pairs),
        (pair, columns, most / threshold[uses.vendor[first]]),
        (each, pairs, -1.0),
        lower=0.0,
    )
    counted, part = np.full(len(uses), -1, dtype=np.int64), np.zeros(len(uses))
    counted[x], part[x] = columns[row], goods / most[row]
    return counted, part


def _goods_reach(
    builder: Builder, uses: Uses, pairs: Ints, columns: Ints, threshold: Floats
) -> None:
    """Where a pair's column is 1, its goods reach the threshold (no x counts for more)."""
    among = np.flatnonzero((columns >= 0) & (threshold > 0))
    row = np.full(len(columns), -1, dtype=np.int64)
    row[among] = np.arange(len(among))
    x = np.flatnonzero(row[pairs] >= 0)
    part = uses.goods[x] / threshold[pairs[x]]
    part = np.where(uses.most[x] == 1, np.minimum(part, 1.0), part)
    builder.add_rows(
        len(among),
        (row[pairs[x]], x, part),
        (np.arange(len(among)), columns[among], -1.0),
        lower=0.0,
    )


def counts(
    builder: Builder, problem: Problem, uses: Uses, order: Ints
) -> tuple[Ints, dict[tuple[int, int], int]]:
    """Limits on the number of vendors: of the round, of a practice, of a category."""
    rules, width = problem.instance.rules, len(problem.vendors)
    vendor = np.full(width, -1, dtype=np.int64)
    if rules.max_vendors is not None:
        vendor = _limit(builder, problem, uses, np.ones(len(uses), dtype=bool), rules.max_vendors)
    if rules.max_vendors_per_practice is not None:
        pairs = np.flatnonzero(order >= 0)
        limit = float(rules.max_vendors_per_practice)
        builder.add_rows(len(problem.practices), (pairs // width, order[pairs], 1.0), upper=limit)
    category: dict[tuple[int, int], int] = {}
    of_line = np.array(problem.category_of, dtype=np.int64)
    for name, most in rules.max_vendors_per_category:
        number = problem.categories.index(name)
        columns = _limit(builder, problem, uses, of_line[uses.line] == number, most)
        category.update({(number, n): int(c) for n, c in enumerate(columns)})
    return vendor, category


def _limit(builder: Builder, problem: Problem, uses: Uses, among: Bools, most: int) -> Ints:
    """Columns "vendor is used among these", at most `most` of them 1."""
    width = len(problem.vendors)
    columns = builder.add_columns(np.zeros(width))
    _bought(builder, uses, among, columns[uses.vendor], split=problem.split)
    builder.add_rows(1, (np.zeros(width, dtype=np.int64), columns, 1.0), upper=float(most))
    return columns


def commitments(builder: Builder, problem: Problem, uses: Uses) -> None:
    of_line = np.array(problem.category_of, dtype=np.int64)
    for promise in problem.instance.rules.commitments:
        number = problem.categories.index(promise.category)
        vendor = problem.vendors.index(promise.vendor)
        x = np.flatnonzero(of_line[uses.line] == number) if len(uses) else np.arange(0)
        weight = (uses.vendor[x] == vendor) - promise.share / RATE_UNIT
        value = uses.goods[x] * weight
        scale = float(np.abs(value).max(initial=1.0))
        builder.add_rows(1, (np.zeros(len(x), dtype=np.int64), x, value / scale), lower=0.0)
