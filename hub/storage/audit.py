"""The audit trail: one row per event, each with a digest over itself and the digest before it.

`append` and `append_all` run in the transaction of their caller and hold the head row until that
commits, so that the chain never forks; whoever needs other locks as well takes them before. Events
of many readers share a transaction (`Database.gather`). Events carry no values: types, counts,
opaque ids and keyed digests of patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from hub.storage.bulk import insert_rows, pipelined, run
from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent, AuditHead, new_id
from hub.storage.upsert import insert_once

PARTITION = "main"
GENESIS = "0" * 64
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


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what for which purpose.

    `action` is read, write or execute; `outcome` success, denied or failed; `entities` counts rows
    per type; `subjects` are keyed digests of patients, never ids or values; `reason` a fixed text.
    """

    now: datetime
    principal_id: str
    principal_name: str
    purpose: str
    action: str
    outcome: str
    operation: str = ""
    entities: Mapping[str, int] = field(default_factory=dict)
    practice_ids: Iterable[str] = ()
    subjects: Iterable[str] = ()
    reason: str = ""


def append(session: ScopedSession, **facts: Any) -> None:
    """Add one event, of the members of `Event`, to the chain."""
    append_all(session, [Event(**facts)])


def append_all(session: ScopedSession, events: Sequence[Event]) -> None:
    """Add events to the chain in their order; its head is held until the caller commits."""
    digest, count = _locked_head(session)
    rows = []
    for event in events:
        count += 1
        row = _row(event, count)
        row["digest"] = digest = _digest(digest, row)
        rows.append(row)
    dialect = session.get_bind().dialect.name
    with pipelined(session):
        insert_rows(session, _EVENTS, rows)
        run(session, _MOVE_HEAD[dialect], (digest, count, PARTITION))


def _row(event: Event, sequence: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "id": new_id(),
        "recorded_at": event.now,
        "principal_id": event.principal_id,
        "principal_name": event.principal_name,
        "purpose": event.purpose,
        "action": event.action,
        "outcome": event.outcome,
        "operation": event.operation,
        "entities": dict(event.entities),
        "practice_ids": sorted(event.practice_ids),
        "subjects": sorted(event.subjects),
        "reason": event.reason,
    }


def head(session: ScopedSession) -> tuple[int, str]:
    """How many events there are, and the digest of the last one."""
    row = session.get(AuditHead, PARTITION)
    return (0, GENESIS) if row is None else (row.count, row.digest)


def verify(session: ScopedSession, anchored: Mapping[int, str] | None = None) -> Verdict:
    """Walk the whole chain: every digest, every sequence number, and the head.

    A changed, missing or added event is named by its sequence number; a cut tail by the number of
    the first event that is gone. Someone who can rewrite the chain and its head is found out by
    `anchored` only, digests by sequence number that were kept elsewhere: then the first event that
    may be another is the one after the last anchor that agrees.
    """
    anchored = anchored or {}
    agreed, count, digest = 0, *head(session)
    previous, last = GENESIS, 0
    while True:
        page = session.scalars(
            select(AuditEvent)
            .where(AuditEvent.sequence > last)
            .order_by(AuditEvent.sequence)
            .limit(_PAGE)
        ).all()
        for event in page:
            row = {name: getattr(event, name) for name in _DIGESTED}
            if event.sequence != last + 1 or event.digest != _digest(previous, row):
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


def _locked_head(session: ScopedSession) -> tuple[str, int]:
    """The last digest and how many events there are."""
    statement = _HEAD[session.get_bind().dialect.name]
    found = run(session, statement, (PARTITION,)).fetchone()
    if found is None:  # perhaps another process begins the chain at this moment
        insert_once(session, AuditHead, {"partition": PARTITION, "digest": GENESIS, "count": 0})
        found = run(session, statement, (PARTITION,)).fetchone()
    digest, count = found
    return digest, count


def _digest(previous: str, row: Mapping[str, Any]) -> str:
    """SHA-256 of the digest before and the event as JSON with sorted keys."""
    body = {**row, "recorded_at": row["recorded_at"].isoformat()}
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous.encode() + canonical).hexdigest()
