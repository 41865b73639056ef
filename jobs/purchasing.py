"""Solving a purchasing round outside any transaction, in a process of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from hub.domain.agreements import unrestricted_scope
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.plan import Plan
from hub.domain.purchasing.solve import solve
from hub.services import purchasing
from jobs.context import RunningJob

SOLVE_SECONDS = 60.0
GAP_MILLIONTHS = 100
_SCOPE = unrestricted_scope("purchasing round")


def solve_round(job: RunningJob) -> None:
    """Read demand and offers, solve, store the plan with its proof."""
    context, round_id = job.context, str(job.args["round_id"])
    with context.database.read(_SCOPE) as session:
        problem = purchasing.load_problem(
            session,
            round_id=round_id,
            on=context.now().date(),
            seconds=SOLVE_SECONDS,
            gap=GAP_MILLIONTHS,
        )
    plan = _solve_apart(problem.instance)
    job.finish(
        _SCOPE,
        lambda session: purchasing.save_plan(
            session, round_id=round_id, plan=plan, problem=problem, now=context.now()
        ),
    )


def _solve_apart(instance: Instance) -> Plan:
    """Solve in a child process: the solver would hold up this process's other threads."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(solve, instance).result()


def release_orders(job: RunningJob) -> None:
    """Release the orders of a round if every practice has approved."""
    context, round_id = job.context, str(job.args["round_id"])
    job.finish(
        _SCOPE,
        lambda session: purchasing.release_orders(session, round_id=round_id, now=context.now()),
    )
