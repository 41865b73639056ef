"""The inbox: bytes as they arrived, encrypted, with what is known of them from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)

from hub.domain.records import Issue, RejectedRecord
from hub.errors import NotFound
from hub.storage import bulk
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import DataIssue, InboundMessage, new_id
from hub.storage.upsert import dialect_of, insert_once

INBOX: Table = InboundMessage.__table__  # type: ignore[assignment]
ISSUES: Table = DataIssue.__table__  # type: ignore[assignment]
REUSE_WINDOW = timedelta(days=7)


EXPIRED = "expired"
"""The state of a message whose bytes were deleted when their time was over."""


def raw_identity(inbox_id: str) -> str:
    return f"inbox.raw:{inbox_id}"


def answer_identity(inbox_id: str) -> str:
    return f"inbox.answer:{inbox_id}"


def patient_key(crypto: Crypto, record_number: str) -> str:
    """What a message is found by: the keyed digest of a patient's record number as sent."""
    return crypto.digest(f"patient:{record_number}")


Key = tuple[str, str]
"""What tells messages apart before their bodies do: source, and control id or digest."""


def key_of(source: str, control_id: str, digest: str) -> Key:
    return source, control_id or digest


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that came before."""

    number: int
    """The place of the message it came before."""
    same_id: str | None
    """Its id, if the bodies are equal too. Else it was taken within the last seven days, and its
    control id is not to be used for another body; older control ids may have wrapped around."""


_WANTED = {
    "sqlite": """
    WITH wanted AS (
        SELECT key AS number, json_extract(value, '$[0]') AS source,
        json_extract(value, '$[1]') AS control_id, json_extract(value, '$[2]') AS digest,
        json_extract(value, '$[3]') AS since FROM json_each(?)
    )""",
    "postgresql": """
    WITH wanted AS MATERIALIZED (
        SELECT number - 1 AS number, value ->> 0 AS source, value ->> 1 AS control_id,
        value ->> 2 AS digest, (value ->> 3)::timestamptz AS since
        FROM json_array_elements(%s::json) WITH ORDINALITY AS given(value, number)
    )""",
}
_SAME = "i.source = w.source AND i.control_id = w.control_id AND i.body_digest = w.digest"
_SAME_ID = "i.source = w.source AND i.control_id = w.control_id"
_BLOCKING = """w.control_id <> '' AND i.body_digest <> w.digest
    AND i.state IN ('received', 'processed', 'ignored') AND i.received_at > w.since"""
_EARLIER = {
    "sqlite": f"""{_WANTED["sqlite"]}
    SELECT w.number, i.id FROM wanted AS w JOIN inbox AS i ON {_SAME}
    UNION ALL
    SELECT w.number, NULL FROM wanted AS w JOIN inbox AS i ON {_SAME_ID} AND {_BLOCKING}""",  # noqa: S608
    # OFFSET 0 keeps PostgreSQL to a look for each control id, whatever it knew of the table when it
    # made its plan.
    "postgresql": f"""{_WANTED["postgresql"]}
    SELECT w.number, i.id FROM wanted AS w
    CROSS JOIN LATERAL (SELECT id FROM inbox AS i WHERE {_SAME} OFFSET 0) AS i
    UNION ALL
    SELECT w.number, NULL FROM wanted AS w
    CROSS JOIN LATERAL (SELECT body_digest, state, received_at FROM inbox AS i
        WHERE {_SAME_ID} OFFSET 0) AS i
    WHERE {_BLOCKING}""",  # noqa: S608
}


def earlier(
    session: ScopedSession, wanted: Sequence[tuple[str, str, str]], *, now: datetime
) -> list[Earlier]:
    """Messages of the same source and control id as one of `wanted` (source, control id, digest):
    those of an equal body, and those that block the control id."""
    since = bulk.moment(session, now - REUSE_WINDOW)
    given = orjson.dumps([(*each, since) for each in wanted]).decode()
    found = bulk.run(session, _EARLIER[dialect_of(session)], [given]).fetchall()
    return [Earlier(int(number), same_id) for number, same_id in found]


_READ, _WAITS = text("inbox.state <> 'received'"), text("inbox.state = 'received'")
"""In the words of the partial indexes by patient, which leave out what waits to be read."""


def speaks_of(keys: Collection[str]) -> ColumnElement[bool]:
    """Whether a message speaks of one of the patients of these keys."""
    current, prior = INBOX.c.patient_key.in_(keys), INBOX.c.prior_patient_key.in_(keys)
    return or_(and_(current, _READ), and_(prior, _READ), and_(or_(current, prior), _WAITS))


def insert_all(session: ScopedSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert messages with every column given."""
    bulk.insert_rows(session, INBOX, rows)


_OUTCOME = update(INBOX).where(INBOX.c.id == bindparam("message"))


def set_outcome(session: ScopedSession, inbox_id: str, **values: Any) -> None:
    """Write how reading a message ended; nothing else of its row, which a repetition may be
    counted on at this moment."""
    session.connection().execute(_OUTCOME, {"message": inbox_id, **values})


def set_outcomes(session: ScopedSession, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """`set_outcome` of messages that were read without a fault: id, state, processed_at and
    issue_count of each."""
    bulk.run(session, _read(dialect_of(session)), [bulk.as_json(session, outcomes)])


@cache
def _read(dialect: str) -> str:
    columns = {"id": "text", "state": "text", "processed_at": "timestamptz", "issues": "bigint"}
    given = bulk.given(dialect, "given", columns)
    return f"""
        UPDATE inbox SET state = given.state, processed_at = given.processed_at,
        issue_count = given.issues, fault_code = '', fault_path = '', fault_text = ''
        FROM {given} WHERE inbox.id = given.id
    """  # noqa: S608 - constants


def save_issues(session: ScopedSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert issues with every column given; those that are there already stay as they are."""
    if rows:
        session.flush()
    bulk.insert_rows(session, ISSUES, rows, conflict="ON CONFLICT (id) DO NOTHING")


def forget_issues(session: ScopedSession, messages: Sequence[InboundMessage]) -> None:
    """Take away what an earlier reading did not understand; of messages read the first time there
    is nothing, and nothing is asked."""
    again = [message.id for message in messages if message.processed_at is not None]
    if again:
        session.connection().execute(delete(ISSUES).where(ISSUES.c.inbox_id.in_(again)))


def drop_issues(session: ScopedSession, inbox_id: str) -> None:
    """Take away what was wrong with a message when it came."""
    session.flush()
    session.connection().execute(delete(ISSUES).where(ISSUES.c.inbox_id == inbox_id))


def issues_of(session: ScopedSession, inbox_id: str) -> list[Issue]:
    """What was not understood in a message."""
    columns = select(DataIssue.code, DataIssue.path, DataIssue.text)
    found = session.execute(columns.where(DataIssue.inbox_id == inbox_id))
    return [Issue(code, path, text) for code, path, text in found]


def get_all(session: ScopedSession, inbox_ids: Collection[str]) -> dict[str, InboundMessage]:
    """Messages by id."""
    found = session.scalars(select(InboundMessage).where(InboundMessage.id.in_(inbox_ids)))
    return {message.id: message for message in found}


def get(session: ScopedSession, inbox_id: str) -> InboundMessage | None:
    return session.get(InboundMessage, inbox_id)


def received_near(
    session: ScopedSession, message: InboundMessage, span: timedelta
) -> Sequence[InboundMessage]:
    """Messages of the same source received at most `span` before or after this one."""
    return session.scalars(
        select(InboundMessage)
        .where(
            InboundMessage.source == message.source,
            InboundMessage.received_at >= message.received_at - span,
            InboundMessage.received_at <= message.received_at + span,
        )
        .order_by(InboundMessage.received_at)
    ).all()


def raw(message: InboundMessage, crypto: Crypto) -> bytes:
    """The bytes exactly as received. Raises NotFound once they were deleted after their time."""
    if message.state == EXPIRED:
        raise NotFound("The bytes of this message were deleted when their time was over.")
    return crypto.decrypt(message.raw, raw_identity(message.id))


def answer(message: InboundMessage, crypto: Crypto) -> bytes:
    """What its sender was answered; empty if nothing was, or once it was deleted."""
    return crypto.decrypt(message.answer, answer_identity(message.id))


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
    rows = issue_rows(
        issues, now=now, practice_id=practice_id, inbox_id=inbox_id, sync_run_id=sync_run_id
    )
    save_issues(session, rows)


def issue_rows(
    issues: Sequence[Issue],
    *,
    now: datetime,
    practice_id: str | None,
    inbox_id: str | None = None,
    sync_run_id: str | None = None,
) -> list[dict[str, Any]]:
    """Rows for `save_issues`."""
    return [
        {
            "id": new_id(),
            "inbox_id": inbox_id,
            "sync_run_id": sync_run_id,
            "practice_id": practice_id,
            "code": issue.code,
            "path": issue.path,
            "text": issue.text,
            "recorded_at": now,
        }
        for issue in issues
    ]


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
