"""Appointments and what they take up (HL7 v2.5.1 chapter 10)."""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.records import Record
from hub.domain.scheduling import Appointment, AppointmentResource
from hub.errors import Rejected
from hub.services import appointment_notices, patients
from hub.services.providers import assign_practitioner, resolve_practitioner
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
from hub.storage.scheduling import resources_of
from hub.storage.session import ScopedSession
from hub.storage.tables import Appointment as AppointmentRow
from hub.storage.tables import AppointmentResource as ResourceRow

COPIED = ("starts_at", "minutes", "location", "service_code", "reason", "type_code", "note")


def apply_appointment(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Book, move, cancel …: an upsert by the source's key; what the message leaves out stays.

    A cancellation of an appointment nobody booked is Rejected, for want of a time.
    """
    appointment = content_of(record, Appointment)
    row = sourced.find(
        session, AppointmentRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None and appointment.starts_at is None:
        raise Rejected(
            "The appointment is not known and the message does not say when it begins.",
            reason="unknown_appointment",
            path="SCH-2",
        )
    patient_id = patients.resolve(session, context, appointment.patient)
    if row is None:
        row = AppointmentRow(practice_id=context.practice)
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    row.status = "deleted" if record.op == "delete" else appointment.status
    assign_practitioner(session, context, record, row, practitioner="provider_id")
    copy_stated(row, appointment, COPIED, record.cleared)
    stamp(row, context, record, content)
    session.add(row)
    if appointment.resources is not None:
        session.flush()
        _allot(session, context, row, appointment.resources)
    is_new = outcome is Outcome.CREATED
    if row.sensitivity and not is_new:
        labels.spread(session, row)
    appointment_notices.follow(session, row, is_new=is_new, now=context.received_at)
    return outcome


def _allot(
    session: ScopedSession,
    context: ApplyContext,
    row: AppointmentRow,
    stated: Sequence[AppointmentResource],
) -> None:
    """Write what the appointment takes up. Additions only, or no action codes, are the whole list;
    updates and deletions change the one there is."""
    edits = any(one.change in {"update", "delete", "none"} for one in stated)
    held = {
        (one.kind, one.code or one.name): one
        for one in resources_of(session, row.practice_id, row.id)
    }
    named = {(one.kind, one.code or one.name): one for one in stated}
    for key, old in held.items():
        gone = named[key].change == "delete" if key in named else not edits
        if gone:
            _withdraw(row, old)
            session.delete(old)
    position = max((one.position for one in held.values()), default=0) if edits else 0
    for key, said in named.items():
        if said.change in {"delete", "none"}:
            continue
        kept = held.get(key)
        if kept is None:
            kept = ResourceRow(practice_id=row.practice_id, appointment_id=row.id)
            session.add(kept)
        if kept.position is None or not edits:
            position += 1
            kept.position = position
        kept.kind, kept.code, kept.name, kept.role = said.kind, said.code, said.name, said.role
        kept.starts_at, kept.minutes = said.starts_at, said.minutes
        if said.practitioner is not None:
            kept.provider_id = resolve_practitioner(session, context, said.practitioner)


def _withdraw(row: AppointmentRow, gone: ResourceRow) -> None:
    """Where, what and with whom an appointment is, is not what it no longer takes up; a message
    that names another one has said so by now."""
    code = gone.code or gone.name
    if gone.kind == "place" and row.location == code:
        row.location = ""
    elif gone.kind == "service" and row.service_code == code:
        row.service_code = ""
    elif gone.kind == "person" and gone.provider_id and row.provider_id == gone.provider_id:
        row.provider_id = None
