"""Whom an answer belongs to, when the appointment changes between question and answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from hub.services import eligibility
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Appointment,
    Coverage,
    EligibilityCheck,
    Patient,
    Payer,
    Practice,
)

PATIENTS = ("first", "second")


@pytest.fixture
def check_id(desk: Any, crypto: Crypto, now: Any) -> str:
    """A check queued for an appointment of the patient `first`."""

    def seed(session: ScopedSession) -> str:
        session.get_one(Practice, "north").npi = "1234567893"
        session.add(Payer(id="payer", code="P", name="Payer", route_id="R", connection_id="vendor"))
        session.flush()
        for name in PATIENTS:
            session.add(Patient(practice_id="north", id=name, family_name=name))
            session.flush()
            session.add(
                Coverage(
                    practice_id="north",
                    id=name,
                    patient_id=name,
                    payer_id="payer",
                    payer_code="P",
                    member_id=f"M-{name}",
                    relationship="self",
                    priority=1,
                    status="active",
                )
            )
        session.add(
            Appointment(
                practice_id="north",
                id="visit",
                patient_id="first",
                status="booked",
                starts_at=now + timedelta(days=1),
            )
        )
        session.flush()
        return eligibility.request_check(session, crypto, appointment_id="visit", now=now)

    return desk.work(seed)


def begin(desk: Any, crypto: Crypto, now: Any, check_id: str) -> eligibility.Inquiry | None:
    return desk.work(
        lambda session: eligibility.begin(
            session,
            crypto,
            practice_id="north",
            check_id=check_id,
            trace_company="9",
            sender="HUB",
            now=now,
        )
    )


def change(desk: Any, table: type[Any], row_id: str, **values: Any) -> None:
    def work(session: ScopedSession) -> None:
        row = session.get_one(table, ("north", row_id))
        for name, value in values.items():
            setattr(row, name, value)

    desk.work(work)


def test_a_check_asks_about_the_patient_it_was_queued_for(desk, crypto, now, check_id):
    inquiry = begin(desk, crypto, now, check_id)
    assert inquiry is not None
    assert inquiry.query.member_id == "M-first"


def test_an_appointment_given_to_another_patient_ends_the_check_unasked(
    desk, crypto, now, check_id
):
    change(desk, Appointment, "visit", patient_id="second")
    assert begin(desk, crypto, now, check_id) is None
    check = desk.one(EligibilityCheck)
    assert (check.status, check.patient_id, check.attempts) == ("failed", "first", 0)
    assert check.message == "The appointment is another patient's now."


def test_a_corrected_birth_date_does_not_end_the_check(desk, crypto, now, check_id):
    change(desk, Patient, "first", birth_date=date(1980, 5, 17))
    inquiry = begin(desk, crypto, now, check_id)
    assert inquiry is not None
    assert inquiry.query.subscriber_birth_date == date(1980, 5, 17)


def test_a_second_record_of_the_same_person_is_still_asked_about(desk, crypto, now, check_id):
    change(desk, Patient, "second", family_name="first")
    change(desk, Coverage, "second", member_id="M-first")
    change(desk, Appointment, "visit", patient_id="second")
    assert begin(desk, crypto, now, check_id) is not None
