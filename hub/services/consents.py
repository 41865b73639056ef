"""The register of patients' consents: who lets the MSO see records with which label, and for how
long (42 CFR 2.31).

What was recorded is never changed: a consent is revoked, once, and another is recorded. Both count
at the next request, as triggers count the policy's version with them. The practice keeps the signed
document; the register says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from hub.domain.agreements import Purpose
from hub.domain.sensitivity import RESTRICTED, label_of
from hub.errors import Conflict, NotFound, Rejected
from hub.services.consent_references import sealed
from hub.storage import audit, patients
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Consent, Patient, Practice, new_id

LONGEST = 200
EARLIEST = 1900
"""The first year of a consent; moments of the first years there are have no place in UTC."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who keeps the register: a credential or an operator, and for which purpose."""

    id: str
    name: str
    purpose: Purpose


_HUB = Actor("", "the hub", Purpose.OPERATIONS)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a patient agreed to: records with which label, for which purpose (None: every one), from
    which day (None: that it was granted on) until before which (None: open), and where the signed
    document is. Days are the practice's."""

    label: str
    purpose: Purpose | None
    granted_on: date
    starts_on: date | None
    ends_on: date | None
    reference: str


def record(
    session: ScopedSession,
    crypto: Crypto,
    actor: Actor,
    *,
    practice_id: str,
    patient_id: str,
    terms: Terms,
    now: datetime,
    reason: str = "",
) -> Consent:
    """Write a consent down; of a patient that was merged, for whoever has the records now. Audited.
    Raises NotFound, Rejected, or Conflict where one of the days is covered already."""
    if session.get(Patient, (practice_id, patient_id)) is None:
        raise NotFound(sought=patient_id)
    patient = patients.live(session, practice_id, patient_id)
    session.refresh(patient, with_for_update=True)  # one at a time
    row = _row(session, crypto, patient, terms, now)
    if any(_overlap(row, other) for other in _of(session, practice_id, patient.id)):
        raise Conflict("There is a consent for some of these days already; revoke it first.")
    row.recorded_at, row.recorded_by = now, actor.name
    session.add(row)
    session.flush()
    _audit(session, crypto, actor, practice_id, [row], "consent record", now, reason=reason)
    return row


def revoke(
    session: ScopedSession,
    crypto: Crypto,
    actor: Actor,
    *,
    practice_id: str,
    consent_id: str,
    reference: str,
    now: datetime,
    reason: str = "",
) -> Consent:
    """End a consent at once, also one that was to begin later, and those that say the same of some
    moment, as a merge may leave two: either would go on to show the records. Audited. Raises
    NotFound, Rejected, or Conflict if it is over."""
    row = session.get(Consent, (practice_id, consent_id), with_for_update=True)
    if row is None:
        raise NotFound(sought=consent_id)
    if row.revoked_at is not None or (row.ends_at is not None and row.ends_at <= now):
        raise Conflict("The consent is over.")
    stated = _reference(reference, required=False)
    for each in _of(session, practice_id, row.patient_id):
        if _overlap(row, each):
            each.revocation_reference = sealed(crypto, each, "revocation_reference", stated)
            each.revoked_at, each.revoked_by = now, actor.name
            _audit(
                session, crypto, actor, practice_id, [each], "consent revoke", now, reason=reason
            )
    session.flush()
    return row


def revoke_since(
    session: ScopedSession,
    crypto: Crypto,
    *,
    practice_id: str,
    patient_id: str,
    since: datetime,
    now: datetime,
    reason: str,
) -> None:
    """The hub itself ends the consents recorded of a patient since a moment. Audited."""
    found = [row for row in _of(session, practice_id, patient_id) if row.recorded_at >= since]
    for row in found:
        row.revoked_at, row.revoked_by = now, reason
    session.flush()
    if found:
        _audit(session, crypto, _HUB, practice_id, found, "consent revoke", now, reason=reason)


def listed(
    session: ScopedSession,
    crypto: Crypto,
    actor: Actor,
    *,
    practice_id: str,
    patient_id: str | None,
    now: datetime,
) -> Sequence[Consent]:
    """Every consent of a practice or of one of its patients, those that are over too, the latest
    first. Audited, as it tells of the patients."""
    query = select(Consent).where(Consent.practice_id == practice_id)
    if patient_id is not None:
        query = query.where(Consent.patient_id == patient_id)
    found = session.scalars(query.order_by(Consent.granted_on.desc(), Consent.id.desc())).all()
    _audit(session, crypto, actor, practice_id, found, "consent list", now, action="read")
    return found


def _row(
    session: ScopedSession, crypto: Crypto, patient: Patient, terms: Terms, now: datetime
) -> Consent:
    """Raises Rejected for terms that say nothing."""
    label = label_of(terms.label)
    if not label or label == RESTRICTED:
        raise Rejected(
            "Name a sensitivity label that says which records, such as SUD.", path="sensitivity"
        )
    zone = ZoneInfo(session.get_one(Practice, patient.practice_id).zone)
    starts_on = terms.starts_on or terms.granted_on
    if terms.granted_on > now.astimezone(zone).date():
        raise Rejected("A consent was granted today or before.", path="grantedOn")
    if terms.granted_on.year < EARLIEST:
        raise Rejected(f"A consent was granted in {EARLIEST} or later.", path="grantedOn")
    if starts_on < terms.granted_on:
        raise Rejected("A consent begins on the day it was granted, or later.", path="startsOn")
    if terms.ends_on is not None and terms.ends_on <= starts_on:
        raise Rejected("A consent ends after the day it begins.", path="endsOn")
    row = Consent(
        practice_id=patient.practice_id,
        id=new_id(),
        patient_id=patient.id,
        sensitivity=label,
        purpose=None if terms.purpose is None else terms.purpose.value,
        granted_on=terms.granted_on,
        starts_at=datetime.combine(starts_on, time(), zone),
        ends_at=None if terms.ends_on is None else datetime.combine(terms.ends_on, time(), zone),
    )
    row.reference = sealed(crypto, row, "reference", _reference(terms.reference, required=True))
    return row


def _reference(text: str, *, required: bool) -> str:
    reference = text.strip()
    if not required <= len(reference) <= LONGEST:
        raise Rejected(
            f"A reference has {int(required)} to {LONGEST} characters.", path="reference"
        )
    return reference


def _of(session: ScopedSession, practice_id: str, patient_id: str) -> Sequence[Consent]:
    return session.scalars(
        select(Consent).where(
            Consent.practice_id == practice_id,
            Consent.patient_id == patient_id,
            Consent.revoked_at.is_(None),
        )
    ).all()


def _overlap(one: Consent, other: Consent) -> bool:
    """Whether both say the same of some moment."""
    if one.sensitivity != other.sensitivity:
        return False
    if one.purpose and other.purpose and one.purpose != other.purpose:
        return False
    before = other.ends_at is None or one.starts_at < other.ends_at
    return before and (one.ends_at is None or other.starts_at < one.ends_at)


def _audit(
    session: ScopedSession,
    crypto: Crypto,
    actor: Actor,
    practice_id: str,
    rows: Sequence[Consent],
    operation: str,
    now: datetime,
    *,
    action: Literal["read", "write"] = "write",
    reason: str = "",
) -> None:
    audit.append(
        session,
        now=now,
        principal_id=actor.id,
        principal_name=actor.name,
        purpose=actor.purpose.value,
        action=action,
        outcome="success",
        operation=operation,
        entities={"Consent": len(rows)},
        practice_ids={practice_id},
        subjects=crypto.subjects({(practice_id, row.patient_id) for row in rows}),
        reason=reason,
    )
