"""Charges, the input of claims (HL7 v2.5.1 §6.5.1 FT1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from hub.domain.claims import Charge
from hub.domain.procedures import Procedure
from hub.domain.records import Record
from hub.services import care, patients
from hub.services.encounters import visit_of
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    money,
    refuse_delete,
    stamp,
)
from hub.storage import labels, sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import Charge as ChargeRow
from hub.storage.tables import new_id

COPIED = (
    "kind",
    "service_date",
    "procedure_code",
    "procedure_system",
    "quantity",
    "amount",
    "currency",
    "performer_npi",
)


def apply_charge(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Enter a transaction; the same key stated again corrects it.

    A credit is an entry of its own even where it carries the number of the charge it takes back; no
    entry is ever deleted.
    """
    refuse_delete(record)
    charge = content_of(record, Charge)
    if charge.amount is not None:
        money(charge.amount, "FT1-11")
    external_id, row = _entry(session, context, key_of(record), charge.kind)
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    patient_id = patients.resolve(session, context, charge.patient)
    is_new = row is None
    if row is None:
        row = ChargeRow(practice_id=context.practice, id=new_id())
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    row.encounter_id = visit_of(session, context, charge.visit_number, patient_id)
    for name in COPIED:
        setattr(row, name, getattr(charge, name))
    row.modifiers = list(charge.modifiers)
    row.diagnosis_codes = list(charge.diagnosis_codes)
    stamp(row, context, record, content)
    row.external_id = external_id
    session.add(row)
    if charge.procedures is not None:
        _perform(session, context, row, charge.procedures, is_new=is_new)
    if row.sensitivity and not is_new:
        labels.spread(session, row)
    return outcome


def _perform(
    session: ScopedSession,
    context: ApplyContext,
    row: ChargeRow,
    stated: Sequence[Procedure],
    *,
    is_new: bool,
) -> None:
    """One without a time of its own was done on the charge's day, as the practice counts days."""
    care.replace_procedures(
        session,
        context,
        {"practice_id": row.practice_id, "charge_id": row.id},
        stated,
        {
            "patient_id": row.patient_id,
            "encounter_id": row.encounter_id,
            "sensitivity": row.sensitivity or "",
        },
        datetime.combine(row.service_date, time(), context.zone),
        none_held=is_new,
    )


def _entry(
    session: ScopedSession, context: ApplyContext, key: str, kind: str
) -> tuple[str, ChargeRow | None]:
    """The entry with this key and kind; a key that another kind holds is qualified by the kind."""
    row = sourced.find(session, ChargeRow, context.practice, context.connection_id, key)
    if row is None or row.kind == kind:
        return key, row
    qualified = f"{key}/{kind}"
    return qualified, sourced.find(
        session, ChargeRow, context.practice, context.connection_id, qualified
    )
