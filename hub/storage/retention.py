"""Deleting the bytes of messages whose time is over, some at a time; their rows stay.

What was received or sent remains in the lists with its times and digests, so that a resend is still
known and the trail from record to message does not break: only nobody can read it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    exists,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from hub.storage.inbox import EXPIRED
from hub.storage.lanes import JOBS, LIVE
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage, LegalHold, OutboundMessage

AT_ONCE = 500
SETTLED = ("processed", "ignored", "refused")
"""States of received messages that nobody waits for; quarantined ones wait for a person."""

Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Step:
    """How many messages lost their bytes, and where to go on; `after` is None at the end."""

    expired: int
    after: Place | None


def expire_received(
    session: ScopedSession, state: str, *, before: datetime, after: Place | None
) -> Step:
    """Delete the bytes of some of the messages received before a moment that are in a state of
    `SETTLED`, in the order they came. Kept are those under a legal hold, those that a job is to
    read again, and those not delivered to every system they go to."""
    row = InboundMessage
    found = _next(session, row.received_at, row.id, [row.state == state], before, after)
    waits = exists().where(
        JOBS.c.unique_key.in_([literal("inbox:") + row.id, literal("judge:") + row.id]), LIVE
    )
    unsent = exists().where(
        OutboundMessage.inbox_id == row.id, OutboundMessage.state.in_(("queued", "parked"))
    )
    ended = update(row).where(
        row.id.in_([message for _, message in found]),
        row.state == state,
        ~_held(row.practice_id),
        ~waits,
        ~unsent,
    )
    return _step(session, ended.values(state=EXPIRED, raw=b""), found)


def expire_sent(
    session: ScopedSession, connection_id: str, *, before: datetime, after: Place | None
) -> Step:
    """The same for accepted messages to one destination, and the answers to them."""
    row = OutboundMessage
    accepted = [row.connection_id == connection_id, row.state == "accepted"]
    found = _next(session, row.queued_at, row.id, accepted, before, after)
    ended = update(row).where(
        row.id.in_([message for _, message in found]), *accepted, ~_held(row.practice_id)
    )
    return _step(session, ended.values(state=EXPIRED, raw=None, answer=None), found)


def connections(session: ScopedSession) -> Sequence[str]:
    """The ids of all connections."""
    return session.scalars(select(Connection.id).order_by(Connection.id)).all()


def is_held(session: ScopedSession, practice_id: str) -> bool:
    """Whether a legal hold keeps what there is of a practice."""
    return session.get(LegalHold, practice_id) is not None


def _next(
    session: ScopedSession,
    at: Any,
    key: Any,
    conditions: Sequence[ColumnElement[bool]],
    before: datetime,
    after: Place | None,
) -> Sequence[Place]:
    page = select(at, key).where(*conditions, at < before)
    if after is not None:
        page = page.where(tuple_(at, key) > after)
    rows = session.execute(page.order_by(at, key).limit(AT_ONCE))
    return [(moment, message) for moment, message in rows]


def _held(practice_id: Any) -> ColumnElement[bool]:
    """Of a practice under hold; what belongs to none may be any practice's."""
    holds = select(LegalHold.practice_id)
    return or_(practice_id.in_(holds), and_(practice_id.is_(None), exists(holds)))


def _step(session: ScopedSession, statement: Any, found: Sequence[Place]) -> Step:
    if not found:
        return Step(0, None)
    unsynchronized = statement.execution_options(synchronize_session=False)
    result = cast("CursorResult[Any]", session.execute(unsynchronized))
    return Step(result.rowcount, found[-1] if len(found) == AT_ONCE else None)
