"""Telling another system of an appointment: asked for here, written and sent by jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.domain.jobs import Job
from hub.domain.patients import Identifier, PatientReference, PersonName, Practitioner
from hub.domain.scheduling import Appointment
from hub.errors import NotFound
from hub.services import outbound
from hub.storage import connections
from hub.storage.session import ScopedSession
from hub.storage.tables import Appointment as AppointmentRow
from hub.storage.tables import Patient, PatientIdentifier, Provider


def request(
    session: ScopedSession, appointment_id: str, *, destination: str, is_new: bool, now: datetime
) -> int:
    """Add the job that writes a message about an appointment; its id. `destination` is a name or
    an id; NotFound for an appointment this scope may not read."""
    row = session.scalar(select(AppointmentRow).where(AppointmentRow.id == appointment_id))
    if row is None:
        raise NotFound(sought=appointment_id)
    connection = outbound.destination(session, destination)
    return _add(session, row, connection.id, is_new=is_new, now=now)


def follow(session: ScopedSession, row: AppointmentRow, *, is_new: bool, now: datetime) -> None:
    """Tell of a stored change by the rules of the destinations (``[[routing.appointments]]``).

    What another system sends back of an appointment we told it of, under our own number, is told to
    nobody: two systems with rules for each other would never come to rest.
    """
    wanted = [rule for rule in _rules(session) if rule.takes(row, is_new)]
    if not wanted or session.get(AppointmentRow, (row.practice_id, row.external_id)) is not None:
        return
    session.flush()
    for rule in wanted:
        _add(session, row, rule.connection_id, is_new=is_new, now=now)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which changes of the appointments of connection `of` a destination hears of."""

    connection_id: str
    of: str
    events: frozenset[str]

    def takes(self, row: AppointmentRow, is_new: bool) -> bool:
        event = "new" if is_new else "cancelled" if row.status in _CANCELLED else "changed"
        return row.connection_id == self.of and (not self.events or event in self.events)


_CANCELLED = frozenset({"cancelled", "discontinued", "deleted", "no_show"})
EVENTS = ("new", "changed", "cancelled")


def _rules(session: ScopedSession) -> list[_Rule]:
    """Read once in a transaction, which may hold many appointments."""
    known: list[_Rule] | None = session.info.get("appointment rules")
    if known is None:
        known = [
            _Rule(destination.id, source, frozenset(rule.get("events", ())))
            for destination in connections.by_connector(session, outbound.DESTINATION)
            for rule in destination.routing.get("appointments", ())
            if (source := connections.id_of(session, rule["from"])) is not None
        ]
        session.info["appointment rules"] = known
    return known


def _add(
    session: ScopedSession, row: AppointmentRow, connection_id: str, *, is_new: bool, now: datetime
) -> int:
    return outbound.ask_to_write(
        session,
        Job.WRITE_APPOINTMENT,
        {"appointment_id": row.id},
        practice_id=row.practice_id,
        connection_id=connection_id,
        is_new=is_new,
        now=now,
    )


def load(session: ScopedSession, *, practice_id: str, appointment_id: str) -> Appointment:
    """The appointment as it stands now, with the patient's numbers; NotFound if it is gone."""
    row = session.get(AppointmentRow, (practice_id, appointment_id))
    if row is None:
        raise NotFound
    return Appointment(
        patient=patient_of(session, practice_id, row.patient_id),
        status=row.status,  # type: ignore[arg-type]
        starts_at=row.starts_at,
        minutes=row.minutes,
        practitioner=practitioner_of(session, practice_id, row.provider_id),
        location=row.location,
        service_code=row.service_code,
        reason=row.reason,
        type_code=row.type_code,
    )


def patient_of(session: ScopedSession, practice_id: str, patient_id: str) -> PatientReference:
    """A patient with every number but the social security number, which goes to nobody."""
    patient = session.get_one(Patient, (practice_id, patient_id))
    numbers = session.scalars(
        select(PatientIdentifier)
        .where(
            PatientIdentifier.practice_id == practice_id,
            PatientIdentifier.patient_id == patient.id,
            PatientIdentifier.type != "SS",
        )
        .order_by(PatientIdentifier.authority, PatientIdentifier.value)
    )
    return PatientReference(
        identifiers=tuple(Identifier(one.authority, one.type, one.value) for one in numbers),
        name=PersonName(patient.family_name, patient.given_name, patient.middle_name),
        birth_date=patient.birth_date,
        sex=patient.sex,  # type: ignore[arg-type]
    )


def practitioner_of(
    session: ScopedSession, practice_id: str, provider_id: str | None
) -> Practitioner | None:
    """Who does or asks for something, by our row; None where nobody is named."""
    row = session.get(Provider, (practice_id, provider_id)) if provider_id else None
    if row is None:
        return None
    name = PersonName(row.family_name, row.given_name)
    return Practitioner(row.external_id or row.id, name, row.npi)
