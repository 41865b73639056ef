"""How long messages are kept, and legal holds, under which nothing of a practice is deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import select

from hub.domain.agreements import Purpose
from hub.errors import Conflict
from hub.services import practices
from hub.services.operators import Operator, record_change, stated_reason
from hub.storage import audit, retention
from hub.storage.retention import Place, Step
from hub.storage.session import ScopedSession
from hub.storage.tables import LegalHold, Practice

RunStep = Callable[[Callable[[ScopedSession], Step]], Step]
"""Runs a step in a transaction of its own."""
_Expire = Callable[[ScopedSession, "Place | None"], Step]


def expire_messages(
    run: RunStep, connections: Sequence[str], *, before: datetime, now: datetime
) -> None:
    """Delete the bytes of messages from before a moment, step by step; each tells the audit trail
    how many."""
    received, sent = retention.expire_received, retention.expire_sent
    for state in retention.SETTLED:
        _walk(run, partial(_expire, received, state, "InboundMessage", before, now))
    for connection in connections:
        _walk(run, partial(_expire, sent, connection, "OutboundMessage", before, now))


def _walk(run: RunStep, expire: _Expire) -> None:
    after: Place | None = None
    while (after := run(partial(_from, expire, after)).after) is not None:
        pass


def _from(expire: _Expire, after: Place | None, session: ScopedSession) -> Step:
    return expire(session, after)


def _expire(
    step: Callable[..., Step],
    of: str,
    kind: str,
    before: datetime,
    now: datetime,
    session: ScopedSession,
    after: Place | None,
) -> Step:
    done = step(session, of, before=before, after=after)
    if done.expired:
        audit.append(
            session,
            now=now,
            principal_id="",
            principal_name="the hub",
            purpose=Purpose.OPERATIONS.value,
            action="write",
            outcome="success",
            operation="retention",
            entities={kind: done.expired},
        )
    return done


def holds(session: ScopedSession) -> list[tuple[LegalHold, str]]:
    """Every hold and the name of its practice, the oldest first."""
    found = select(LegalHold, Practice.name).join(Practice, Practice.id == LegalHold.practice_id)
    return [(hold, name) for hold, name in session.execute(found.order_by(LegalHold.placed_at))]


def place(
    session: ScopedSession, practice: str, *, operator: Operator, reason: str, now: datetime
) -> None:
    """Keep everything of a practice (name or id) until the hold is lifted. Audited."""
    found, stated = practices.named(session, practice), stated_reason(reason)
    if retention.is_held(session, found.id):
        raise Conflict("This practice is under hold already.")
    session.add(
        LegalHold(practice_id=found.id, reason=stated, placed_by=operator.name, placed_at=now)
    )
    record_change(session, operator, "hold place", "LegalHold", found.id, reason=stated, now=now)


def lift(
    session: ScopedSession, practice: str, *, operator: Operator, reason: str, now: datetime
) -> None:
    """End a hold; what is due is deleted at the next run. Audited."""
    found, stated = practices.named(session, practice), stated_reason(reason)
    hold = session.get(LegalHold, found.id)
    if hold is None:
        raise Conflict("This practice is not under hold.")
    session.delete(hold)
    session.flush()
    record_change(session, operator, "hold lift", "LegalHold", found.id, reason=stated, now=now)
