"""Messages to other systems: queued with their job, what a receiver answered, sending again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Select, select

from hub.domain.jobs import Job
from hub.errors import Conflict, NotFound, Rejected
from hub.services import connections
from hub.services.operators import Operator, record, stated_reason
from hub.storage import connections as connection_rows
from hub.storage import outbox, queue
from hub.storage.crypto import Crypto
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, JobRow, OutboundMessage

DESTINATION = "hl7v2_destination"
"""The connector whose connections take messages from us."""

State = Literal["queued", "accepted", "parked"]
STATES = ("queued", "accepted", "parked", "expired")
WhenFull = Literal["refuse", "park"]
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Content:
    """A message to be sent as it is, with what its header says."""

    raw: bytes
    message_type: str
    control_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A message with the name of its destination."""

    message: OutboundMessage
    destination: str


def destination(session: ScopedSession, name: str) -> Connection:
    """The destination of a name or an id; NotFound for none, Rejected for another connection."""
    row = connections.named(session, name)
    if row.connector_id != DESTINATION:
        raise Rejected(
            f'"{row.name}" takes no messages from us; name a connection of {DESTINATION}.',
            path="connection",
        )
    return row


def full(session: ScopedSession) -> dict[str, WhenFull]:
    """The destinations for which as many messages wait as may, and what their settings say is done
    with further ones."""
    found: dict[str, WhenFull] = {}
    for row in connection_rows.by_connector(session, DESTINATION):
        most = row.config.get("most_waiting")
        if most is not None and outbox.waits_at_least(session, row.id, most):
            found[row.id] = row.config.get("when_full", "refuse")
    return found


def ask_to_write(
    session: ScopedSession,
    job: Job,
    subject: Mapping[str, str],
    *,
    practice_id: str,
    connection_id: str,
    is_new: bool,
    now: datetime,
) -> int:
    """Add the job that writes a message about `subject` (the argument's name and the row's id) for
    a destination, in the order these are asked for; its id."""
    args = {
        "practice_id": practice_id,
        **subject,
        "connection_id": connection_id,
        "is_new": is_new,
    }
    return queue.add(
        session,
        job,
        args,
        now=now,
        practice_id=practice_id,
        lanes=[f"authoring:{connection_id}"],
        queue=queue.SENDING_QUEUE,
    )


def add(
    session: ScopedSession,
    crypto: Crypto,
    *,
    connection_id: str,
    messages: Sequence[Content],
    practice_id: str | None = None,
    now: datetime,
) -> list[str]:
    """Queue messages for a destination behind whatever waits for it; returns their ids.

    Raises Rejected for a message without MSH-10: its answer could not be told from another's.
    """
    if any(not message.control_id for message in messages):
        raise Rejected("MSH-10 is required in a message that is to be answered.", path="MSH-10")
    outgoing = [
        Outgoing(
            connection_id,
            practice_id,
            message.message_type,
            message.control_id,
            len(message.raw),
            content=message.raw,
        )
        for message in messages
    ]
    return outbox.add_all(session, crypto, outgoing, now=now)


def note_attempt(
    session: ScopedSession,
    crypto: Crypto,
    outbound_id: str,
    *,
    state: State,
    answer_code: str = "",
    answer: bytes | None = None,
    fault: tuple[str, str, str] = ("", "", ""),
    now: datetime,
) -> None:
    """Write what one send came to: `fault` is code, path and text, all without values."""
    values: dict[str, object] = {"state": state}
    values |= dict(zip(("fault_code", "fault_path", "fault_text"), fault, strict=True))
    if answer is not None:
        practice_id = session.get_one(OutboundMessage, outbound_id).practice_id
        sealed = crypto.encrypt(answer, outbox.answer_identity(outbound_id), practice_id)
        values |= {"answer": sealed, "answer_code": answer_code, "answered_at": now}
    outbox.note_attempt(session, outbound_id, **values)


def note_accepted(
    session: ScopedSession,
    crypto: Crypto,
    answers: Sequence[tuple[str, str, bytes]],
    *,
    now: datetime,
) -> None:
    """Write of messages that they were accepted: id, the answer's code and its bytes of each."""
    outbox.note_attempts(
        session,
        [
            {
                "message": outbound_id,
                "state": "accepted",
                "fault_code": "",
                "fault_path": "",
                "fault_text": "",
                "answer": crypto.encrypt(raw, outbox.answer_identity(outbound_id)),
                "answer_code": code,
                "answered_at": now,
            }
            for outbound_id, code, raw in answers
        ],
    )


def find(
    session: ScopedSession,
    *,
    state: str | None = None,
    connection: str | None = None,
    message_type: str | None = None,
    control_id: str | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[Listed]:
    """Messages, newest first. `connection` is a name or an id, `since` aware and inclusive."""
    wanted = _joined()
    if state is not None:
        wanted = wanted.where(OutboundMessage.state == state)
    if connection is not None:
        wanted = wanted.where((Connection.name == connection) | (Connection.id == connection))
    if message_type is not None:
        wanted = wanted.where(OutboundMessage.message_type == message_type)
    if control_id is not None:
        wanted = wanted.where(OutboundMessage.control_id == control_id)
    if since is not None:
        wanted = wanted.where(OutboundMessage.queued_at >= since)
    wanted = wanted.order_by(OutboundMessage.queued_at.desc(), OutboundMessage.id.desc())
    return [Listed(message, name) for message, name in session.execute(wanted.limit(limit))]


def show(session: ScopedSession, outbound_id: str) -> tuple[Listed, Sequence[JobRow]]:
    """One message and the jobs that send it; NotFound for an unknown id."""
    row = session.execute(_joined().where(OutboundMessage.id == outbound_id)).first()
    if row is None:
        raise _unknown(outbound_id)
    listed = Listed(*row)
    return listed, _jobs_of(session, listed.message)


def read_raw(
    session: ScopedSession,
    crypto: Crypto,
    outbound_id: str,
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> tuple[bytes, bytes]:
    """The bytes as sent and the last answer, with an audit event saying who read them and why."""
    stated = stated_reason(reason)
    message = outbox.get(session, outbound_id)
    if message is None:
        raise _unknown(outbound_id)
    record(
        session,
        operator,
        action="read",
        operation="outbound show --raw",
        entity="OutboundMessage",
        count=1,
        practice_ids=[message.practice_id],
        reason=stated,
        now=now,
    )
    return outbox.raw(session, crypto, message), outbox.answer(crypto, message)


def resend(session: ScopedSession, outbound_ids: Sequence[str], *, now: datetime) -> int:
    """Send parked messages again, with the bytes and the control id they have; returns how many.

    Each takes its old place before whatever was queued after it, one that found the queue full its
    place at the end. Raises NotFound for an unknown id
    and Conflict for a message that is not parked; then nothing is sent.
    """
    for outbound_id in outbound_ids:
        message = session.get(OutboundMessage, outbound_id, with_for_update=True)
        if message is None:
            raise _unknown(outbound_id)
        job = next(reversed(_jobs_of(session, message)), None)
        if job is None and message.state == "parked":  # it found the queue full, and was not tried
            outbox.add_jobs(session, [message], now=now)
        elif job is None or not queue.retry_dead(session, job.id, now=now):
            raise Conflict(f"The message {outbound_id} is not parked; nothing was sent again.")
        message.state = "queued"
    session.flush()
    return len(outbound_ids)


def _jobs_of(session: ScopedSession, message: OutboundMessage) -> list[JobRow]:
    """The jobs that send a message; one that was sent again as said in `queue.of_keys`."""
    return queue.of_keys(session, [f"outbox:{message.id}"], added_at=message.queued_at)


def _unknown(outbound_id: str) -> NotFound:
    text = f"There is no message {outbound_id}; `mso-hub outbound list` shows the ids."
    return NotFound(text, sought=outbound_id)


def _joined() -> Select[OutboundMessage, str]:
    return select(OutboundMessage, Connection.name).join(
        Connection, Connection.id == OutboundMessage.connection_id
    )
