"""The audit trail: one row per event, each with a digest over itself and the digest before it.

`append` runs in the transaction of its caller and holds the head row until that commits, so that
the chain never forks. Events carry no values: types, counts, opaque ids and keyed digests of
patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent, AuditHead, new_id

PARTITION = "main"
GENESIS = "0" * 64
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`events` were checked; `bad_sequence` is the first event that does not fit, None if all
    do."""

    events: int
    bad_sequence: int | None = None

    @property
    def intact(self) -> bool:
        return self.bad_sequence is None


def append(
    session: ScopedSession,
    *,
    now: datetime,
    principal_id: str,
    principal_name: str,
    purpose: str,
    action: str,
    outcome: str,
    operation: str = "",
    entities: Mapping[str, int] | None = None,
    practice_ids: Iterable[str] = (),
    subjects: Iterable[str] = (),
    reason: str = "",
) -> AuditEvent:
    """Add one event to the chain.

    `action` is read, write or execute; `outcome` success, denied or failed; `entities` counts rows
    per type; `subjects` are keyed digests of patients, never ids or values; `reason` a fixed text.
    """
    head = _locked_head(session)
    event = AuditEvent(
        sequence=head.count + 1,
        id=new_id(),
        recorded_at=now,
        principal_id=principal_id,
        principal_name=principal_name,
        purpose=purpose,
        action=action,
        outcome=outcome,
        operation=operation,
        entities=dict(entities or {}),
        practice_ids=sorted(practice_ids),
        subjects=sorted(subjects),
        reason=reason,
        digest="",
    )
    event.digest = _digest(head.digest, event)
    head.digest, head.count = event.digest, event.sequence
    session.add(event)
    session.flush()
    return event


def verify(session: ScopedSession) -> Verdict:
    """Walk the whole chain: every digest, every sequence number, and the head.

    A changed, missing or added event is named by its sequence number; a cut tail by the number of
    the first event that is gone. Someone who can rewrite the chain and its head is not found out
    here.
    """
    head = session.get(AuditHead, PARTITION)
    previous, last = GENESIS, 0
    while True:
        page = session.scalars(
            select(AuditEvent)
            .where(AuditEvent.sequence > last)
            .order_by(AuditEvent.sequence)
            .limit(_PAGE)
        ).all()
        for event in page:
            if event.sequence != last + 1 or event.digest != _digest(previous, event):
                return Verdict(last, last + 1)
            previous, last = event.digest, event.sequence
        if len(page) < _PAGE:
            break
        session.expire_all()
    if head is None:
        return Verdict(last, None if last == 0 else 1)
    if head.count != last or head.digest != previous:
        return Verdict(last, last + 1)
    return Verdict(last)


def _locked_head(session: ScopedSession) -> AuditHead:
    statement = (
        select(AuditHead)
        .where(AuditHead.partition == PARTITION)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    head = session.scalar(statement)
    if head is None:
        try:
            with session.begin_nested():
                session.add(AuditHead(partition=PARTITION, digest=GENESIS, count=0))
        except IntegrityError:
            pass  # another process began the chain meanwhile
        head = session.scalars(statement).one()
    return head


def _digest(previous: str, event: AuditEvent) -> str:
    """SHA-256 of the digest before and the event as JSON with sorted keys."""
    body: dict[str, Any] = {
        "sequence": event.sequence,
        "id": event.id,
        "recorded_at": event.recorded_at.isoformat(),
        "principal_id": event.principal_id,
        "principal_name": event.principal_name,
        "purpose": event.purpose,
        "action": event.action,
        "outcome": event.outcome,
        "operation": event.operation,
        "entities": event.entities,
        "practice_ids": event.practice_ids,
        "subjects": event.subjects,
        "reason": event.reason,
    }
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous.encode() + canonical).hexdigest()
