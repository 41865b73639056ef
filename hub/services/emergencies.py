"""Emergency access (break-glass): the labelled records of one patient for a bounded time.

A person of the practice asks for it and says why (45 CFR 164.312(a)(2)(ii), 42 CFR 2.51). It ends
by itself and is never renewed; each one stays in a queue until somebody else of the practice has
signed that they looked at it. It has a label itself, as it tells of labelled records. Its start and
its stop are in the audit trail (DICOM PS3.16 DCM 110127, 110138), with the patient: without a trail
there is no access.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from hub.domain.agreements import Emergency, Principal, in_emergency, practice_scope
from hub.domain.sensitivity import RESTRICTED
from hub.errors import Conflict, NotFound, Rejected
from hub.services.operators import stated_reason
from hub.storage import audit, patients
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import EmergencyAccess, Patient, PatientIdentifier

LONGEST = timedelta(minutes=60)
USUAL_MINUTES = 30
PURPOSE = "ETREAT"
"""HL7 v3 PurposeOfUse: emergency treatment."""
START, STOP = "emergency access start", "emergency access stop"
LONGEST_PERSON = 200


def patient_named(session: ScopedSession, practice_id: str, named: str) -> str:
    """The id of a patient of the practice, whom an id or one record number names; labelled ones
    too: the session is the hub's own. Of one that was merged, that of whoever has the records now.
    NotFound for none, and for a number that several have."""
    if session.get(Patient, (practice_id, named)) is not None:
        return patients.live(session, practice_id, named).id
    holders = session.scalars(
        select(PatientIdentifier.patient_id)
        .where(PatientIdentifier.practice_id == practice_id, PatientIdentifier.value == named)
        .distinct()
        .limit(2)
    ).all()
    if len(holders) != 1:
        raise NotFound(sought=named)
    return patients.live(session, practice_id, holders[0]).id


def start(
    session: ScopedSession,
    crypto: Crypto,
    principal: Principal,
    *,
    practice_id: str,
    patient: str,
    person: str,
    reason: str,
    minutes: int,
    now: datetime,
) -> str:
    """Open the records of a `patient` (see `patient_named`), for the session too; returns the
    access's id. Raises NotFound, Rejected for what is not stated, Conflict while the credential has
    one for the patient: it has to end first."""
    stated, who = stated_reason(reason), person.strip()
    if not 1 <= len(who) <= LONGEST_PERSON:
        raise Rejected(f"Say who asks, in 1 to {LONGEST_PERSON} characters.", path="person")
    if not timedelta(0) < timedelta(minutes=minutes) <= LONGEST:
        raise Rejected("An emergency access lasts 1 to 60 minutes.", path="minutes")
    with session.reading_as(practice_scope(practice_id)) as of_the_hub:
        patient_id = patient_named(of_the_hub, practice_id, patient)
    emergency = Emergency(practice_id, patient_id, stated)
    session.work_for(in_emergency(session.scope, emergency))
    session.get_one(Patient, (practice_id, patient_id), with_for_update=True)  # one at a time
    lasting = select(EmergencyAccess.id).where(
        EmergencyAccess.practice_id == practice_id,
        EmergencyAccess.patient_id == patient_id,
        EmergencyAccess.client_id == principal.id,
        EmergencyAccess.stopped_at.is_(None),
        EmergencyAccess.ends_at > now,
    )
    if session.scalar(lasting.limit(1)) is not None:
        raise Conflict("There is an emergency access to this patient already.")
    row = EmergencyAccess(
        practice_id=practice_id,
        patient_id=patient_id,
        client_id=principal.id,
        opened_by=principal.name,
        person=who,
        reason=stated,
        started_at=now,
        ends_at=now + timedelta(minutes=minutes),
        sensitivity=RESTRICTED,
    )
    session.add(row)
    session.flush()
    _record(session, crypto, row, START, now)
    return row.id


def stop(
    session: ScopedSession,
    crypto: Crypto,
    principal: Principal,
    *,
    practice_id: str,
    access_id: str,
    now: datetime,
) -> None:
    """End a credential's own access before its time; the session works for it from here on. Raises
    NotFound, or Conflict if it ends meanwhile."""
    with session.reading_as(practice_scope(practice_id)) as of_the_hub:
        found = under_way(of_the_hub, principal, access_id, now)
    if found is None:
        raise NotFound(sought=access_id)
    emergency, _ = found
    session.work_for(in_emergency(session.scope, emergency))
    row = session.get_one(EmergencyAccess, (emergency.practice_id, access_id), with_for_update=True)
    if is_over(row, now):
        raise Conflict("The emergency access is over.")
    _stop(session, crypto, row, now, now)


def review(
    session: ScopedSession,
    principal: Principal,
    *,
    practice_id: str,
    access_id: str,
    note: str,
    now: datetime,
) -> None:
    """Sign that an access was looked at, once it is over and by another credential than its own.
    Raises NotFound, Conflict or Rejected."""
    row = session.get(EmergencyAccess, (practice_id, access_id), with_for_update=True)
    if row is None:
        raise NotFound(sought=access_id)
    if row.client_id == principal.id:
        raise Rejected("Somebody else reviews an emergency access.", path="emergencyAccessId")
    if not is_over(row, now):
        raise Conflict("The emergency access is not over.")
    if row.reviewed_at is not None:
        raise Conflict("The emergency access was reviewed.")
    row.reviewed_at, row.reviewed_by, row.review_note = now, principal.name, stated_reason(note)
    session.flush()


def is_over(row: EmergencyAccess, now: datetime) -> bool:
    return row.stopped_at is not None or now >= row.ends_at


def under_way(
    session: ScopedSession, principal: Principal, access_id: str, now: datetime
) -> tuple[Emergency, datetime] | None:
    """The access of a credential's own and when it ends; None if there is none now. The session is
    the hub's own: the access is hidden from whoever opened it."""
    if principal.practice_id is None or not principal.break_glass:
        return None
    row = session.get(EmergencyAccess, (principal.practice_id, access_id))
    if row is None or row.client_id != principal.id or is_over(row, now):
        return None
    return Emergency(row.practice_id, row.patient_id, row.reason), row.ends_at


def stop_expired(session: ScopedSession, crypto: Crypto, *, now: datetime) -> int:
    """Write down the end of accesses whose time is over; how many."""
    ended = session.scalars(
        select(EmergencyAccess)
        .where(EmergencyAccess.stopped_at.is_(None), EmergencyAccess.ends_at <= now)
        .with_for_update(skip_locked=True)
    ).all()
    for row in ended:
        _stop(session, crypto, row, row.ends_at, now)
    return len(ended)


def _stop(
    session: ScopedSession, crypto: Crypto, row: EmergencyAccess, at: datetime, now: datetime
) -> None:
    row.stopped_at = at
    session.flush()
    _record(session, crypto, row, STOP, now)


def _record(
    session: ScopedSession, crypto: Crypto, row: EmergencyAccess, operation: str, now: datetime
) -> None:
    audit.append(
        session,
        now=now,
        principal_id=row.client_id,
        principal_name=row.opened_by,
        purpose=PURPOSE,
        action="execute",
        outcome="success",
        operation=operation,
        entities={"EmergencyAccess": 1},
        practice_ids={row.practice_id},
        subjects=crypto.subjects([(row.practice_id, row.patient_id)]),
        reason=row.reason,
    )
