"""Immunizations: added, updated, refused, deleted (HL7 v2.5.1 §4.14.7 RXA)."""

from __future__ import annotations

from hub.domain.immunizations import Immunization
from hub.domain.records import Record
from hub.services import patients
from hub.services.encounters import visit_of
from hub.services.providers import resolve_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    stamp,
)
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import Immunization as ImmunizationRow
from hub.storage.tables import new_id

COPIED = (
    "administered_on",
    "administered_at",
    "administered_precision",
    "vaccine_code",
    "vaccine_system",
    "vaccine_name",
    "historical",
    "amount",
    "unit",
    "lot_number",
    "expires_on",
    "manufacturer_code",
    "manufacturer_name",
    "refusal_code",
    "refusal_reason",
    "route_code",
    "site_code",
    "funding_code",
    "note",
)


def apply_immunization(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Write what the message says of one vaccine, whole: the sender states it anew each time.

    A deletion keeps what was stored and changes the status; one of something never heard of is
    stored deleted, so that a late addition stays away.
    """
    stated = content_of(record, Immunization)
    row = sourced.find(
        session, ImmunizationRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    patient_id = patients.resolve(session, context, stated.patient)
    status = "deleted" if record.op == "delete" else stated.status
    is_new = row is None
    if row is None:
        row = ImmunizationRow(practice_id=context.practice, id=new_id())
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id, row.status = patient_id, status
    if is_new or status != "deleted":
        _fill(session, context, row, stated)
    stamp(row, context, record, content)
    session.add(row)
    return outcome


def _fill(
    session: ScopedSession, context: ApplyContext, row: ImmunizationRow, stated: Immunization
) -> None:
    row.encounter_id = visit_of(session, context, stated.visit_number, row.patient_id)
    row.provider_id = (
        resolve_practitioner(session, context, stated.practitioner)
        if stated.practitioner is not None
        else None
    )
    for name in COPIED:
        setattr(row, name, getattr(stated, name))
