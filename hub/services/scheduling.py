"""Appointments and the people who provide care (HL7 v2.5.1 chapters 8 and 10)."""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.records import Record
from hub.domain.scheduling import Appointment, AppointmentResource, Practitioner
from hub.errors import Rejected
from hub.services import patients
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    refuse_delete,
    stamp,
)
from hub.storage import sourced
from hub.storage.scheduling import add_provider, find_provider, resources_of
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
    if appointment.practitioner is not None:
        row.provider_id = resolve_practitioner(session, context, appointment.practitioner)
    for name in COPIED:
        value = getattr(appointment, name)
        if value is not None:
            setattr(row, name, value)
    stamp(row, context, record, content)
    session.add(row)
    if appointment.resources is not None:
        session.flush()
        _allot(session, context, row, appointment.resources)
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


def apply_practitioner(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or complete a provider of the practice."""
    refuse_delete(record)
    return _provider(session, context, content_of(record, Practitioner))[1]


def resolve_practitioner(
    session: ScopedSession, context: ApplyContext, practitioner: Practitioner
) -> str | None:
    """The id of the provider a message names, created if unknown; None if it names nobody."""
    if not (practitioner.external_id or practitioner.npi):
        return None
    return _provider(session, context, practitioner)[0]


def _provider(
    session: ScopedSession, context: ApplyContext, practitioner: Practitioner
) -> tuple[str, Outcome]:
    """Found by key or NPI; written only if the message says something new.

    Providers are named by nearly every message: no freshness is kept, so that messages of different
    patients do not wait for each other's row.
    """
    key = practitioner.external_id or practitioner.npi
    if not key:
        raise Rejected(
            "The practitioner has neither a key nor an NPI.", reason="missing_key", path="STF-1"
        )
    said = {"npi": practitioner.npi}
    if practitioner.name is not None:
        said |= {
            "family_name": practitioner.name.family,
            "given_name": practitioner.name.given,
        }
    said = {name: value for name, value in said.items() if value}
    row = find_provider(session, context.practice, key, practitioner.npi)
    if row is None:
        source = {
            "connection_id": context.connection_id,
            "received_at": context.received_at,
            "inbox_id": context.inbox_id,
        }
        added = add_provider(session, context.practice, key, said | source)
        row = find_provider(session, context.practice, key, practitioner.npi)
        if row is None:
            raise Rejected("The practitioner could not be stored.", reason="practitioner")
        return row.id, Outcome.CREATED if added else Outcome.UNCHANGED
    if row.content_hash:  # a master file knows better: only what it left open is learned
        said = {name: value for name, value in said.items() if not getattr(row, name)}
    changed = {name: value for name, value in said.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return row.id, Outcome.CHANGED if changed else Outcome.UNCHANGED
