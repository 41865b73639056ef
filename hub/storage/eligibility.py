"""Queries behind eligibility checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Appointment,
    Coverage,
    EligibilityCheck,
    Patient,
    Payer,
    PayerControlNumber,
    Practice,
)
from hub.storage.upsert import insert_once


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment with what is needed to ask the payer about it."""

    appointment: Appointment
    patient: Patient
    coverage: Coverage
    payer: Payer
    practice: Practice


def _visits() -> object:
    return (
        select(Appointment, Patient, Coverage, Payer, Practice)
        .join(
            Patient,
            (Patient.practice_id == Appointment.practice_id)
            & (Patient.id == Appointment.patient_id),
        )
        .join(
            Coverage,
            (Coverage.practice_id == Patient.practice_id) & (Coverage.patient_id == Patient.id),
        )
        .join(Payer, Payer.code == Coverage.payer_code)
        .join(Practice, Practice.id == Appointment.practice_id)
        .where(Coverage.status == "active", Coverage.priority == 1)
    )


def upcoming_visits(session: ScopedSession, *, after: datetime, until: datetime) -> Sequence[Visit]:
    """Booked appointments starting in the interval whose patients have a primary coverage with a
    payer of the directory."""
    rows = session.execute(
        _visits()  # type: ignore[attr-defined]
        .where(
            Appointment.status == "booked",
            Appointment.starts_at > after,
            Appointment.starts_at <= until,
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    return [Visit(*row) for row in rows]


def visit(session: ScopedSession, appointment_id: str) -> Visit | None:
    """One appointment by id, if the session's scope sees it and the payer is known."""
    row = session.execute(
        _visits().where(Appointment.id == appointment_id).limit(1)  # type: ignore[attr-defined]
    ).first()
    return None if row is None else Visit(*row)


def find_check(session: ScopedSession, practice_id: str, check_id: str) -> EligibilityCheck | None:
    return session.get(EligibilityCheck, (practice_id, check_id))


def next_control_number(session: ScopedSession, sender: str, receiver: str) -> int:
    """The next interchange control number (ISA13, 1 to 999999999, then 1 again) of a pair."""
    key = {"sender": sender, "receiver": receiver}
    insert_once(session, PayerControlNumber, {**key, "last": 0})
    row = session.get_one(PayerControlNumber, (sender, receiver), with_for_update=True)
    row.last = row.last % 999_999_999 + 1
    session.flush()
    return row.last
