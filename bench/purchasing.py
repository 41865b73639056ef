"""Group purchasing on generated families: proven gap, time, and cost beside simpler ways to buy.

Run `python bench/purchasing.py [--family S|M|L] [--full] [--seeds 1,2,3] [--seconds N] [--json]`.
Without a family: S, the shapes of the literature, the model's build and the shares; with --full
also M and L. Every figure is measured in this run; with --json the last line is {"claims": [...]}.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.parts.claims import Claims, at_most, shown, tell
from bench.parts.purchasing_rounds import (
    FAMILIES,
    LARGER_SHAPES,
    SHAPES,
    Family,
    generate,
    total_quantity_discount,
)
from hub.domain.purchasing.baseline import one_by_one
from hub.domain.purchasing.instance import Instance, Sharing
from hub.domain.purchasing.model import build
from hub.domain.purchasing.plan import Plan
from hub.domain.purchasing.pricing import reprice
from hub.domain.purchasing.problem import compile_instance
from hub.domain.purchasing.search import greedy
from hub.domain.purchasing.shares import share_out
from hub.domain.purchasing.solve import Progress, solve

_ROUNDING = 1e-5
"""Each rebate is rounded down to the cent; no plan need exist that saves what that costs."""


@dataclass(frozen=True)
class Moment:
    """Since the solve began: seconds by the clock, and of the processor (inf: never)."""

    wall: float = float("inf")
    processor: float = float("inf")


@dataclass
class Measured:
    """One solve, when it had its first award, and when which gap was proven."""

    plan: Plan
    lines: int
    first: Moment
    proven: dict[float, Moment]


def measure(instance: Instance, goals: tuple[tuple[float, float], ...]) -> Measured:
    """Solve, baselines and shares included, noting when each gap was first proven."""
    proven = {gap: Moment() for gap, _ in goals}
    first, began, used = Moment(), time.perf_counter(), time.process_time()

    def hear(told: Progress | Plan) -> None:
        nonlocal first
        now = Moment(time.perf_counter() - began, time.process_time() - used)
        if told.cost is not None:
            first = min(first, now, key=lambda moment: moment.wall)
        for gap in proven:
            if told.cost and told.cost - (told.lower_bound or 0) <= gap * told.cost:
                proven[gap] = min(proven[gap], now, key=lambda moment: moment.wall)

    plan = solve(instance, hear)
    hear(plan)
    return Measured(plan, len(instance.demand), first, proven)


def claims(name: str, family: Family, runs: list[Measured]) -> Claims:
    """Times as medians over the seeds, ratios and memory as the worst, each beside its goal."""
    found = _times(f"{name}: %s to the first award", [run.first for run in runs], family.first)
    for gap, goal in family.goals:
        moments = [run.proven[gap] for run in runs]
        found += _times(f"{name}: %s to a proven gap of {100 * gap:g} percent", moments, goal)
    for peer in ("alone", "greedy", "local_search"):
        ratios = [
            run.plan.cost / cost
            for run in runs
            if run.plan.cost and (cost := getattr(run.plan.baselines, peer))
        ]
        if ratios:
            found.append(at_most(f"{name}: cost / {peer}", max(ratios), 1.0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    found.append(at_most(f"{name}: peak memory", peak, family.memory, "GB"))
    return found


def _times(claim: str, moments: Sequence[Moment], goal: float) -> Claims:
    """Medians by the clock and of the processor; on a busy machine the latter says more."""
    wall = statistics.median(moment.wall for moment in moments)
    processor = statistics.median(moment.processor for moment in moments)
    return [
        at_most(claim % "seconds", wall, goal, "s"),
        at_most(claim % "processor seconds", processor, goal, "s"),
    ]


def quantity_discounts() -> Claims:
    """Seconds to the proven optimum, baselines included, the worst of three seeds."""
    found = []
    for shape in SHAPES + LARGER_SHAPES:
        plans, used = [], []
        for seed in (1, 2, 3):
            began = time.process_time()
            plans.append(solve(total_quantity_discount(*shape, seed)))
            used.append(time.process_time() - began)
        proven = all(plan.status == "optimal" for plan in plans)
        seconds = max(plan.seconds for plan in plans) if proven else float("inf")
        processor = max(used) if proven else float("inf")
        name = f"total quantity discount {'x'.join(map(str, shape))}"
        gap = max(plan.gap or 0.0 for plan in plans)
        text = f"{name}: gap"
        found.append(shown(text, gap) if shape in LARGER_SHAPES else at_most(text, gap, _ROUNDING))
        found.append(shown(f"{name}: seconds to the optimum", seconds, "s"))
        found.append(shown(f"{name}: processor seconds to the optimum", processor, "s"))
        ratios = [plan.cost / plan.baselines.local_search for plan in plans if plan.cost]
        found.append(at_most(f"{name}: cost / local_search", max(ratios), 1.0))
    return found


def parts() -> Claims:
    """The model's build, and shares of a large round, apart from any solve."""
    problem = compile_instance(generate(FAMILIES["M"], 1))
    began = time.perf_counter()
    size = build(problem).matrix.nnz
    million = (time.perf_counter() - began) * 1_000_000 / size
    found = [at_most("model build, seconds a million non-zeros", million, 1.0, "s")]
    wide = replace(FAMILIES["L"], items=1_000, lines=40)
    instance = generate(wide, 1)
    priced = reprice(instance, _cheapest(instance))
    alone = {practice: reprice(one, _cheapest(one)).cost for practice, one in one_by_one(instance)}
    for rule in ("standalone", "volume", "shapley"):
        sharing = Sharing(rule, sample=True)
        began = time.perf_counter()
        _, sampled = share_out(replace(instance, sharing=sharing), priced, alone)
        seconds = time.perf_counter() - began
        found.append(at_most(f"shares of 300 practices, {rule}, seconds", seconds, 10.0, "s"))
        if sampled and sampled.orders:
            error = sampled.error / (priced.invoiced / 300)
            found.append(shown("largest standard error / mean share", error))
    return found


def _cheapest(instance: Instance) -> dict:
    state = greedy(compile_instance(instance))
    return state.problem.choices(state.chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=sorted(FAMILIES), action="append")
    parser.add_argument("--full", action="store_true", help="all families, for an hour or so")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: Claims = []
    if not args.family:
        found += quantity_discounts() + parts()
    for name in args.family or (list(FAMILIES) if args.full else ["S"]):
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
                f"bound {plan.lower_bound}, gap {plan.gap or 0:.4%}, {plan.seconds:.1f} s, "
                f"first {run.first.wall:.2f} s, baselines {plan.baselines}"
            )
        found += claims(name, family, runs)
    tell(found, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
