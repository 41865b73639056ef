"""Solving purchasing rounds and scenarios outside any transaction, in a process of their own.

The child reports how far it is. Progress is published with the job; the best choices are kept, so
that a solve that was stopped goes on from them. What becomes of a round or scenario whose job ends
without a plan: `hub/services/ended.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.domain.agreements import unrestricted_scope
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.plan import Plan
from hub.services import plans, problems, scenarios
from hub.storage import scenarios as store
from jobs.children import run_telling
from jobs.context import RunningJob

if TYPE_CHECKING:
    from hub.domain.purchasing.solve import Progress

GAP_MILLIONTHS = 100
MILLION = 1_000_000
REPORT_SECONDS = 1.0
PUBLISH_SECONDS = 2.0
_SCOPE = unrestricted_scope("purchasing round")
_PHASES = {"greedy": 1, "local_search": 2, "alone": 3, "solver": 4, "explain": 5}
Choices = Mapping[tuple[str, str], tuple[str, str]]


def solve_round(job: RunningJob) -> None:
    """Read demand and offers, solve, store the plan with its proof."""
    context, round_id = job.context, str(job.args["round_id"])
    with context.database.read(_SCOPE) as session:
        problem = problems.load_problem(
            session,
            round_id=round_id,
            on=context.now().date(),
            seconds=context.settings.purchasing_seconds,
            gap=GAP_MILLIONTHS,
        )
        digest = problems.demand_digest(problem.instance)
        start = store.checkpoint(session, round_id, digest)
    plan = _solved(job, problem.instance, start, round_id)
    job.finish(
        _SCOPE,
        lambda session: plans.save_plan(
            session, round_id=round_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def solve_scenario(job: RunningJob) -> None:
    """Solve a what-if over a round's locked demand, beginning from the round's plan."""
    context, scenario_id = job.context, str(job.args["scenario_id"])
    with context.database.read(_SCOPE) as session:
        problem, start = scenarios.load_scenario(
            session,
            scenario_id=scenario_id,
            on=context.now().date(),
            seconds=context.settings.purchasing_seconds,
            gap=GAP_MILLIONTHS,
        )
    plan = _solved(job, problem.instance, start, scenario_id)
    job.finish(
        _SCOPE,
        lambda session: scenarios.save_scenario(
            session, scenario_id=scenario_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def _solved(job: RunningJob, instance: Instance, start: Choices | None, subject: str) -> Plan:
    told = _Told(job, subject, problems.demand_digest(instance))
    megabytes = job.context.settings.purchasing_megabytes
    try:
        return run_telling(job, solve_telling, (instance, start), told, megabytes=megabytes)
    finally:  # also of a killed child, a time limit, a cancellation: the best plan stays
        told.publish()


def solve_telling(
    problem: tuple[Instance, Choices | None], tell: Callable[[Progress], None]
) -> Plan:
    """Solve in the child: a report each second, and at once when a better plan is found."""
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        moment = time.monotonic()
        if progress.choices is not None or moment - last >= REPORT_SECONDS:
            last = moment
            tell(progress)

    instance, start = problem
    # Here: the solver and its numbers take memory that no other process needs.
    from hub.domain.purchasing.solve import solve

    return solve(instance, report, start=start)


@dataclass(slots=True)
class _Told:
    """Publishes progress and keeps the best choices, each at most every two seconds.

    Published are phase, seconds, the gap, and the best plan and the bound as parts of the first
    plan's cost. Amounts obey the small-group rule, which a job knows nothing of; they come with the
    plan.
    """

    job: RunningJob
    subject: str
    digest: str
    latest: Progress | None = None
    best: Choices | None = None
    saved: Choices | None = None
    first_cost: int | None = None
    last: float = field(default_factory=lambda: -PUBLISH_SECONDS)

    def __call__(self, progress: Progress) -> None:
        self.latest, self.best = progress, progress.choices or self.best
        self.first_cost = self.first_cost or progress.cost
        if time.monotonic() - self.last >= PUBLISH_SECONDS:
            self.publish()

    def publish(self) -> None:
        """Write the latest report, and the best choices if they are not yet."""
        self.last, latest, best = time.monotonic(), self.latest, self.best
        if latest is not None:
            counts = {"phase": _PHASES[latest.phase], "seconds": int(latest.seconds)}
            if latest.cost and latest.lower_bound is not None and self.first_cost:
                missing = latest.cost - latest.lower_bound
                counts["gap_millionths"] = missing * MILLION // latest.cost
                counts["cost_millionths"] = latest.cost * MILLION // self.first_cost
                counts["lower_bound_millionths"] = latest.lower_bound * MILLION // self.first_cost
            self.job.progress(**counts)
        if best is not None and best is not self.saved:
            self.saved, now = best, self.job.context.now()
            self.job.transaction(
                _SCOPE,
                lambda session: store.save_checkpoint(
                    session, self.subject, self.digest, best, now
                ),
            )


def release_orders(job: RunningJob) -> None:
    """Release the orders of a round if every practice has approved."""
    context, round_id = job.context, str(job.args["round_id"])
    job.finish(
        _SCOPE,
        lambda session: plans.release_orders(session, round_id=round_id, now=context.now()),
    )
