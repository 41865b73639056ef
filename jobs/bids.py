"""Opening the bids of a round at their deadline."""

from __future__ import annotations

from hub.domain.agreements import unrestricted_scope
from hub.services import bids
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("bids")


def open_bids(job: RunningJob) -> None:
    """Open every sealed bid of one round at once; they become its offers."""
    context, round_id = job.context, str(job.args["round_id"])
    job.finish(
        _SCOPE,
        lambda session: bids.open_bids(
            session, context.crypto, round_id=round_id, now=context.now()
        ),
    )
