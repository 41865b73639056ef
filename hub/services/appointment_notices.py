"""Telling another system of an appointment: asked for here, written and sent by jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from hub.domain.jobs import Job
from hub.domain.patients import Identifier, PatientReference, PersonName, Practitioner
from hub.domain.scheduling import Appointment
from hub.errors import NotFound
from hub.services import outbound
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import Appointment as AppointmentRow
from hub.storage.tables import Patient, PatientIdentifier, Provider


def request(
    session: ScopedSession,
    *,
    appointment_id: str,
    destination: str,
    is_new: bool,
    now: datetime,
) -> int:
    """Add the job that writes a message about an appointment; its id. `destination` is a name or
    an id; NotFound for an appointment this scope may not read."""
    row = session.scalar(select(AppointmentRow).where(AppointmentRow.id == appointment_id))
    if row is None:
        raise NotFound
    connection = outbound.destination(session, destination)
    args = {
        "practice_id": row.practice_id,
        "appointment_id": row.id,
        "connection_id": connection.id,
        "is_new": is_new,
    }
    return queue.add(
        session,
        Job.WRITE_APPOINTMENT,
        args,
        now=now,
        practice_id=row.practice_id,
        lanes=[f"authoring:{connection.id}"],
        queue=queue.SENDING_QUEUE,
    )


def load(session: ScopedSession, *, practice_id: str, appointment_id: str) -> Appointment:
    """The appointment as it stands now, with the patient's numbers; NotFound if it is gone."""
    row = session.get(AppointmentRow, (practice_id, appointment_id))
    if row is None:
        raise NotFound
    patient = session.get_one(Patient, (practice_id, row.patient_id))
    numbers = session.scalars(
        select(PatientIdentifier)
        .where(
            PatientIdentifier.practice_id == practice_id,
            PatientIdentifier.patient_id == patient.id,
            PatientIdentifier.type != "SS",
        )
        .order_by(PatientIdentifier.authority, PatientIdentifier.value)
    )
    provider = session.get(Provider, (practice_id, row.provider_id)) if row.provider_id else None
    return Appointment(
        patient=PatientReference(
            identifiers=tuple(Identifier(one.authority, one.type, one.value) for one in numbers),
            name=PersonName(patient.family_name, patient.given_name, patient.middle_name),
            birth_date=patient.birth_date,
            sex=patient.sex,  # type: ignore[arg-type]
        ),
        status=row.status,  # type: ignore[arg-type]
        starts_at=row.starts_at,
        minutes=row.minutes,
        practitioner=_practitioner(provider) if provider is not None else None,
        location=row.location,
        service_code=row.service_code,
        reason=row.reason,
        type_code=row.type_code,
    )


def _practitioner(row: Provider) -> Practitioner:
    name = PersonName(row.family_name, row.given_name)
    return Practitioner(row.external_id or row.id, name, row.npi)
