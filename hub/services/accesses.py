"""Who saw a patient, and what somebody saw: the audit trail as an accounting of accesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.errors import NotFound
from hub.services.operators import Operator, record
from hub.storage import audit_subjects
from hub.storage.crypto import Crypto, SubjectNames
from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent, Client, Consent, EmergencyAccess, Patient

MOST = 10_000
_LABELLED = frozenset({Consent.__name__, EmergencyAccess.__name__})
"""Types whose every row has a label."""
_MARK = ".sensitive"
"""Behind the name of a type: how many of its rows had a label."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`patient` is a patient's id, `by` the id or name of a credential, or `os:` and the name of a
    user of this machine; `since` (included) and `until` (not) are aware."""

    patient: str | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def find(
    session: ScopedSession, crypto: Crypto, wanted: Wanted, *, limit: int
) -> Sequence[AuditEvent]:
    """Events, newest first. Those of a patient include events about records that were merged into
    theirs. Raises NotFound for a patient who is unknown or whom the session may not see."""
    found = select(AuditEvent)
    if wanted.patient is not None:
        names = _names(session, crypto, wanted.patient)
        found = found.where(audit_subjects.about(session, names))
    if wanted.by is not None:
        named = session.scalars(select(Client.id).where(Client.name == wanted.by)).all()
        found = found.where(AuditEvent.principal_id.in_({wanted.by, *named}))
    if wanted.since is not None:
        found = found.where(AuditEvent.recorded_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(AuditEvent.recorded_at < wanted.until)
    newest = found.order_by(AuditEvent.recorded_at.desc(), AuditEvent.id.desc())
    return session.scalars(newest.limit(min(limit, MOST))).all()


@dataclass(frozen=True, slots=True)
class Told:
    """An event as somebody may know of it."""

    event: AuditEvent
    entities: Mapping[str, int]
    reason: str


def told(session: ScopedSession, crypto: Crypto, wanted: Wanted, *, limit: int) -> Sequence[Told]:
    """`find` for the session's scope: who is not shown labelled records of the patient's practice
    is told of no access to them either, since it would say that there are some."""
    practice = select(Patient.practice_id).where(Patient.id == wanted.patient)
    if session.scalar(practice) in session.scope.sensitive_practices(Patient.domain):
        found = find(session, crypto, wanted, limit=limit)
        return [Told(event, event.entities, event.reason) for event in found]
    asked = limit
    while True:
        found = find(session, crypto, wanted, limit=asked)
        known = [each for each in map(_without_labels, found) if each is not None]
        if len(known) >= limit or len(found) < asked or asked >= MOST:
            return known[:limit]
        asked = min(4 * asked, MOST)


def _without_labels(event: AuditEvent) -> Told | None:
    """None if there is nothing else in it. The reason of one that had some may be an emergency."""
    labelled = {name for name in event.entities if name in _LABELLED or name.endswith(_MARK)}
    if not labelled:
        return Told(event, event.entities, event.reason)
    left = {
        name: count - event.entities.get(name + _MARK, 0)
        for name, count in event.entities.items()
        if name not in labelled
    }
    entities = {name: count for name, count in left.items() if count > 0}
    return Told(event, entities, "") if entities else None


def patients_of(
    session: ScopedSession, crypto: Crypto, events: Sequence[AuditEvent]
) -> dict[int, list[str]]:
    """The ids of the patients each event is about, by its number."""
    practices = {practice for event in events for practice in event.practice_ids}
    stored = select(Patient.practice_id, Patient.id).where(Patient.practice_id.in_(practices))
    known = {
        name: patient
        for practice, patient in session.execute(stored)
        for name in crypto.subject_names(practice, patient)
    }
    return {
        event.sequence: sorted(known[name] for name in event.subjects if name in known)
        for event in events
    }


def note(
    session: ScopedSession, operator: Operator, wanted: Wanted, count: int, *, now: datetime
) -> None:
    """Looking into the audit trail is in it too; for whom is not said."""
    asked = [name for name in ("patient", "by") if getattr(wanted, name) is not None]
    record(
        session,
        operator,
        action="read",
        operation=" --".join(["audit list", *asked]),
        entity="AuditEvent",
        count=count,
        now=now,
    )


def _names(session: ScopedSession, crypto: Crypto, patient_id: str) -> list[SubjectNames]:
    practice = session.scalar(select(Patient.practice_id).where(Patient.id == patient_id))
    if practice is None:
        raise NotFound("There is no such patient.")
    ids, newer = {patient_id}, {patient_id}
    while newer:
        prior = select(Patient.id).where(
            Patient.practice_id == practice, Patient.merged_into_id.in_(newer)
        )
        newer = set(session.scalars(prior)) - ids
        ids |= newer
    return [crypto.subject_names(practice, each) for each in sorted(ids)]
