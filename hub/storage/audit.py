"""The audit trail: one row per event, each with a digest over itself and the digest before it.

`append` and `append_all` run in the transaction of their caller and hold the head row until that
commits, so that the chain never forks; whoever needs other locks as well takes them before. Events
of many readers share a transaction (`Database.gather`, `note`). What an event is, and how the chain
is made, is in `audit_chain.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hub.storage.audit_chain import NO_EVENTS, PARTITION, Event, Head, chained, digest_of
from hub.storage.bulk import insert_rows, pipelined, run
from hub.storage.scoped_session import ScopedSession
from hub.storage.tables import AuditEvent, AuditHead
from hub.storage.upsert import insert_once

if TYPE_CHECKING:
    from hub.storage.session import Database

__all__ = ["Event", "Verdict", "append", "append_all", "head", "note", "verify"]
_PAGE = 1000
_EVENTS: Any = AuditEvent.__table__
_HEAD = {
    "sqlite": "SELECT digest, count FROM audit_heads WHERE partition = ?",
    "postgresql": "SELECT digest, count FROM audit_heads WHERE partition = %s FOR UPDATE",
}
_MOVE_HEAD = {
    "sqlite": "UPDATE audit_heads SET digest = ?, count = ? WHERE partition = ?",
    "postgresql": "UPDATE audit_heads SET digest = %s, count = %s WHERE partition = %s",
}
_DIGESTED = tuple(c.key for c in AuditEvent.__mapper__.columns if c.key != "digest")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`events` were checked; `bad_sequence` is the first event that does not fit, None if all
    do."""

    events: int
    bad_sequence: int | None = None

    @property
    def intact(self) -> bool:
        return self.bad_sequence is None


def append(session: ScopedSession, **facts: Any) -> None:
    """Add one event, of the members of `Event`, to the chain."""
    append_all(session, [Event(**facts)])


def append_all(session: ScopedSession, events: Sequence[Event]) -> None:
    """Add events to the chain in their order; its head is held until the caller commits."""
    rows, moved = chained(events, _locked_head(session))
    dialect = session.get_bind().dialect.name
    with pipelined(session):
        insert_rows(session, _EVENTS, rows)
        run(session, _MOVE_HEAD[dialect], (*moved, PARTITION))


async def note(database: Database, event: Event) -> None:
    """Add one event to the chain, together with those of other requests. Returns once it is
    durable; what it raises means that it may not be."""
    await database.audit_writer.append(event)


def head(session: ScopedSession) -> Head:
    """The last event: its digest and its number."""
    row = session.get(AuditHead, PARTITION)
    return NO_EVENTS if row is None else Head(row.digest, row.count)


def verify(session: ScopedSession, anchored: Mapping[int, str] | None = None) -> Verdict:
    """Walk the whole chain: every digest, every sequence number, and the head.

    A changed, missing or added event is named by its sequence number; a cut tail by the number of
    the first event that is gone. Someone who can rewrite the chain and its head is found out by
    `anchored` only, digests by sequence number that were kept elsewhere: then the first event that
    may be another is the one after the last anchor that agrees.
    """
    anchored = anchored or {}
    agreed, (digest, count) = 0, head(session)
    previous, last = NO_EVENTS
    while True:
        page = session.scalars(
            select(AuditEvent)
            .where(AuditEvent.sequence > last)
            .order_by(AuditEvent.sequence)
            .limit(_PAGE)
        ).all()
        for event in page:
            row = {name: getattr(event, name) for name in _DIGESTED}
            if event.sequence != last + 1 or event.digest != digest_of(previous, row):
                return Verdict(last, last + 1)
            previous, last = event.digest, event.sequence
            if anchored.get(last, previous) != previous:
                return Verdict(last, agreed + 1)
            if last in anchored:
                agreed = last
        if len(page) < _PAGE:
            break
        session.expire_all()
    if max(anchored, default=0) > last:
        return Verdict(last, last + 1)
    if count == 0:
        return Verdict(last, None if last == 0 else 1)
    if (count, digest) != (last, previous):
        return Verdict(last, last + 1)
    return Verdict(last)


def _locked_head(session: ScopedSession) -> Head:
    statement = _HEAD[session.get_bind().dialect.name]
    found = run(session, statement, (PARTITION,)).fetchone()
    if found is None:  # perhaps another process begins the chain at this moment
        insert_once(
            session,
            AuditHead,
            {"partition": PARTITION, "digest": NO_EVENTS.digest, "count": NO_EVENTS.sequence},
        )
        found = run(session, statement, (PARTITION,)).fetchone()
    return Head(*found)
