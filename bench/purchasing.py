"""Group purchasing on generated families: proven gap, time, and cost beside simpler ways to buy.

Run `python bench/purchasing.py [--family S|M] [--seeds 1,2,3] [--seconds N] [--json]`. Every
figure is measured in this run; with --json the last line is {"claims": [...]}.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

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
from hub.domain.purchasing.plan import Plan
from hub.domain.purchasing.solve import Progress, solve


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
}

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


@dataclass
class Measured:
    """One solve and when which gap was proven (inf: not within the limit)."""

    plan: Plan
    lines: int
    first: float
    proven: dict[float, float]


def measure(instance: Instance, goals: tuple[tuple[float, float], ...]) -> Measured:
    """Solve, baselines and shares included, noting when each gap was first proven."""
    proven = {gap: float("inf") for gap, _ in goals}
    first = float("inf")

    def hear(told: Progress) -> None:
        nonlocal first
        if told.cost is not None:
            first = min(first, told.seconds)
        if told.cost and told.lower_bound is not None:
            for gap in proven:
                if told.cost - told.lower_bound <= gap * told.cost:
                    proven[gap] = min(proven[gap], told.seconds)

    began = time.perf_counter()
    plan = solve(instance, hear)
    ended = time.perf_counter() - began
    for gap in proven:
        if plan.gap is not None and plan.gap <= gap:
            proven[gap] = min(proven[gap], ended)
    return Measured(plan, len(instance.demand), first, proven)


def claims(name: str, family: Family, runs: list[Measured]) -> list[dict]:
    """Times as medians over the seeds, ratios and memory as the worst, each beside its goal."""
    found = [
        _claim(
            f"{name}: seconds to the first award", _median(r.first for r in runs), "s", family.first
        )
    ]
    for gap, goal in family.goals:
        value = _median(run.proven[gap] for run in runs)
        found.append(_claim(f"{name}: seconds to a proven gap of {gap:.2%}", value, "s", goal))
    for peer in ("alone", "greedy", "local_search"):
        ratios = [
            run.plan.cost / cost
            for run in runs
            if run.plan.cost and (cost := getattr(run.plan.baselines, peer))
        ]
        if ratios:
            found.append(_claim(f"{name}: cost / {peer}", max(ratios), "ratio", 1.0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    found.append(_claim(f"{name}: peak memory", peak, "GB", family.memory))
    return found


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _claim(claim: str, value: float, unit: str, goal: float) -> dict:
    shown = round(value, 5) if value != float("inf") else None
    return {"claim": claim, "value": shown, "unit": unit, "goal": goal, "ok": value <= goal}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=sorted(FAMILIES), action="append")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: list[dict] = []
    for name in args.family or ["S"]:
        family, runs = FAMILIES[name], []
        for seed in map(int, args.seeds.split(",")):
            instance = generate(family, seed)
            if args.seconds:
                limits = replace(instance.limits, seconds=args.seconds)
                instance = replace(instance, limits=limits)
            run = measure(instance, family.goals)
            runs.append(run)
            plan = run.plan
            print(
                f"{name} seed {seed}: {run.lines} lines, {plan.status}, cost {plan.cost}, "
                f"bound {plan.lower_bound}, gap {plan.gap:.4%}, {plan.seconds:.1f} s, "
                f"first {run.first:.2f} s, baselines {plan.baselines}",
                file=sys.stderr if args.json else sys.stdout,
            )
        found += claims(name, family, runs)
    for claim in found:
        if not args.json:
            print(f"{claim['claim']}: {claim['value']} {claim['unit']} (goal {claim['goal']})")
    if args.json:
        print(json.dumps({"claims": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
