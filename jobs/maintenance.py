"""Housekeeping: finished jobs leave the table after a while; dead ones never do by themselves."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.agreements import unrestricted_scope
from hub.storage import leases
from jobs.context import RunningJob

KEEP_FINISHED = timedelta(days=14)
_SCOPE = unrestricted_scope("maintenance")


def prune(job: RunningJob) -> None:
    """Delete jobs done or cancelled more than two weeks ago, and idle lanes, some at a time."""
    before = job.context.now() - KEEP_FINISHED
    while job.transaction(_SCOPE, lambda session: leases.prune(session, before=before)):
        job.check()
