"""Housekeeping: finished jobs leave the table after a while; dead ones never do by themselves. The
bytes of messages are deleted where a time is set for them. The audit trail is never shortened; its
head is signed and kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hub.domain.agreements import operations_scope, unrestricted_scope
from hub.services import consent_references, emergencies, housekeeping, retention
from hub.storage import anchors, audit, audit_subjects, leases
from hub.storage import retention as messages
from hub.storage.export_files import delete_others
from hub.storage.session import ScopedSession
from jobs.context import RunningJob

_SCOPE = operations_scope("maintenance")
_EVERY_PRACTICE = unrestricted_scope("end of emergency accesses")
_CONSENTS = unrestricted_scope("references of consents")


def prune(job: RunningJob) -> None:
    """Delete what was kept long enough, some at a time: jobs done or cancelled, idle lanes, events,
    outcomes of mutations, reports of checks, exports and their files. References of consents that
    came before they were encrypted are encrypted."""
    context = job.context
    before = context.now() - timedelta(days=context.settings.keep_jobs_days)
    while job.transaction(_SCOPE, lambda session: leases.prune(session, before=before)):
        job.check()
    while job.transaction(_SCOPE, lambda s: housekeeping.prune_events(s, now=context.now())):
        job.check()
    while job.transaction(_CONSENTS, lambda s: consent_references.seal_plain(s, context.crypto)):
        job.check()
    kept = job.transaction(_SCOPE, lambda session: housekeeping.prune(session, now=context.now()))
    delete_others(context.settings.data_dir, kept)


def expire_messages(job: RunningJob) -> None:
    """Delete the bytes of messages that were read or sent longer ago than HUB_KEEP_MESSAGES_DAYS,
    some at a time, but not of practices under a legal hold; their rows stay. Audited."""
    context = job.context
    if context.settings.keep_messages_days is None:
        return
    before = context.now() - timedelta(days=context.settings.keep_messages_days)

    def step(work: Callable[[ScopedSession], messages.Step]) -> messages.Step:
        job.check()
        return job.transaction(_SCOPE, work)

    connections = job.transaction(_SCOPE, messages.connections)
    retention.expire_messages(step, connections, before=before, now=context.now())


def end_emergencies(job: RunningJob) -> None:
    """Write down that emergency accesses whose time is over have ended, and tell who watches."""
    context = job.context
    job.transaction(
        _EVERY_PRACTICE,
        lambda s: emergencies.stop_expired(s, context.crypto, now=context.now()),
    )


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
