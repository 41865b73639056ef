"""Reading the lines of a requisition: matched to items, converted to base units."""

from __future__ import annotations

from hub.domain.agreements import practice_scope
from hub.services import normalise
from jobs.context import RunningJob


def normalise_entries(job: RunningJob) -> None:
    """Read every entry of one requisition; what is not certain waits for review."""
    practice_id, requisition_id = str(job.args["practice_id"]), str(job.args["requisition_id"])
    job.finish(
        practice_scope(practice_id),
        lambda session: normalise.read_entries(
            session, practice_id=practice_id, requisition_id=requisition_id
        ),
    )
