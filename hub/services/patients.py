"""Patients: who a message means, what it says of them, and merges (HL7 v2.5.1 §3.3, A40).

Everything happens within the practice of the context: equal identifiers of two practices are two
people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from hub.domain.patients import (
    Identifier,
    Patient,
    PatientMerge,
    PatientReference,
    PatientUnmerge,
)
from hub.domain.patients_matching import (
    Holder,
    decide_merge,
    matches,
    same_identifier,
    usable,
)
from hub.domain.records import Record
from hub.domain.sensitivity import label_for_all
from hub.errors import Conflict, NotFound, Rejected
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
    strongest,
)
from hub.storage import labels
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
        if row.sensitivity and row.sensitivity != before:
            labels.spread(session, row)
    _know(context, row)
    _learn(session, row, patient.identifiers, holders)
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
    _learn(session, row, reference.identifiers, holders)
    return row.id


def note_other_patient(context: ApplyContext, stored_id: str, stated_id: str) -> None:
    """Report that a source gave a row to another patient than before; its latest word counts."""
    if stored_id != stated_id:
        context.report(
            "other_patient",
            "PID-3",
            "The record now names another patient than before; review both.",
        )


def apply_merge(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Link the prior patient to the survivor, once; Rejected where a person must decide.

    An unknown survivor is created; an unknown prior becomes another identifier of the survivor.
    """
    merge = content_of(record, PatientMerge)
    refuse_delete(record)
    prior = usable(merge.prior)
    survivor = tuple(
        identifier
        for identifier in usable(merge.survivor.identifiers)
        if not any(same_identifier(identifier, other) for other in prior)
    )
    if not prior or not survivor:
        raise Rejected(
            "A merge needs an identifier of the survivor and another one of the prior patient.",
            reason="merge_without_identifiers",
            path="MRG-1",
        )
    described = replace(record, data=replace(merge.survivor, identifiers=survivor))
    outcome = apply_patient(session, context, described)
    return strongest((outcome, _merge(session, context, record, survivor, prior)))


def _merge(
    session: ScopedSession,
    context: ApplyContext,
    record: Record,
    survivor: Sequence[Identifier],
    prior: Sequence[Identifier],
) -> Outcome:
    practice = context.practice
    session.flush()
    holders = store.find_holders(session, practice, [*survivor, *prior])
    survivor_chain = store.merge_chain(session, practice, matches(survivor, holders)[0])
    found = matches(prior, holders)
    if not found:
        kept = store.get(session, practice, survivor_chain[-1])
        store.add_identifiers(session, practice, kept.id, prior, label=kept.sensitivity)
        return Outcome.CHANGED
    prior_chain = store.merge_chain(session, practice, found[0])
    _report_conflict(session, context, found, path="MRG-1")
    decision = decide_merge(survivor_chain, prior_chain)
    if decision == "already_merged":
        _report_same(context, survivor_chain[0], found[0])
        return Outcome.UNCHANGED
    if decision != "link":
        raise Rejected(
            "The merge contradicts an earlier one; undo that one first if this one is right.",
            reason=f"merge_{decision}",
            path="MRG-1",
        )
    merged_at = record.occurred_at or context.received_at
    _refuse_undone(session, context, found[0], survivor_chain[-1], merged_at)
    row = store.get(session, practice, found[0])
    survivor_row = store.get(session, practice, survivor_chain[-1])
    _learn(session, row, prior, holders)
    store.link(session, row, survivor_row, inbox_id=context.inbox_id, merged_at=merged_at)
    survivor_row.sensitivity = label_for_all((survivor_row.sensitivity, row.sensitivity))
    if survivor_row.sensitivity:
        labels.spread(session, survivor_row)
    return Outcome.CHANGED


def _report_same(context: ApplyContext, survivor_id: str, prior_id: str) -> None:
    """Two identifiers of one patient, unlike a link there is already, leave nothing to merge."""
    if survivor_id == prior_id:
        context.report(
            "merge_same_patient",
            "MRG-1",
            "The prior identifier is of the survivor already; nothing was merged.",
        )


def _refuse_undone(
    session: ScopedSession,
    context: ApplyContext,
    prior_id: str,
    survivor_id: str,
    merged_at: datetime,
) -> None:
    """A replay must not repeat what a person has undone; a later merge may."""
    last = store.last_merge(session, context.practice, prior_id)
    if last is None or last.undone_at is None or last.survivor_id != survivor_id:
        return
    if merged_at <= last.merged_at or (context.inbox_id and context.inbox_id == last.inbox_id):
        raise Rejected(
            "The merge was undone by a person and is not repeated.",
            reason="merge_undone",
            path="MRG-1",
        )


def undo_merge(session: ScopedSession, practice_id: str, prior_id: str, *, now: datetime) -> None:
    """Separate a prior patient again; the rows the merge moved go back, later ones stay.

    `now` is aware. Raises NotFound if the patient was never merged, Conflict if not merged now.
    """
    merge = store.last_merge(session, practice_id, prior_id)
    if merge is None:
        raise NotFound
    if merge.undone_at is not None:
        raise Conflict("The merge is undone already.")
    store.unlink(session, merge, now=now)


def apply_unmerge(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Undo the merge in force between two patients; one that came after the message stays.

    Identifiers that a merge gave to a patient, for want of another, cannot be told apart again: a
    person must decide.
    """
    refuse_delete(record)
    stated = content_of(record, PatientUnmerge)
    practice = context.practice
    holders = store.find_holders(session, practice, [*usable(stated.first), *usable(stated.second)])
    first, second = (matches(usable(ids), holders) for ids in (stated.first, stated.second))
    if not first or not second:
        raise Rejected(
            "One of the two patients is not known.", reason="unknown_patient", path="PID-3"
        )
    if first[0] == second[0]:
        raise Rejected(
            "Both identifiers were stated for one patient; review it, they were not parted.",
            reason="unmerge_same_patient",
            path="PID-3",
        )
    for prior, survivor in ((first[0], second[0]), (second[0], first[0])):
        if survivor not in store.merge_chain(session, practice, prior):
            continue
        merge = store.last_merge(session, practice, prior)
        if merge is None or merge.undone_at is not None:
            continue
        stated_at = record.occurred_at or context.received_at
        if stated_at < merge.merged_at:
            return Outcome.STALE
        store.unlink(session, merge, now=stated_at)
        return Outcome.CHANGED
    return Outcome.UNCHANGED


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
    _report_conflict(session, context, found, path="PID-3")
    return store.live(session, practice, found[0]), holders


def _report_conflict(
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


def _learn(
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
