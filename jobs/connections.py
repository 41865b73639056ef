"""Checking a connection with safe requests only, and keeping what the check found."""

from __future__ import annotations

from hub.domain.agreements import operations_scope
from hub.services import checks
from hub.services import connections as connection_service
from hub.storage.session import ScopedSession
from jobs.calling import opened, stored_connection
from jobs.context import RunningJob

CHECK_SECONDS = 60.0
_SCOPE = operations_scope("connection check")


def check(job: RunningJob) -> None:
    """Check a connection, paused or not, and store the report; one that is well clears a fault."""
    context, connection_id = job.context, str(job.args["connection_id"])
    connection = stored_connection(context, connection_id)
    with opened(context, connection, CHECK_SECONDS, lambda: job.cancel_asked) as (connector, ctx):
        report = connector.check(ctx)

    def effects(session: ScopedSession) -> None:
        checks.store_report(
            session,
            connection_id=connection_id,
            job_id=job.claimed.id,
            probes=report.probes,
            now=context.now(),
        )
        if report.ok:
            connection_service.note_success(session, connection_id)

    job.finish(_SCOPE, effects)
