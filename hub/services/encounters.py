"""Encounters: visits as ADT messages tell them (HL7 v2.5.1 §3.3)."""

from __future__ import annotations

from hub.domain.encounters import Encounter
from hub.domain.records import Record
from hub.services import patients
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    stamp,
)
from hub.services.scheduling import resolve_practitioner
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import Encounter as EncounterRow

CLOSED = frozenset({"finished", "cancelled"})


def apply_encounter(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or update a visit; a message without a status (A08) neither closes nor reopens it.

    Opening a closed visit again (A13) takes its end and discharge back. A visit first heard of in
    an update is created and noted as an issue.
    """
    encounter = content_of(record, Encounter)
    row = sourced.find(
        session, EncounterRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    patient_id = patients.resolve(session, context, encounter.patient)
    status = "cancelled" if record.op == "delete" else encounter.status
    if row is None:
        row = _new(context, record, encounter)
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    _change(session, context, row, encounter, status)
    stamp(row, context, record, content)
    session.add(row)
    return outcome


def _new(context: ApplyContext, record: Record, encounter: Encounter) -> EncounterRow:
    if encounter.status is None:
        context.report(
            "unknown_visit", "PV1-19", "An update named a visit not known; it was created."
        )
    return EncounterRow(
        practice_id=context.practice,
        status="in_progress" if encounter.ends_at is None else "finished",
        starts_at=encounter.starts_at or record.occurred_at or context.received_at,
    )


def _change(
    session: ScopedSession,
    context: ApplyContext,
    row: EncounterRow,
    encounter: Encounter,
    status: str | None,
) -> None:
    if status is not None:
        if row.status in CLOSED and status not in CLOSED:
            row.ends_at, row.discharge_disposition = None, ""
        row.status = status
    if encounter.attending is not None:
        row.provider_id = resolve_practitioner(session, context, encounter.attending)
    for name in ("encounter_class", "location", "starts_at", "ends_at", "discharge_disposition"):
        value = getattr(encounter, name)
        if value is not None:
            setattr(row, name, value)


def visit_of(
    session: ScopedSession, context: ApplyContext, visit_number: str | None, patient_id: str
) -> str | None:
    """The encounter of this visit number, if it is known and the same patient's."""
    if not visit_number:
        return None
    row = sourced.find(session, EncounterRow, context.practice, context.connection_id, visit_number)
    return row.id if row is not None and row.patient_id == patient_id else None
