"""Messages as an operator sees them: lists without content, one in full, replay with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select

from hub.errors import NotFound
from hub.services import intake
from hub.services.operators import Operator, record, stated_reason
from hub.storage import inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Connection,
    DataIssue,
    InboundMessage,
    JobRow,
    PatientIdentifier,
    Practice,
)

STATES = ("received", "processed", "ignored", "quarantined", "refused", "expired")
KINDS = ("hl7v2", "webhook", "x12", "record")


@dataclass(frozen=True, slots=True)
class Listed:
    """A message with the names an operator knows its connection and practice by."""

    message: InboundMessage
    connection: str
    practice: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A message, what was not understood in it, and its jobs, oldest first."""

    listed: Listed
    issues: Sequence[DataIssue]
    jobs: Sequence[JobRow]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages: all that is given holds. `connection` is a name or an id; `since` (inclusive)
    and `until` are aware; `patient` is a record number as sent or a patient's id here,
    `patient_key` one of `patient_keys`; the sender's names are MSH-3.1 and MSH-4.1 as sent."""

    state: str | None = None
    kind: str | None = None
    connection: str | None = None
    message_type: str | None = None
    control_id: str | None = None
    fault_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    patient: str | None = None
    patient_key: str | None = None
    sending_application: str | None = None
    sending_facility: str | None = None


def find(
    session: ScopedSession, crypto: Crypto, wanted: Wanted, *, limit: int = 50
) -> list[Listed]:
    """Messages, newest first."""
    found = _joined().where(*_conditions(session, crypto, wanted))
    found = found.order_by(InboundMessage.received_at.desc(), InboundMessage.id.desc())
    return [_listed(*row) for row in session.execute(found.limit(limit))]


def note_search(
    session: ScopedSession,
    operator: Operator,
    wanted: Wanted,
    count: int,
    *,
    operation: str,
    now: datetime,
) -> None:
    """Looking for one patient's messages is audited, found or not; whose they are is not said."""
    if wanted.patient is not None:
        record(
            session,
            operator,
            action="read",
            operation=f"{operation} --patient",
            entity="InboundMessage",
            count=count,
            now=now,
        )


def patient_keys(session: ScopedSession, crypto: Crypto, patient: str) -> list[str]:
    """The keys of a patient's messages: `patient` is a record number as sent, or a patient's id
    here, which stands for all the record numbers known of them."""
    numbers = session.scalars(
        select(PatientIdentifier.value).where(PatientIdentifier.patient_id == patient)
    ).all()
    return sorted({inbox.patient_key(crypto, number) for number in numbers or [patient]})


def _conditions(
    session: ScopedSession, crypto: Crypto, wanted: Wanted
) -> Iterator[ColumnElement[bool]]:
    equal = {
        InboundMessage.state: wanted.state,
        InboundMessage.kind: wanted.kind,
        InboundMessage.message_type: wanted.message_type,
        InboundMessage.control_id: wanted.control_id,
        InboundMessage.fault_code: wanted.fault_code,
    }
    yield from (column == value for column, value in equal.items() if value is not None)
    if wanted.connection is not None:
        yield (Connection.name == wanted.connection) | (Connection.id == wanted.connection)
    for field, value in (("msh-3", wanted.sending_application), ("msh-4", wanted.sending_facility)):
        if value is not None:
            yield InboundMessage.headers[field].as_string() == value
    if wanted.since is not None:
        yield InboundMessage.received_at >= wanted.since
    if wanted.until is not None:
        yield InboundMessage.received_at < wanted.until
    if wanted.patient is not None or wanted.patient_key is not None:
        keys = [wanted.patient_key] if wanted.patient_key is not None else []
        keys += patient_keys(session, crypto, wanted.patient) if wanted.patient is not None else []
        yield inbox.speaks_of(keys)


def show(session: ScopedSession, inbox_id: str) -> Shown:
    """One message with everything but its content; NotFound for an unknown id. Of the jobs that
    read it again those that are not over or failed."""
    row = session.execute(_joined().where(InboundMessage.id == inbox_id)).first()
    if row is None:
        raise NotFound(f"There is no message {inbox_id}; `mso-hub message list` shows the ids.")
    issues = session.scalars(
        select(DataIssue)
        .where(DataIssue.inbox_id == inbox_id)
        .order_by(DataIssue.recorded_at, DataIssue.path, DataIssue.code, DataIssue.id)
    ).all()
    listed = _listed(*row)
    keys = [f"inbox:{inbox_id}", f"judge:{inbox_id}"]
    jobs = queue.of_keys(session, keys, added_at=listed.message.received_at)
    return Shown(listed, issues, jobs)


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
        text = f"There is no message {missing[0]}; nothing was replayed."
        raise NotFound(text, sought=missing[0])
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


def replay_found(
    session: ScopedSession,
    crypto: Crypto,
    wanted: Wanted,
    *,
    limit: int,
    dry_run: bool,
    operator: Operator,
    reason: str,
    now: datetime,
) -> tuple[int, int]:
    """Read the messages again that `wanted` finds, oldest first, at most `limit`; returns how many
    it finds in all and how many got a job (with `dry_run` would get one, and nothing is written but
    that a patient was looked for).
    """
    stated = stated_reason(reason)
    ids = replayable(session, crypto, wanted)
    chosen = ids[:limit]
    if dry_run or not chosen:
        note_search(session, operator, wanted, len(ids), operation="message replay", now=now)
        return len(ids), len(chosen)
    count = replay(session, chosen, operator=operator, reason=stated, now=now)
    return len(ids), count


def replayable(session: ScopedSession, crypto: Crypto, wanted: Wanted) -> list[str]:
    """The ids of stored messages that may be read again, in the order they came."""
    found = (
        select(InboundMessage.id)
        .outerjoin(Connection, Connection.id == InboundMessage.connection_id)
        .where(
            (InboundMessage.state != "refused") | (InboundMessage.kind == "hl7v2"),
            InboundMessage.state != "expired",
            *_conditions(session, crypto, wanted),
        )
        .order_by(InboundMessage.received_at, InboundMessage.id)
    )
    return list(session.scalars(found))


def _joined() -> Select[InboundMessage, str | None, str | None]:
    return (
        select(InboundMessage, Connection.name, Practice.name)
        .outerjoin(Connection, Connection.id == InboundMessage.connection_id)
        .outerjoin(Practice, Practice.id == InboundMessage.practice_id)
    )


def _listed(message: InboundMessage, connection: str | None, practice: str | None) -> Listed:
    return Listed(message, connection or "", practice or "")
