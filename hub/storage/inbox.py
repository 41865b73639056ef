"""The inbox: bytes as they arrived, encrypted, with what is known of them from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, bindparam, func, select, tuple_, update

from hub.domain.records import Issue, RejectedRecord
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import DataIssue, InboundMessage, new_id
from hub.storage.upsert import insert_once

INBOX: Table = InboundMessage.__table__  # type: ignore[assignment]
REUSE_WINDOW = timedelta(days=7)


def raw_identity(inbox_id: str) -> str:
    return f"inbox.raw:{inbox_id}"


def answer_identity(inbox_id: str) -> str:
    return f"inbox.answer:{inbox_id}"


Key = tuple[str, str]
"""What tells messages apart before their bodies do: source, and control id or digest."""


def key_of(source: str, control_id: str, digest: str) -> Key:
    return source, control_id or digest


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that came before."""

    id: str
    key: Key
    body_digest: str
    blocks: bool
    """It was taken within the last seven days: its control id is not to be used for another body.
    Older control ids may have wrapped around."""


_BLOCKS = (
    (INBOX.c.control_id != "")
    & INBOX.c.state.in_(("received", "processed", "ignored"))
    & (INBOX.c.received_at > bindparam("since"))
)
_EARLIER = select(
    INBOX.c.id, INBOX.c.source, INBOX.c.control_id, INBOX.c.body_digest, _BLOCKS.label("blocks")
).where(
    tuple_(INBOX.c.source, INBOX.c.control_id).in_(bindparam("keys", expanding=True)),
    INBOX.c.body_digest.in_(bindparam("digests", expanding=True)) | _BLOCKS,
)


def earlier(
    session: ScopedSession, wanted: Sequence[tuple[str, str, str]], *, now: datetime
) -> list[Earlier]:
    """Messages of the same source and control id as any of `wanted` (source, control id, digest):
    those of an equal body, and those that block the control id."""
    found = session.connection().execute(
        _EARLIER,
        {
            "keys": sorted({(source, control_id) for source, control_id, _ in wanted}),
            "digests": [digest for _, _, digest in wanted],
            "since": now - REUSE_WINDOW,
        },
    )
    return [
        Earlier(
            row.id,
            key_of(row.source, row.control_id, row.body_digest),
            row.body_digest,
            bool(row.blocks),
        )
        for row in found
    ]


def insert_all(session: ScopedSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert messages with every column given."""
    session.connection().execute(INBOX.insert(), [dict(row) for row in rows])


_OUTCOME = update(INBOX).where(INBOX.c.id == bindparam("message"))


def set_outcome(session: ScopedSession, inbox_id: str, **values: Any) -> None:
    """Write how reading a message ended; nothing else of its row, which a repetition may be
    counted on at this moment."""
    session.connection().execute(_OUTCOME, {"message": inbox_id, **values})


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
