"""Housekeeping: finished jobs leave the table after a while; dead ones never do by themselves. The
audit trail is never shortened; its head is signed and kept elsewhere."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.agreements import operations_scope
from hub.services import housekeeping
from hub.storage import anchors, audit, audit_subjects, leases
from hub.storage.export_files import delete_others
from jobs.context import RunningJob

KEEP_FINISHED = timedelta(days=14)
_SCOPE = operations_scope("maintenance")


def prune(job: RunningJob) -> None:
    """Delete jobs done or cancelled more than two weeks ago, and idle lanes, some at a time; then
    outcomes of mutations and reports of checks after 30 days, exports and their files after 7."""
    context = job.context
    before = context.now() - KEEP_FINISHED
    while job.transaction(_SCOPE, lambda session: leases.prune(session, before=before)):
        job.check()
    kept = job.transaction(_SCOPE, lambda session: housekeeping.prune(session, now=context.now()))
    delete_others(context.settings.data_dir, kept)


def anchor_audit(job: RunningJob) -> None:
    """Sign the head of the audit trail and keep it outside of the database."""
    context = job.context
    with context.database.read(_SCOPE) as session:
        digest, sequence = audit.head(session)
    anchor = anchors.Anchor(sequence, digest, context.now().isoformat())
    anchors.write(context.settings.resolved_audit_anchors(), context.crypto, anchor)


def index_audit(job: RunningJob) -> None:
    """Index the audit events of SQLite by patient, some at a time; PostgreSQL does it by itself."""
    while job.transaction(_SCOPE, audit_subjects.take_up):
        job.check()
