"""Merges of patients: whose rows move with them, and back when a merge is undone; all within one
practice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import select, update

from hub.storage.patients import get, is_given_rows, merge_chain
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Allergy,
    Appointment,
    CareRole,
    Charge,
    ClinicalDocument,
    ClinicalOrder,
    Consent,
    Coverage,
    Diagnosis,
    EligibilityCheck,
    EmergencyAccess,
    Encounter,
    Guarantor,
    Immunization,
    Observation,
    Patient,
    PatientAddress,
    PatientContact,
    PatientIdentifier,
    PatientMerge,
    PatientName,
    PatientTelecom,
    Procedure,
)

OF_A_PATIENT: tuple[type[Any], ...] = (
    Appointment,
    Encounter,
    Observation,
    ClinicalOrder,
    ClinicalDocument,
    Immunization,
    Allergy,
    Diagnosis,
    Procedure,
    Guarantor,
    Charge,
    Coverage,
    EligibilityCheck,
    Consent,
)
"""Tables whose rows follow their patient into a merge; identifiers stay and resolve by the link."""

DESCRIBE_A_PATIENT: tuple[type[Any], ...] = (
    PatientIdentifier,
    PatientName,
    PatientAddress,
    PatientTelecom,
    PatientContact,
    CareRole,
    EmergencyAccess,
)
"""Tables whose rows stay with the patient they were stated for."""

CHUNK = 500
_ENDED = "ended_coverages"
"""Under which a merge keeps the ids of coverages that it ended."""


def last(session: ScopedSession, practice_id: str, prior_id: str) -> PatientMerge | None:
    """The merge of a prior patient that is in force, else the latest one that was undone."""
    return session.scalars(
        select(PatientMerge)
        .where(PatientMerge.practice_id == practice_id, PatientMerge.prior_id == prior_id)
        .order_by(
            PatientMerge.undone_at.is_not(None), PatientMerge.merged_at.desc(), PatientMerge.id
        )
        .limit(1)
    ).first()


def last_undone(
    session: ScopedSession, practice_id: str, prior_id: str, survivor_id: str
) -> PatientMerge | None:
    """The latest merge of a prior patient into this survivor that was undone."""
    return session.scalars(
        select(PatientMerge)
        .where(
            PatientMerge.practice_id == practice_id,
            PatientMerge.prior_id == prior_id,
            PatientMerge.survivor_id == survivor_id,
            PatientMerge.undone_at.is_not(None),
        )
        .order_by(PatientMerge.merged_at.desc(), PatientMerge.id)
        .limit(1)
    ).first()


def link(
    session: ScopedSession,
    prior: Patient,
    survivor: Patient,
    *,
    inbox_id: str | None,
    merged_at: datetime,
) -> None:
    """Merge `prior` into `survivor`: its rows move, its identifiers resolve by the link. Of a
    coverage that both have the survivor's stays active."""
    prior.status = "merged"
    prior.merged_into_id = survivor.id
    moved = _move(session, prior.practice_id, prior.id, survivor.id)
    if ended := _end_doubled(session, survivor, moved.get(Coverage.__tablename__, ())):
        moved[_ENDED] = ended
    session.add(
        PatientMerge(
            practice_id=prior.practice_id,
            survivor_id=survivor.id,
            prior_id=prior.id,
            inbox_id=inbox_id,
            merged_at=merged_at,
            moved=moved,
        )
    )


def unlink(session: ScopedSession, merge: PatientMerge, *, now: datetime) -> str:
    """Undo a merge: the rows it moved go back, wherever later merges took them; returns whom they
    come from."""
    practice_id = merge.practice_id
    holder = merge_chain(session, practice_id, merge.prior_id)[-1]
    prior = get(session, practice_id, merge.prior_id)
    prior.status = "active"
    prior.merged_into_id = None
    merge.undone_at = now
    _move(session, practice_id, holder, merge.prior_id, merge.moved)
    for coverage in _coverages(session, practice_id, merge.moved.get(_ENDED, ())):
        coverage.status = "active"
    return holder


def labels_of_prior(session: ScopedSession, survivor: Patient) -> Sequence[str]:
    """The sensitivity labels of patients that are merged into another."""
    prior = (PatientMerge.practice_id == Patient.practice_id) & (
        PatientMerge.prior_id == Patient.id
    )
    found = (
        select(Patient.sensitivity)
        .join(PatientMerge, prior)
        .where(
            PatientMerge.practice_id == survivor.practice_id,
            PatientMerge.survivor_id == survivor.id,
            PatientMerge.undone_at.is_(None),
        )
    )
    return session.scalars(found).all()


def _end_doubled(session: ScopedSession, survivor: Patient, ids: Sequence[str]) -> list[str]:
    """Of coverages that just moved to the survivor, end those of a payer and member id that it has
    an active one of; returns their ids."""
    if not ids:
        return []
    mine = Coverage.practice_id == survivor.practice_id, Coverage.patient_id == survivor.id
    own = select(Coverage.payer_code, Coverage.member_id).where(
        *mine, Coverage.status == "active", Coverage.id.not_in(ids)
    )
    held = {(payer_code, member_id) for payer_code, member_id in session.execute(own)}
    ended = []
    for coverage in _coverages(session, survivor.practice_id, ids):
        if coverage.status == "active" and (coverage.payer_code, coverage.member_id) in held:
            coverage.status = "inactive"
            ended.append(coverage.id)
    return ended


def _coverages(session: ScopedSession, practice_id: str, ids: Sequence[str]) -> Sequence[Coverage]:
    if not ids:
        return ()
    wanted = select(Coverage).where(Coverage.practice_id == practice_id, Coverage.id.in_(ids))
    return session.scalars(wanted.order_by(Coverage.id)).all()


def _move(
    session: ScopedSession,
    practice_id: str,
    from_id: str,
    to_id: str,
    only: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """Give rows of one patient to another (`only`: those ids by table); returns what was moved."""
    is_given_rows(session, practice_id, to_id)
    moved = {}
    for table in OF_A_PATIENT:
        held = select(table.id).where(table.practice_id == practice_id, table.patient_id == from_id)
        ids = list(session.scalars(held.order_by(table.id)))
        if only is not None:
            wanted = set(only.get(table.__tablename__, ()))
            ids = [row_id for row_id in ids if row_id in wanted]
        for part in _chunks(ids):
            session.execute(
                update(table)
                .where(table.practice_id == practice_id, table.id.in_(part))
                .values(patient_id=to_id)
            )
        if ids:
            moved[table.__tablename__] = ids
    return moved


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while part := list(islice(rest, CHUNK)):
        yield part
