"""Columns of the purchasing model and the collector of its rows, all as index arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array

from hub.domain.purchasing.problem import Ints, Problem

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Uses:
    """The columns x, one entry each: a line buys `packs` of an offer at a tier.

    `amount` is what they cost, `goods` what the order counts for them: the same, but with
    incremental tiers. `most` is 1, or where lines may be split, how many times `packs` the line
    may buy there.
    """

    line: Ints
    option: Ints
    offer: Ints
    tier: Ints
    vendor: Ints
    practice: Ints
    packs: Ints
    amount: Ints
    goods: Ints
    switching: Ints
    most: Ints

    def __len__(self) -> int:
        return len(self.line)


class Builder:
    """Collects columns and blocks of rows as arrays."""

    def __init__(self, uses: Uses) -> None:
        self.cost = [(uses.amount + uses.switching).astype(float)]
        self.most = [uses.most.astype(float)]
        self.integral = [np.ones(len(uses), dtype=bool)]
        self.columns = len(uses)
        self.rows = 0
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []
        self.entries: list[tuple[Ints, Ints, Floats]] = []

    def add_columns(self, cost: Floats, *, integral: bool = True) -> Ints:
        """New columns in [0, 1]; gives their numbers."""
        count = len(cost)
        numbers = np.arange(self.columns, self.columns + count)
        self.cost.append(np.asarray(cost, dtype=float))
        self.most.append(np.ones(count))
        self.integral.append(np.full(count, integral))
        self.columns += count
        return numbers

    def add_rows(
        self,
        count: int,
        *terms: tuple[Ints, Ints, Floats | float],
        lower: float = -np.inf,
        upper: float = np.inf,
    ) -> None:
        """`count` rows with the same bounds; each term is (row from 0, column, coefficient)."""
        for row, column, value in terms:
            values = np.broadcast_to(np.asarray(value, dtype=float), row.shape)
            self.entries.append((row + self.rows, column, values))
        self.rows += count
        self.lower.append(np.full(count, lower))
        self.upper.append(np.full(count, upper))

    def matrix(self) -> csc_array:
        row, column, value = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        return coo_array((value, (row, column)), shape=(self.rows, self.columns)).tocsc()


def uses_of(problem: Problem) -> Uses:
    """Every line at every option and every tier that the line alone does not overshoot."""
    rows = [
        (line, k, option.offer, option.packs, option.switching)
        for line, options in enumerate(problem.options)
        for k, option in enumerate(options)
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    tiers = np.array([len(prices) for prices in problem.prices], dtype=np.int64)
    start = np.concatenate(([0], np.cumsum(tiers)[:-1])).astype(np.int64)
    price = np.array([price for prices in problem.prices for price in prices], dtype=np.int64)
    repeats = tiers[table[:, 2]]
    line, option, offer, packs, switching = np.repeat(table, repeats, axis=0).T
    tier = np.arange(len(line)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    place = start[offer] + tier
    step = np.array([o.multiple if problem.split else 0 for o in problem.offers], dtype=np.int64)
    widest = _largest_packs(problem)[place]
    whole = packs if not problem.split else step[offer]
    most = np.minimum(packs, widest) // np.maximum(whole, 1)
    keep = most > 0  # a line too big for a tier lifts the offer above it
    line, option, offer, tier, place, whole, most, switching = (
        part[keep] for part in (line, option, offer, tier, place, whole, most, switching)
    )
    listed = np.array([o.incremental for o in problem.offers], dtype=bool)[offer]
    return Uses(
        line=line,
        option=option,
        offer=offer,
        tier=tier,
        vendor=np.array(problem.vendor_of, dtype=np.int64)[offer],
        practice=np.array(problem.practice_of, dtype=np.int64)[line],
        packs=whole,
        amount=whole * price[place],
        goods=whole * price[np.where(listed, start[offer], place)],
        switching=np.zeros_like(switching) if problem.split else switching,
        most=most,
    )


def _largest_packs(problem: Problem) -> Ints:
    """The most pooled packs at which each tier of each offer holds."""
    return np.array(
        [
            cap
            for breaks, limit in zip(problem.breaks, problem.reachable, strict=True)
            for cap in (*(after - 1 for after in breaks[1:]), limit)
        ],
        dtype=np.int64,
    )
