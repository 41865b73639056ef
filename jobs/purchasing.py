"""Solving a purchasing round outside any transaction, in a process of its own."""

from __future__ import annotations

from hub.domain.agreements import unrestricted_scope
from hub.domain.purchasing.solve import solve
from hub.services import plans
from jobs.children import run_apart
from jobs.context import RunningJob

SOLVE_SECONDS = 60.0
GAP_MILLIONTHS = 100
_SCOPE = unrestricted_scope("purchasing round")


def solve_round(job: RunningJob) -> None:
    """Read demand and offers, solve, store the plan with its proof."""
    context, round_id = job.context, str(job.args["round_id"])
    with context.database.read(_SCOPE) as session:
        problem = plans.load_problem(
            session,
            round_id=round_id,
            on=context.now().date(),
            seconds=SOLVE_SECONDS,
            gap=GAP_MILLIONTHS,
        )
    plan = run_apart(job, solve, problem.instance)
    job.finish(
        _SCOPE,
        lambda session: plans.save_plan(
            session, round_id=round_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def release_orders(job: RunningJob) -> None:
    """Release the orders of a round if every practice has approved."""
    context, round_id = job.context, str(job.args["round_id"])
    job.finish(
        _SCOPE,
        lambda session: plans.release_orders(session, round_id=round_id, now=context.now()),
    )
