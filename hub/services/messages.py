"""Messages as an operator sees them: lists without content, one in full, replay with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from hub.errors import NotFound
from hub.services import intake
from hub.services.operators import Operator, record, stated_reason
from hub.storage import inbox
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, DataIssue, InboundMessage, JobRow, Practice

STATES = ("received", "processed", "ignored", "quarantined", "refused")
KINDS = ("hl7v2", "webhook", "x12", "record")


@dataclass(frozen=True, slots=True)
class Listed:
    """A message with the names an operator knows its connection and practice by."""

    message: InboundMessage
    connection: str
    practice: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A message, what was not understood in it, and the jobs that read it, oldest first."""

    listed: Listed
    issues: Sequence[DataIssue]
    jobs: Sequence[JobRow]


def find(
    session: ScopedSession,
    *,
    state: str | None = None,
    kind: str | None = None,
    connection: str | None = None,
    message_type: str | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[Listed]:
    """Messages, newest first. `connection` is a name or an id, `since` aware and inclusive."""
    wanted = _joined()
    if state is not None:
        wanted = wanted.where(InboundMessage.state == state)
    if kind is not None:
        wanted = wanted.where(InboundMessage.kind == kind)
    if connection is not None:
        wanted = wanted.where((Connection.name == connection) | (Connection.id == connection))
    if message_type is not None:
        wanted = wanted.where(InboundMessage.message_type == message_type)
    if since is not None:
        wanted = wanted.where(InboundMessage.received_at >= since)
    wanted = wanted.order_by(InboundMessage.received_at.desc(), InboundMessage.id.desc())
    return [_listed(*row) for row in session.execute(wanted.limit(limit))]


def show(session: ScopedSession, inbox_id: str) -> Shown:
    """One message with everything but its content; NotFound for an unknown id."""
    row = session.execute(_joined().where(InboundMessage.id == inbox_id)).first()
    if row is None:
        raise NotFound(f"There is no message {inbox_id}; `mso-hub message list` shows the ids.")
    issues = session.scalars(
        select(DataIssue).where(DataIssue.inbox_id == inbox_id).order_by(DataIssue.recorded_at)
    ).all()
    jobs = session.scalars(
        select(JobRow).where(JobRow.unique_key == f"inbox:{inbox_id}").order_by(JobRow.id)
    ).all()
    return Shown(_listed(*row), issues, jobs)


def read_raw(
    session: ScopedSession,
    crypto: Crypto,
    inbox_id: str,
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> bytes:
    """The bytes as received, with an audit event saying who read them and why."""
    stated = stated_reason(reason)
    message = inbox.get(session, inbox_id)
    if message is None:
        raise NotFound(f"There is no message {inbox_id}; `mso-hub message list` shows the ids.")
    record(
        session,
        operator,
        action="read",
        operation="message show --raw",
        entity="InboundMessage",
        count=1,
        practice_ids=[message.practice_id],
        reason=stated,
        now=now,
    )
    return inbox.raw(message, crypto)


def replay(
    session: ScopedSession,
    inbox_ids: Sequence[str],
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> int:
    """Read stored messages again; returns how many got a job.

    Refuses all of them if one is unknown (NotFound), so that a mistyped id is not overlooked.
    """
    stated = stated_reason(reason)
    known = {
        row.id: row.practice_id
        for row in session.scalars(select(InboundMessage).where(InboundMessage.id.in_(inbox_ids)))
    }
    missing = [inbox_id for inbox_id in inbox_ids if inbox_id not in known]
    if missing:
        raise NotFound(f"There is no message {missing[0]}; nothing was replayed.")
    count = intake.replay(session, inbox_ids=inbox_ids, now=now)
    record(
        session,
        operator,
        action="execute",
        operation="message replay",
        entity="InboundMessage",
        count=count,
        practice_ids=known.values(),
        reason=stated,
        now=now,
    )
    return count


def _joined() -> Select[InboundMessage, str | None, str | None]:
    return (
        select(InboundMessage, Connection.name, Practice.name)
        .outerjoin(Connection, Connection.id == InboundMessage.connection_id)
        .outerjoin(Practice, Practice.id == InboundMessage.practice_id)
    )


def _listed(message: InboundMessage, connection: str | None, practice: str | None) -> Listed:
    return Listed(message, connection or "", practice or "")
