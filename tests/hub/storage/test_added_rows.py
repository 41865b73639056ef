"""Rows that a session writes without objects: after whom they belong to, complete, and guarded as
objects are."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from sqlalchemy import select

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.errors import Forbidden
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Allergy, Diagnosis, Encounter, Patient, PatientContact, Practice

ALL = unrestricted_scope("test")


@pytest.fixture(autouse=True)
def practices(database: Database, now: datetime) -> None:
    rows = [Practice(id=name, name=name, zone="UTC", created_at=now) for name in ("a", "b")]
    database.transaction(ALL, lambda session: session.add_all(rows))


def test_they_are_written_after_the_objects_they_belong_to_with_every_column(
    database: Database, now: datetime
) -> None:
    owner = {"practice_id": "a", "patient_id": "p"}

    def work(session: ScopedSession) -> None:
        session.add_rows(
            PatientContact,
            [
                {**owner, "position": 1, "family_name": "Okonkwo", "starts_on": date(2026, 3, 2)},
                {**owner, "position": 2},
            ],
        )
        session.add_rows(Allergy, [{**owner, "position": 1, "reactions": ["Hives", "Ödem"]}])
        session.add_rows(
            Diagnosis,
            [{**owner, "encounter_id": "e", "position": 1, "priority": 2, "diagnosed_at": now}],
        )
        session.add(Encounter(**owner, id="e", status="planned", starts_at=now))
        session.add(Patient(practice_id="a", id="p", family_name="Okonkwo"))
        found = session.scalars(select(PatientContact).order_by(PatientContact.position)).all()
        assert [row.family_name for row in found] == ["Okonkwo", ""], "a query finds them"

    database.transaction(practice_scope("a"), work)
    with database.read(ALL) as session:
        first, second = session.scalars(select(PatientContact).order_by(PatientContact.position))
        assert (first.starts_on, second.starts_on) == (date(2026, 3, 2), None)
        assert first.id != second.id
        assert len(first.id) == 36
        assert session.scalars(select(Allergy)).one().reactions == ["Hives", "Ödem"]
        diagnosis = session.scalars(select(Diagnosis)).one()
        assert (diagnosis.priority, diagnosis.code, diagnosis.diagnosed_at) == (2, "", now)


def test_rows_of_another_practice_are_refused(database: Database) -> None:
    def work(session: ScopedSession) -> None:
        session.add_rows(Allergy, [{"practice_id": "b", "patient_id": "p", "position": 1}])

    with pytest.raises(Forbidden):
        database.transaction(practice_scope("a"), work)


def test_a_savepoint_of_the_session_takes_none(database: Database) -> None:
    def work(session: ScopedSession) -> None:
        with session.begin_nested():
            session.add_rows(Allergy, [{"practice_id": "a", "patient_id": "p", "position": 1}])

    with pytest.raises(RuntimeError):
        database.transaction(practice_scope("a"), work)
