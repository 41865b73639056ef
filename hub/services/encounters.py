"""Encounters: visits as ADT messages tell them (HL7 v2.5.1 §3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.domain.encounters import Diagnosis, Encounter
from hub.domain.records import Record
from hub.services import care, encounter_stays, patients
from hub.services.providers import assign_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    copy_stated,
    digest,
    judge,
    key_of,
    stamp,
)
from hub.storage import labels, sourced
from hub.storage.patient_details import replace_list
from hub.storage.session import ScopedSession
from hub.storage.tables import Diagnosis as DiagnosisRow
from hub.storage.tables import Encounter as EncounterRow
from hub.storage.tables import new_id

CLOSED = frozenset({"finished", "cancelled"})
COPIED = (
    "encounter_class",
    "location",
    "starts_at",
    "ends_at",
    "discharge_disposition",
    "admission_type",
    "hospital_service",
    "admit_source",
    "reason",
)


def apply_encounter(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or update a visit; a message without a status (A08) neither closes nor reopens it.

    Opening a closed visit again (A13) takes its end and discharge back. A visit first heard of in
    an update is created and noted as an issue. What arrives late changes nothing but the
    history of stays, and the start of a visit that nobody had told yet.
    """
    encounter = content_of(record, Encounter)
    row = sourced.find(
        session, EncounterRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    moment = record.occurred_at or context.received_at
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        if row is not None:
            _note_late(session, context, row, encounter, moment)
        return outcome
    patient_id = patients.resolve(session, context, encounter.patient)
    status = "cancelled" if record.op == "delete" else encounter.status
    is_new = row is None
    if row is None:
        row = _new(context, record, encounter)
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    _change(session, context, row, record, status)
    stamp(row, context, record, content)
    session.add(row)
    if row.sensitivity and not is_new:
        labels.spread(session, row)
    if encounter.diagnoses is not None:
        _diagnose(session, row, encounter.diagnoses, moment, is_new=is_new)
    _attend(session, context, row, encounter, moment, is_new=is_new)
    if encounter.prior_visit_number:
        _continue(session, context, row, encounter.prior_visit_number, moment)
    if row.status not in {"planned", "cancelled"}:
        moved = encounter.prior_location is not None
        begins = encounter.starts_at if outcome is Outcome.CREATED and not moved else None
        moment = min(moment, begins or moment)
        encounter_stays.note(
            session, row, encounter, moment, received_at=context.received_at, is_new=is_new
        )
    return outcome


def _diagnose(
    session: ScopedSession,
    row: EncounterRow,
    stated: Sequence[Diagnosis],
    moment: datetime,
    *,
    is_new: bool,
) -> None:
    replace_list(
        session,
        DiagnosisRow,
        {"practice_id": row.practice_id, "encounter_id": row.id},
        [
            {
                "patient_id": row.patient_id,
                "code": one.code,
                "name": one.name,
                "code_system": one.code_system,
                "type": one.type,
                "priority": one.priority,
                "diagnosed_at": one.diagnosed_at or moment,
                "sensitivity": row.sensitivity or "",
                "diagnosed_at_precision": one.diagnosed_at_precision,
            }
            for one in stated
        ],
        none_held=is_new,
    )


def _attend(
    session: ScopedSession,
    context: ApplyContext,
    row: EncounterRow,
    said: Encounter,
    moment: datetime,
    *,
    is_new: bool,
) -> None:
    owner = {"practice_id": row.practice_id, "encounter_id": row.id}
    care.apply_roles(session, context, owner, said.care_roles, none_held=is_new)
    if said.procedures is None:
        return
    common = {"patient_id": row.patient_id, "sensitivity": row.sensitivity or ""}
    care.replace_procedures(
        session,
        context,
        {**owner, "charge_id": None},
        said.procedures,
        common,
        moment,
        none_held=is_new,
    )


def _note_late(
    session: ScopedSession,
    context: ApplyContext,
    row: EncounterRow,
    encounter: Encounter,
    moment: datetime,
) -> None:
    late = row.occurred_at is not None and moment < row.occurred_at
    if late and not encounter.movement and encounter.status in {None, "in_progress", "registered"}:
        if row.starts_at_precision is None and encounter.starts_at is not None:
            row.starts_at = encounter.starts_at
            row.starts_at_precision = encounter.starts_at_precision
        encounter_stays.note(session, row, encounter, moment, received_at=context.received_at)


def _new(context: ApplyContext, record: Record, encounter: Encounter) -> EncounterRow:
    if encounter.status is None and encounter.prior_visit_number is None:
        context.report(
            "unknown_visit", "PV1-19", "An update named a visit not known; it was created."
        )
    return EncounterRow(
        practice_id=context.practice,
        id=new_id(),
        status="in_progress" if encounter.ends_at is None else "finished",
        starts_at=encounter.starts_at or record.occurred_at or context.received_at,
    )


def _change(
    session: ScopedSession,
    context: ApplyContext,
    row: EncounterRow,
    record: Record,
    status: str | None,
) -> None:
    encounter = content_of(record, Encounter)
    if status is not None:
        if row.status in CLOSED and status not in CLOSED:
            row.ends_at, row.ends_at_precision, row.discharge_disposition = None, None, ""
        row.status = status
    assign_practitioner(session, context, record, row, attending="provider_id")
    if encounter.starts_at is not None:
        row.starts_at_precision = encounter.starts_at_precision
    if encounter.ends_at is not None or "ends_at" in record.cleared:
        row.ends_at_precision = encounter.ends_at_precision
    copy_stated(row, encounter, COPIED, record.cleared)


def _continue(
    session: ScopedSession,
    context: ApplyContext,
    row: EncounterRow,
    prior_number: str,
    moment: datetime,
) -> None:
    """The visit goes on under another number (MRG-5): the one before ends here and is linked."""
    prior = sourced.find(
        session, EncounterRow, context.practice, context.connection_id, prior_number
    )
    if prior is None:
        context.report("unknown_visit", "MRG-5", "The visit that this one continues is not known.")
        return
    session.flush()
    row.preceded_by_id = prior.id
    if prior.status not in CLOSED:
        prior.status, prior.ends_at, prior.ends_at_precision = "finished", moment, None
        prior.occurred_at = moment


def visit_of(
    session: ScopedSession, context: ApplyContext, visit_number: str | None, patient_id: str
) -> str | None:
    """The encounter of this visit number, if it is known and the same patient's."""
    if not visit_number:
        return None
    row = sourced.find(session, EncounterRow, context.practice, context.connection_id, visit_number)
    if row is None or row.patient_id != patient_id:
        return None
    if row.sensitivity:
        context.labels[row.id] = row.sensitivity
    return row.id
