"""Whether a job may run: it is as the hub wrote it, and who asked for it may still have it done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.auth.delegation import require_entitled
from hub.domain.agreements import operations_scope
from hub.domain.jobs import Job
from hub.errors import BadEnvelope, Forbidden, HubError
from hub.storage import audit
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from jobs.context import RunningJob

_SCOPE = operations_scope("rights of jobs")
ASK_THEMSELVES = frozenset({Job.RUN_EXPORT})
"""They look at the rights of whoever asked at each step, and clean up behind one who has none."""


def refuse_unentitled(jobs: Sequence[RunningJob]) -> bool:
    """Note the failure of each job that may not run; whether there is one. The hub's own jobs cost
    a signature, those of a client a look at its rights as well."""
    for running in jobs:
        job, database = running.claimed, running.context.database
        try:
            asked = database.envelopes.open(job.envelope, job.kind, job.practice_id, job.args)
            if asked.principal_id and job.kind not in ASK_THEMSELVES:
                with database.read(_SCOPE) as session:
                    require_entitled(session, asked, job.practice_id, running.context.now())
        except (BadEnvelope, Forbidden) as error:
            running.failure = error
    return any(running.failure is not None for running in jobs)


def record_refusal(
    session: ScopedSession, job: ClaimedJob, refusal: HubError, now: datetime
) -> None:
    """Append to the audit trail that a job was not run; who asked is not known if it was forged."""
    forged = isinstance(refusal, BadEnvelope)
    asked = None
    if not forged:
        asked = session.envelopes.open(job.envelope, job.kind, job.practice_id, job.args)
    audit.append(
        session,
        now=now,
        principal_id=asked.principal_id if asked else "",
        principal_name=asked.name if asked else "a job of unknown origin",
        purpose="",
        action="execute",
        outcome="denied",
        operation=f"job {job.kind}",
        entities={"Job": 1},
        practice_ids=[job.practice_id] if job.practice_id and not forged else [],
        reason=str(refusal),
    )
