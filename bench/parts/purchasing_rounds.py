"""Generated purchasing rounds with fixed seeds, for the bench."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Shipping,
    SpendRebate,
    Tier,
    Vendor,
)


@dataclass(frozen=True)
class Family:
    """Size of an instance, its time limit, and goals: first award (s), memory (GB), proven gaps
    (s).
    """

    practices: int
    items: int
    vendors: int
    lines: int
    seconds: float
    first: float
    memory: float
    goals: tuple[tuple[float, float], ...]


FAMILIES = {
    "S": Family(20, 200, 5, 60, 20.0, 0.2, 0.5, ((0.01, 1.0), (0.0025, 2.0), (0.001, 10.0))),
    "M": Family(100, 2000, 20, 80, 120.0, 1.0, 2.0, ((0.01, 10.0), (0.0025, 60.0), (0.001, 600.0))),
    "L": Family(300, 10_000, 40, 120, 600.0, 10.0, 8.0, ((0.01, 300.0), (0.0025, 1_800.0))),
}

SHAPES = ((10, 20, 3), (10, 50, 3), (20, 50, 5), (20, 100, 5))
"""Suppliers, goods, intervals as in Goossens et al. 2007."""

LARGER_SHAPES = ((50, 100, 5),)
"""The largest published; an optimum within the minute is not promised."""

PACKS = (1, 10, 25, 50, 100, 200, 500, 1000)


def generate(family: Family, seed: int) -> Instance:
    """A random round: lognormal sizes and prices, power-law items, two broad vendors."""
    rng = np.random.default_rng(seed)
    categories = [f"c{n:02d}" for n in range(max(8, family.items // 25))]
    category = rng.integers(len(categories), size=family.items)
    unit_price = np.exp(rng.normal(np.log(0.40), 1.1, family.items))
    popular = (1.0 + np.arange(family.items)) ** -0.6
    rng.shuffle(popular)
    demand = []
    for practice in range(family.practices):
        size = np.exp(rng.normal(0, 0.5))
        mean = family.lines * 0.95
        count = int(min(family.items, max(5, rng.normal(mean, mean * 0.2))))
        picked = rng.choice(family.items, count, replace=False, p=popular / popular.sum())
        value = 25 * size * np.exp(rng.normal(0, 0.8, count))
        for item, worth in zip(picked, value, strict=True):
            units = max(1, int(worth / unit_price[item]))
            demand.append(Demand(f"p{practice:03d}", f"i{item:05d}", units))
    pooled = np.zeros(family.items)
    for line in demand:
        pooled[int(line.item[1:])] += line.units
    offers = _offers(rng, family, category, unit_price, pooled, len(categories))
    spend = float((pooled * unit_price).sum()) * 100 / family.vendors
    return Instance(
        practices=tuple(Practice(f"p{n:03d}") for n in range(family.practices)),
        items=tuple(Item(f"i{n:05d}", categories[c]) for n, c in enumerate(category)),
        demand=tuple(demand),
        vendors=tuple(_vendor(rng, n, spend) for n in range(family.vendors)),
        offers=offers,
        limits=Limits(family.seconds, 1_000),
    )


def _vendor(rng: np.random.Generator, number: int, spend: float) -> Vendor:
    fee = int(rng.integers(12, 26)) * 100
    free_from = int(rng.integers(150, 501)) * 100
    least = int(rng.integers(25, 101)) * 100 if rng.random() < 0.4 else 0
    levels: tuple[SpendRebate, ...] = ()
    if rng.random() < 0.7:
        levels = tuple(
            SpendRebate(int(part * spend), rate)
            for part, rate in ((0.6, 10_000), (1.2, 20_000), (2.2, 35_000))
        )
    return Vendor(f"v{number:02d}", least, Shipping(fee, free_from), levels)


def _offers(
    rng: np.random.Generator,
    family: Family,
    category: np.ndarray,
    unit_price: np.ndarray,
    pooled: np.ndarray,
    categories: int,
) -> tuple[Offer, ...]:
    offers = []
    size = rng.choice(PACKS, family.items)
    for vendor in range(family.vendors):
        broad = vendor < 2
        width = categories if broad else max(1, round(categories * rng.uniform(0.06, 0.25)))
        chosen = set(rng.choice(categories, width, replace=False).tolist())
        for item in range(family.items):
            if category[item] not in chosen or (broad and vendor and rng.random() < 0.1):
                continue
            pack = max(1, int(size[item] * rng.choice((0.5, 1, 1, 2))))
            level = rng.normal(1.0, 0.06) * (1.0 if broad else 0.97)
            base = max(0.01, unit_price[item] * level) * pack * 100
            need = pooled[item] / pack
            tiers = {0: max(1, round(base))}
            for part, off in tuple(zip((0.1, 0.3, 0.65), (0.03, 0.065, 0.11), strict=True))[
                : int(rng.integers(0, 4))
            ]:
                least = int(need * part * rng.uniform(0.8, 1.2))
                price = max(1, round(base * (1 - off)))
                if least > max(tiers) and price < min(tiers.values()):
                    tiers[least] = price
            rows = tuple(Tier(least, price) for least, price in tiers.items())
            offers.append(Offer(f"v{vendor:02d}", f"i{item:05d}", pack, rows))
    return tuple(offers)


def total_quantity_discount(suppliers: int, goods: int, intervals: int, seed: int) -> Instance:
    """One buyer; every supplier sells every good, cheaper by intervals of what it sells in all."""
    rng = np.random.default_rng(seed)
    base = rng.integers(500, 5_000, goods)
    units = rng.integers(5, 50, goods)
    spend = int((base * units).sum()) // suppliers
    rates = tuple(
        SpendRebate(int(spend * (0.5 + level)), 20_000 * level) for level in range(1, intervals)
    )
    return Instance(
        practices=(Practice("p"),),
        items=tuple(Item(f"i{n:03d}") for n in range(goods)),
        demand=tuple(Demand("p", f"i{n:03d}", int(units[n])) for n in range(goods)),
        vendors=tuple(Vendor(f"v{n:02d}", spend_rebates=rates) for n in range(suppliers)),
        offers=tuple(
            Offer(f"v{v:02d}", f"i{n:03d}", 1, (Tier(0, int(base[n] * rng.uniform(0.9, 1.1))),))
            for v in range(suppliers)
            for n in range(goods)
        ),
        limits=Limits(60.0, 0),
    )
