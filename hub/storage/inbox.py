"""The inbox: bytes as they arrived, encrypted, with what is known of them from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from hub.domain.records import Issue, RejectedRecord
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import DataIssue, InboundMessage, new_id
from hub.storage.upsert import insert_once

REUSE_WINDOW = timedelta(days=7)


def raw_identity(inbox_id: str) -> str:
    return f"inbox.raw:{inbox_id}"


def answer_identity(inbox_id: str) -> str:
    return f"inbox.answer:{inbox_id}"


def find_same(
    session: ScopedSession, source: str, control_id: str, body_digest: str
) -> InboundMessage | None:
    """The message that arrived before with the same sender, control id and body."""
    return session.scalar(
        select(InboundMessage)
        .where(
            InboundMessage.source == source,
            InboundMessage.control_id == control_id,
            InboundMessage.body_digest == body_digest,
        )
        .with_for_update()
    )


def reused_control_id(
    session: ScopedSession, source: str, control_id: str, *, other_than: str, now: datetime
) -> bool:
    """True if a body `other_than` this digest came under the control id within seven days.

    Older control ids may have wrapped around.
    """
    found = session.scalar(
        select(InboundMessage.id)
        .where(
            InboundMessage.source == source,
            InboundMessage.control_id == control_id,
            InboundMessage.body_digest != other_than,
            InboundMessage.state.in_(("received", "processed", "ignored")),
            InboundMessage.received_at > now - REUSE_WINDOW,
        )
        .limit(1)
    )
    return found is not None


def get(session: ScopedSession, inbox_id: str) -> InboundMessage | None:
    return session.get(InboundMessage, inbox_id)


def raw(message: InboundMessage, crypto: Crypto) -> bytes:
    """The bytes exactly as received."""
    return crypto.decrypt(message.raw, raw_identity(message.id))


def add_issues(
    session: ScopedSession,
    issues: Sequence[Issue],
    *,
    now: datetime,
    practice_id: str | None,
    inbox_id: str | None = None,
    sync_run_id: str | None = None,
) -> None:
    """Keep what was not understood where an operator sees it."""
    session.add_all(
        DataIssue(
            inbox_id=inbox_id,
            sync_run_id=sync_run_id,
            practice_id=practice_id,
            code=issue.code,
            path=issue.path,
            text=issue.text,
            recorded_at=now,
        )
        for issue in issues
    )


def quarantine_record(
    session: ScopedSession,
    crypto: Crypto,
    connection_id: str,
    stream: str,
    rejected: RejectedRecord,
    now: datetime,
) -> None:
    """Keep one record of a page that could not be read, once however often it is met."""
    inbox_id = new_id()
    values = {
        "id": inbox_id,
        "kind": "record",
        "connection_id": connection_id,
        "source": f"sync:{connection_id}:{stream}",
        "control_id": rejected.ref,
        "message_type": stream,
        "body_digest": crypto.digest(rejected.raw),
        "size": len(rejected.raw),
        "content_type": "application/json",
        "headers": {},
        "raw": crypto.encrypt(rejected.raw, raw_identity(inbox_id)),
        "answer": crypto.encrypt(b"", answer_identity(inbox_id)),
        "state": "quarantined",
        "fault_code": rejected.issue.code,
        "fault_path": rejected.issue.path,
        "fault_text": rejected.issue.text,
        "issue_count": 1,
        "duplicates": 0,
        "received_at": now,
    }
    insert_once(session, InboundMessage, values)


def counts_by_state(session: ScopedSession) -> Mapping[str, int]:
    rows: Any = session.execute(
        select(InboundMessage.state, func.count()).group_by(InboundMessage.state)
    )
    return {state: number for state, number in rows}  # noqa: C416 - rows are no tuples to mypy
