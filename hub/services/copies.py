"""A stored message once more: an edited copy of it, or the message as it is to one destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from hub.errors import NotFound, Rejected
from hub.services import outbound
from hub.services.arrivals import Arrival
from hub.services.judging import at_the_door
from hub.services.storing import Keyed, store
from hub.storage import outbox
from hub.storage.crypto import Crypto
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage

COPY_OF = "copy-of"
"""The header of a copy that names the message it was made of."""


def original(session: ScopedSession, inbox_id: str) -> InboundMessage:
    """The message of HL7 v2 of this id; NotFound, or Rejected for one of another kind."""
    row = session.get(InboundMessage, inbox_id)
    if row is None:
        text = f"There is no message {inbox_id}; `mso-hub message list` shows the ids."
        raise NotFound(text, sought=inbox_id)
    if row.kind != "hl7v2":
        raise Rejected("Only messages of HL7 v2 are sent on or copied.", path="id")
    return row


def add(
    session: ScopedSession,
    crypto: Crypto,
    inbox_id: str,
    judged: Arrival,
    *,
    to: str | None,
    now: datetime,
) -> str:
    """Store an edited copy of a message, as the settings of now judge it, and return its id.

    It is read and forwarded like any other that its sender sent; with `to` it goes to that
    destination alone and is not read. Raises Rejected for a copy that would not be accepted.
    """
    source = original(session, inbox_id)
    if judged.fault is not None:
        raise Rejected(judged.fault.text, path=judged.fault.path)
    copy = replace(judged, headers={**judged.headers, COPY_OF: source.id})
    if to is not None:
        only = (outbound.destination(session, to).id,)
        copy = replace(copy, state="ignored", lanes=(), destinations=only, parked=frozenset())
    (stored,) = store(session, crypto, [Keyed(copy, crypto.digest(copy.content))], now=now)
    return stored.inbox_id


def forward(
    session: ScopedSession,
    crypto: Crypto,
    inbox_ids: Sequence[str],
    *,
    to: str,
    now: datetime,
) -> list[str]:
    """Queue accepted messages for one destination, byte for byte, in the order they came; returns
    the ids in the outbox. Raises Rejected, and queues none, where one was never accepted."""
    destination = outbound.destination(session, to)
    for inbox_id in inbox_ids:
        row = original(session, inbox_id)
        if at_the_door(row) or row.state == "expired" or not row.control_id:
            raise Rejected(f"The message {inbox_id} was not accepted, or its bytes are gone.")
    rows = session.scalars(
        select(InboundMessage)
        .where(InboundMessage.id.in_(list(inbox_ids)))
        .order_by(InboundMessage.received_at, InboundMessage.id)
    ).all()
    outgoing = [
        Outgoing(
            destination.id,
            row.practice_id,
            row.message_type,
            row.control_id,
            row.size,
            inbox_id=row.id,
        )
        for row in rows
    ]
    return outbox.add_all(session, crypto, outgoing, now=now)
