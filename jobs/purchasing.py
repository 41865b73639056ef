"""Solving purchasing rounds and scenarios outside any transaction, in a process of their own.

The child reports how far it is. Progress is published with the job; the best choices are kept, so
that a solve that was stopped goes on from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.domain.agreements import unrestricted_scope
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.plan import Plan
from hub.errors import Cancelled, DeadlineNear, Rejected
from hub.services import plans, rounds, scenarios
from hub.storage import scenarios as store
from jobs.children import run_telling
from jobs.context import RunningJob

if TYPE_CHECKING:
    from hub.domain.purchasing.solve import Progress

GAP_MILLIONTHS = 100
REPORT_SECONDS = 1.0
PUBLISH_SECONDS = 2.0
_SCOPE = unrestricted_scope("purchasing round")
_PHASES = {"greedy": 1, "local_search": 2, "alone": 3, "solver": 4, "explain": 5}
Choices = Mapping[tuple[str, str], tuple[str, str]]


def solve_round(job: RunningJob) -> None:
    """Read demand and offers, solve, store the plan with its proof."""
    context, round_id = job.context, str(job.args["round_id"])
    try:
        with context.database.read(_SCOPE) as session:
            problem = plans.load_problem(
                session,
                round_id=round_id,
                on=context.now().date(),
                seconds=context.settings.purchasing_seconds,
                gap=GAP_MILLIONTHS,
            )
            digest = plans.demand_digest(problem.instance)
            start = store.checkpoint(session, round_id, digest)
        plan = _solved(job, problem.instance, start, round_id)
    except (Cancelled, Rejected) as error:
        why = str(error)
        job.transaction(
            _SCOPE,
            lambda session: rounds.stop_solving(
                session, round_id=round_id, why=why, now=context.now()
            ),
        )
        raise
    job.finish(
        _SCOPE,
        lambda session: plans.save_plan(
            session, round_id=round_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def solve_scenario(job: RunningJob) -> None:
    """Solve a what-if over a round's locked demand, beginning from the round's plan."""
    context, scenario_id = job.context, str(job.args["scenario_id"])
    try:
        with context.database.read(_SCOPE) as session:
            problem, start = scenarios.load_scenario(
                session,
                scenario_id=scenario_id,
                on=context.now().date(),
                seconds=context.settings.purchasing_seconds,
                gap=GAP_MILLIONTHS,
            )
        plan = _solved(job, problem.instance, start, scenario_id)
    except (Cancelled, Rejected) as error:
        why = str(error)
        job.transaction(
            _SCOPE,
            lambda session: scenarios.fail_scenario(session, scenario_id=scenario_id, why=why),
        )
        raise
    job.finish(
        _SCOPE,
        lambda session: scenarios.save_scenario(
            session, scenario_id=scenario_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def _solved(job: RunningJob, instance: Instance, start: Choices | None, subject: str) -> Plan:
    told = _Told(job, subject, plans.demand_digest(instance))
    megabytes = job.context.settings.purchasing_megabytes
    try:
        return run_telling(job, solve_telling, (instance, start), told, megabytes=megabytes)
    except (Cancelled, DeadlineNear):
        told.publish()
        raise


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

    Published are phase, seconds and gap. The figures of the plan obey the small-group rule, which a
    job knows nothing of; they come with the plan.
    """

    job: RunningJob
    subject: str
    digest: str
    latest: Progress | None = None
    best: Choices | None = None
    saved: Choices | None = None
    last: float = field(default_factory=lambda: -PUBLISH_SECONDS)

    def __call__(self, progress: Progress) -> None:
        self.latest, self.best = progress, progress.choices or self.best
        if time.monotonic() - self.last >= PUBLISH_SECONDS:
            self.publish()

    def publish(self) -> None:
        """Write the latest report, and the best choices if they are not yet."""
        self.last, latest, best = time.monotonic(), self.latest, self.best
        if latest is not None:
            counts = {"phase": _PHASES[latest.phase], "seconds": int(latest.seconds)}
            if latest.cost and latest.lower_bound is not None:
                missing = latest.cost - latest.lower_bound
                counts["gap_millionths"] = missing * 1_000_000 // latest.cost
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
