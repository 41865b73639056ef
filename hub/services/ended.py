"""What else changes when a job ends without its effect (dead or cancelled) or is tried anew.

Called in the transaction in which the job's row changes, so that nothing is left waiting for a job
that is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.domain.jobs import Job
from hub.services import intake, rounds, scenarios
from hub.storage.session import ScopedSession


def note_end(
    session: ScopedSession,
    kind: str,
    args: Mapping[str, Any],
    *,
    why: str,
    by: str = "",
    now: datetime,
) -> None:
    """A job of this kind is dead or cancelled; `why` is a sentence."""
    if kind == Job.SOLVE_ROUND:
        rounds.stop_solving(session, round_id=str(args["round_id"]), why=why, by=by, now=now)
    elif kind == Job.PROCESS_MESSAGE:
        intake.give_up(session, str(args["inbox_id"]), now=now)
    elif kind == Job.SOLVE_SCENARIO:
        scenarios.fail_scenario(session, scenario_id=str(args["scenario_id"]), why=why)


def note_retry(
    session: ScopedSession, kind: str, args: Mapping[str, Any], *, by: str, now: datetime
) -> None:
    """A dead job of this kind runs again. Conflict if what it was for moved on."""
    if kind == Job.SOLVE_ROUND:
        rounds.solve_again(session, round_id=str(args["round_id"]), by=by, now=now)
    elif kind == Job.SOLVE_SCENARIO:
        scenarios.wait_again(session, scenario_id=str(args["scenario_id"]))
