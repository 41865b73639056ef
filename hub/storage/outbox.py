"""The outbox: rows with their jobs, the bytes behind them and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, func, select, update

from hub.domain.jobs import Job
from hub.errors import NotFound
from hub.storage import inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage, OutboundMessage, new_id

OUTBOX: Table = OutboundMessage.__table__  # type: ignore[assignment]


QUEUE_FULL = "queue_full"
_FULL_TEXT = "Too much waited for the destination; send it on when there is room."


def raw_identity(outbound_id: str) -> str:
    return f"outbox.raw:{outbound_id}"


def answer_identity(outbound_id: str) -> str:
    return f"outbox.answer:{outbound_id}"


def lane_of(connection_id: str) -> str:
    """The order key of a destination: its messages go out one after another."""
    return f"destination:{connection_id}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent: bytes of its own in `content`, or those of `inbox_id`."""

    connection_id: str
    practice_id: str | None
    message_type: str
    control_id: str
    size: int
    content: bytes | None = None
    inbox_id: str | None = None
    parked: bool = False
    """Waits for a person: more is queued for the destination than may be."""


def add_all(
    session: ScopedSession, crypto: Crypto, messages: Sequence[Outgoing], *, now: datetime
) -> list[str]:
    """Write messages and the jobs that send them, in their order; returns their ids."""
    if not messages:
        return []
    rows = [_row(crypto, message, now) for message in messages]
    session.connection().execute(OUTBOX.insert(), rows)
    jobs = [
        _job(row["id"], row["connection_id"], row["practice_id"])
        for row in rows
        if row["state"] == "queued"
    ]
    queue.add_many(session, jobs, now=now)
    return [row["id"] for row in rows]


def add_jobs(session: ScopedSession, messages: Sequence[OutboundMessage], *, now: datetime) -> None:
    """The jobs of messages that were written without any."""
    jobs = [_job(one.id, one.connection_id, one.practice_id) for one in messages]
    queue.add_many(session, jobs, now=now)


def _job(outbound_id: str, connection_id: str, practice_id: str | None) -> queue.NewJob:
    return queue.NewJob(
        Job.SEND_MESSAGE,
        {"outbound_id": outbound_id},
        practice_id=practice_id,
        lanes=[lane_of(connection_id)],
        unique_key=f"outbox:{outbound_id}",
        queue=queue.SENDING_QUEUE,
    )


def _row(crypto: Crypto, message: Outgoing, now: datetime) -> dict[str, Any]:
    outbound_id = new_id()
    raw, practice_id = message.content, message.practice_id
    return {
        "id": outbound_id,
        "connection_id": message.connection_id,
        "practice_id": practice_id,
        "inbox_id": message.inbox_id,
        "message_type": message.message_type,
        "control_id": message.control_id,
        "size": message.size,
        "raw": None if raw is None else crypto.encrypt(raw, raw_identity(outbound_id), practice_id),
        "state": "parked" if message.parked else "queued",
        "attempts": 0,
        "answer_code": "",
        "fault_code": QUEUE_FULL if message.parked else "",
        "fault_path": "",
        "fault_text": _FULL_TEXT if message.parked else "",
        "queued_at": now,
    }


def get(session: ScopedSession, outbound_id: str) -> OutboundMessage | None:
    return session.get(OutboundMessage, outbound_id)


def get_all(session: ScopedSession, outbound_ids: Sequence[str]) -> dict[str, OutboundMessage]:
    """Messages by id; unknown ones are missing."""
    found = session.scalars(select(OutboundMessage).where(OutboundMessage.id.in_(outbound_ids)))
    return {row.id: row for row in found}


def raw(session: ScopedSession, crypto: Crypto, message: OutboundMessage) -> bytes:
    """The bytes as they go out, on every attempt the same. Raises NotFound once they were deleted
    after their time."""
    if message.state == inbox.EXPIRED:
        raise NotFound("The bytes of this message were deleted when their time was over.")
    if message.raw is not None:
        return crypto.decrypt(message.raw, raw_identity(message.id))
    return inbox.raw(session.get_one(InboundMessage, message.inbox_id), crypto)


def answer(crypto: Crypto, message: OutboundMessage) -> bytes:
    """The last answer as received; empty if none came."""
    if message.answer is None:
        return b""
    return crypto.decrypt(message.answer, answer_identity(message.id))


_ATTEMPT = (
    update(OUTBOX).where(OUTBOX.c.id == bindparam("message")).values(attempts=OUTBOX.c.attempts + 1)
)


def note_attempt(session: ScopedSession, outbound_id: str, **values: Any) -> None:
    """Count one attempt to send a message and write what it came to."""
    session.connection().execute(_ATTEMPT, {"message": outbound_id, **values})


def note_attempts(session: ScopedSession, attempts: Sequence[dict[str, Any]]) -> None:
    """`note_attempt` of several messages, with the same columns for each and `message` its id."""
    session.connection().execute(_ATTEMPT, list(attempts))


def waits_at_least(session: ScopedSession, connection_id: str, most: int) -> bool:
    """Whether so many messages are queued for a destination; looks at no more than these."""
    queued = (
        select(OutboundMessage.id)
        .where(OutboundMessage.connection_id == connection_id, OutboundMessage.state == "queued")
        .limit(most)
        .subquery()
    )
    return (session.scalar(select(func.count()).select_from(queued)) or 0) >= most


def last_fault(session: ScopedSession, connection_id: str) -> str:
    """The fault code of the message that a destination is asked to take next; empty if none."""
    oldest = (
        select(OutboundMessage.fault_code)
        .where(OutboundMessage.connection_id == connection_id, OutboundMessage.state == "queued")
        .order_by(OutboundMessage.queued_at, OutboundMessage.id)
        .limit(1)
    )
    return session.scalar(oldest) or ""


def waiting(session: ScopedSession) -> dict[str, tuple[int, int, datetime | None]]:
    """Destination -> messages queued, messages parked, and since when the oldest queued waits."""
    rows = session.execute(
        select(
            OutboundMessage.connection_id,
            OutboundMessage.state,
            func.count(),
            func.min(OutboundMessage.queued_at),
        )
        .where(OutboundMessage.state.in_(("queued", "parked")))
        .group_by(OutboundMessage.connection_id, OutboundMessage.state)
    )
    found: dict[str, tuple[int, int, datetime | None]] = {}
    for connection_id, state, count, oldest in rows:
        queued, parked, since = found.get(connection_id, (0, 0, None))
        if state == "queued":
            queued, since = count, oldest
        else:
            parked = count
        found[connection_id] = (queued, parked, since)
    return found
