"""Patients: who a message means and what it says of them.

Everything happens within the practice of the context: equal identifiers of two practices are two
people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub.domain.patients import (
    Identifier,
    Patient,
    PatientReference,
)
from hub.domain.patients_matching import (
    Holder,
    matches,
    same_identifier,
    usable,
)
from hub.domain.records import Record
from hub.domain.sensitivity import label_for_all
from hub.errors import Rejected
from hub.services.providers import assign_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    copy_stated,
    digest,
    judge,
    refuse_delete,
    stamp,
)
from hub.storage import labels, merges
from hub.storage import patients as store
from hub.storage.session import ScopedSession
from hub.storage.tables import Patient as PatientRow
from hub.storage.tables import new_id

COPIED = (
    "birth_date",
    "sex",
    "phone",
    "email",
    "language",
    "deceased_at",
    "deceased",
    "race",
    "ethnicity",
    "marital_status",
    "publicity_code",
    "protected",
)


def apply_patient(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or update a patient; None in the record means no change where it is not cleared, an
    empty text clears."""
    refuse_delete(record)
    patient = content_of(record, Patient)
    row, holders = _find(session, context, patient.identifiers)
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome is Outcome.UNCHANGED and row is not None:
        _know(context, row)
        return outcome
    if row is None:
        row = _create(session, context)
    if outcome is not Outcome.STALE:
        _fill(row, patient, record.cleared)
        assign_practitioner(session, context, record, row, primary_provider="primary_provider_id")
        before = row.sensitivity
        stamp(row, context, record, content)
        if before and row.sensitivity != before:  # its own again, but there may be others' in it
            row.sensitivity = label_for_all(
                (row.sensitivity, *merges.labels_of_prior(session, row))
            )
        if row.sensitivity and row.sensitivity != before:
            labels.spread(session, row)
    _know(context, row)
    learn(session, row, patient.identifiers, holders)
    if outcome is not Outcome.STALE:
        store.date_identifiers(
            session, context.practice, row.id, patient.identifiers, record.cleared
        )
    return outcome


def _know(context: ApplyContext, row: PatientRow) -> None:
    if row.sensitivity:
        context.labels[row.id] = row.sensitivity


def resolve(session: ScopedSession, context: ApplyContext, reference: PatientReference) -> str:
    """The id of the live patient a message refers to; created with what it says if unknown."""
    row, holders = _find(session, context, reference.identifiers)
    if row is None:
        row = _create(session, context)
        known = Patient(
            reference.identifiers,
            name=reference.name,
            birth_date=reference.birth_date,
            sex=reference.sex,
        )
        _fill(row, known)
    _know(context, row)
    learn(session, row, reference.identifiers, holders)
    return row.id


def note_other_patient(context: ApplyContext, stored_id: str, stated_id: str) -> None:
    """Report that a source gave a row to another patient than before; its latest word counts."""
    if stored_id != stated_id:
        context.report(
            "other_patient",
            "PID-3",
            "The record now names another patient than before; review both.",
        )


def _find(
    session: ScopedSession, context: ApplyContext, identifiers: Iterable[Identifier]
) -> tuple[PatientRow | None, list[Holder]]:
    """The live patient that the identifiers name, None if unknown, and who holds which of them."""
    practice = context.practice
    stated = usable(identifiers)
    if not stated:
        raise Rejected(
            "No identifier names the patient; a social security or account number does not count.",
            reason="no_patient_identifier",
            path="PID-3",
        )
    holders = store.find_holders(session, practice, stated)
    found = matches(stated, holders)
    if not found:
        return None, holders
    report_conflict(session, context, found, path="PID-3")
    return store.live(session, practice, found[0]), holders


def report_conflict(
    session: ScopedSession, context: ApplyContext, found: Sequence[str], *, path: str
) -> None:
    if len(found) < 2:
        return
    if len({store.live(session, context.practice, patient).id for patient in found}) > 1:
        context.report(
            "identifier_conflict",
            path,
            "Two identifiers name two different patients; the first one was used.",
        )


def _create(session: ScopedSession, context: ApplyContext) -> PatientRow:
    row = PatientRow(
        practice_id=context.practice,
        id=new_id(),
        sensitivity="",
        connection_id=context.connection_id,
        received_at=context.received_at,
        inbox_id=context.inbox_id,
    )
    store.add(session, row)
    return row


def learn(
    session: ScopedSession,
    row: PatientRow,
    identifiers: Iterable[Identifier],
    holders: Sequence[Holder],
) -> None:
    """Add the identifiers that nobody holds yet; those of another patient stay there."""
    new = [
        identifier
        for identifier in usable(identifiers)
        if not any(same_identifier(identifier, holder.identifier) for holder in holders)
    ]
    store.add_identifiers(session, row.practice_id, row.id, new, label=row.sensitivity or "")


def _fill(row: PatientRow, patient: Patient, cleared: Sequence[str] = ()) -> None:
    if patient.deceased is False or "deceased" in cleared:
        cleared = (*cleared, "deceased_at")  # who has not died has no time of death
    if patient.name is not None:
        row.family_name, row.given_name = patient.name.family, patient.name.given
        row.middle_name = patient.name.middle
    if patient.address is not None:
        row.line1, row.line2 = patient.address.line1, patient.address.line2
        row.city, row.state = patient.address.city, patient.address.state
        row.postal_code = patient.address.postal_code
    restated = patient.birth_date is not None or "birth_date" in cleared
    if restated or (patient.birth_date_stated and row.birth_date is None):
        row.birth_date_stated = patient.birth_date_stated or ""
    if patient.deceased_at is not None or "deceased_at" in cleared:
        row.deceased_at_precision = patient.deceased_at_precision
    copy_stated(row, patient, COPIED, cleared)
