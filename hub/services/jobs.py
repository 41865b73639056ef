"""Jobs as an operator sees them: lists, one in full, retry and cancel with an audit event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from hub.domain.jobs import JobState
from hub.errors import Conflict, NotFound
from hub.services import ended
from hub.services.operators import Operator, record, stated_reason
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import JobRow


def find(
    session: ScopedSession, *, state: str | None = None, kind: str | None = None, limit: int = 50
) -> Sequence[JobRow]:
    """Jobs, newest first."""
    wanted = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if state is not None:
        wanted = wanted.where(JobRow.state == state)
    if kind is not None:
        wanted = wanted.where(JobRow.kind == kind)
    return session.scalars(wanted).all()


def show(session: ScopedSession, job_id: int) -> JobRow:
    """One job; NotFound for an unknown id."""
    row = session.get(JobRow, job_id)
    if row is None:
        raise NotFound(f"There is no job {job_id}; `mso-hub job list` shows the ids.")
    return row


def retry(
    session: ScopedSession, job_id: int, *, operator: Operator, reason: str, now: datetime
) -> None:
    """Run a dead job again under its id; Conflict for a job in another state."""
    stated = stated_reason(reason)
    row = show(session, job_id)
    start_again(session, row, by=operator.name, now=now)
    _record(session, operator, "job retry", row, stated, now)


def start_again(session: ScopedSession, row: JobRow, *, by: str, now: datetime) -> None:
    """Make a dead job due; Conflict if it is in another state."""
    if not queue.retry_dead(session, row.id, now=now):
        raise Conflict(f"Job {row.id} is {row.state}; only a dead job is retried.")
    ended.note_retry(session, row.kind, row.args, by=by, now=now)


def cancel(
    session: ScopedSession, job_id: int, *, operator: Operator, reason: str = "", now: datetime
) -> None:
    """`stop` a job. Audited."""
    row = show(session, job_id)
    stop(session, row, by=operator.name, reason=reason, now=now)
    _record(session, operator, "job cancel", row, reason.strip(), now)


def stop(session: ScopedSession, row: JobRow, *, by: str, reason: str, now: datetime) -> None:
    """Withdraw a ready job or ask a running one to stop; Conflict if it is over."""
    if not queue.cancel(session, row.id, now=now):
        raise Conflict(f"Job {row.id} is {row.state} already.")
    session.refresh(row)
    if row.state == JobState.CANCELLED:
        why = reason.strip() or "Its job was withdrawn."
        ended.note_end(session, row.kind, row.args, why=why, by=by, now=now)


def _record(
    session: ScopedSession,
    operator: Operator,
    operation: str,
    row: JobRow,
    reason: str,
    now: datetime,
) -> None:
    record(
        session,
        operator,
        action="execute",
        operation=operation,
        entity="Job",
        count=1,
        practice_ids=[row.practice_id],
        reason=reason,
        now=now,
    )
