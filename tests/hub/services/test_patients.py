"""Patients on a real database: who is meant, what is kept, what a merge does and undoes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.domain.agreements import practice_scope
from hub.domain.patients import (
    Address,
    Identifier,
    Patient,
    PatientReference,
    PersonName,
)
from hub.domain.scheduling import Appointment
from hub.storage import patients as store
from hub.storage import tables
from hub.storage.tables import DataIssue, PatientIdentifier

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
NAME = PersonName("Harbour", "Iris", "Ada")


def mrn(value: str, kind: str = "MR", authority: str = "HOSP") -> Identifier:
    return Identifier(authority, kind, value)


def person(*values: str, **fields: Any) -> Patient:
    return Patient(tuple(mrn(value) for value in values), **fields)


def visit(value: str) -> Appointment:
    return Appointment(PatientReference((mrn(value),)), "booked", starts_at=NOW)


def live(desk: Any, value: str, practice: str = "north") -> str:
    """The patient that a message with this identifier would reach."""
    with desk.database.read(practice_scope(practice)) as session:
        (holder,) = store.find_holders(session, practice, [mrn(value)])
        return store.merge_chain(session, practice, holder.patient_id)[-1]


def test_a_patient_is_created_once_and_updated_by_what_changed(desk: Any) -> None:
    first = person("7", name=NAME, birth_date=date(1980, 4, 1), phone="555-0100")
    assert desk.put(first, minute=1) == "created"
    assert desk.put(first, minute=1) == "unchanged"
    assert desk.put(person("7", phone="555-0199"), minute=2) == "changed"
    row = desk.one(tables.Patient)
    assert (row.family_name, row.given_name, row.middle_name) == ("Harbour", "Iris", "Ada")
    assert (row.birth_date, row.phone, row.sex) == (date(1980, 4, 1), "555-0199", "unknown")


def test_an_empty_text_clears_and_a_missing_one_does_not(desk: Any) -> None:
    desk.put(person("7", phone="555-0100", email="a@example.org"), minute=1)
    desk.put(person("7", phone="", address=Address(city="Reno")), minute=2)
    row = desk.one(tables.Patient)
    assert (row.phone, row.email, row.city) == ("", "a@example.org", "Reno")


def test_a_late_message_overwrites_nothing_but_its_identifiers_count(desk: Any) -> None:
    desk.put(person("7", phone="555-0199"), minute=5)
    assert desk.put(person("7", "8", phone="555-0100"), minute=1) == "stale"
    assert desk.one(tables.Patient).phone == "555-0199"
    assert desk.put(person("8", phone="555-0200"), minute=6) == "changed"
    assert desk.one(tables.Patient).phone == "555-0200"


def test_when_identifiers_hold_is_kept_and_tells_none_apart(desk: Any) -> None:
    def dated(begins: date | None, ends: date | None) -> Patient:
        return Patient((replace(mrn("7"), effective_on=begins, expires_on=ends),), name=NAME)

    desk.put(dated(date(2026, 1, 1), None), minute=1)
    desk.put(dated(None, date(2027, 12, 31)), minute=2)
    desk.put(dated(date(2020, 1, 1), None), minute=1)  # late, so it does not count
    desk.put(person("7", phone="555-0100"), minute=3)
    row = desk.one(tables.PatientIdentifier)
    assert (row.effective_on, row.expires_on) == (date(2026, 1, 1), date(2027, 12, 31))


def test_a_repetition_stated_later_makes_what_came_between_stale(desk: Any) -> None:
    desk.put(person("7", phone="555-0100"), minute=1)
    assert desk.put(person("7", phone="555-0100"), minute=5) == "unchanged"
    assert desk.put(person("7", phone="555-0199"), minute=3) == "stale"


def test_of_two_messages_of_one_moment_the_last_counts(desk: Any) -> None:
    desk.put(person("7", phone="555-0100"), minute=5)
    assert desk.put(person("7", phone="555-0199"), minute=5) == "changed"
    assert desk.one(tables.Patient).phone == "555-0199"


def test_without_a_time_the_last_message_counts(desk: Any) -> None:
    desk.put(person("7", phone="555-0100"), minute=5)
    assert desk.put(person("7", phone="555-0199")) == "changed"
    assert desk.put(person("7", phone="555-0100"), minute=4) == "stale"


@pytest.mark.parametrize("unrestricted", [False, True])
def test_equal_record_numbers_of_two_practices_are_two_people(
    desk: Any, unrestricted: bool
) -> None:
    for practice in ("north", "south"):
        outcome = desk.put(person("7", name=NAME), practice=practice, unrestricted=unrestricted)
        assert outcome == "created"
    assert live(desk, "7", "north") != live(desk, "7", "south")
    assert len(desk.rows(tables.Patient)) == 2


@pytest.mark.parametrize(
    "identifier",
    [mrn("900-00-0001", "SS"), mrn("900-00-0001", "MR", "USSSA"), mrn("1", "AN"), mrn("", "MR")],
)
def test_what_names_no_single_person_neither_matches_nor_creates(
    desk: Any, identifier: Identifier
) -> None:
    assert desk.put(Patient((identifier,), name=NAME)) == "rejected"
    assert desk.codes == ["no_patient_identifier"]
    desk.put(Patient((mrn("7"), identifier)))
    desk.put(Patient((mrn("8"), identifier)))
    assert len(desk.rows(tables.Patient)) == 2
    assert {row.value for row in desk.rows(PatientIdentifier)} == {"7", "8"}


def test_identifiers_of_two_patients_are_an_issue_and_the_first_is_used(desk: Any) -> None:
    desk.put(person("1"), minute=1)
    desk.put(person("2"), minute=1)
    assert desk.put(person("2", "1", "3", phone="555-0100"), minute=2) == "changed"
    assert desk.codes == ["identifier_conflict"]
    assert live(desk, "1") != live(desk, "2") == live(desk, "3")
    assert desk.one(tables.Patient, id=live(desk, "2")).phone == "555-0100"
    assert desk.one(tables.Patient, id=live(desk, "1")).phone == ""


def test_an_identifier_without_type_finds_the_one_person_who_has_it(desk: Any) -> None:
    desk.put(person("7"))
    desk.put(Patient((mrn("7", ""),), phone="555-0100"), minute=1)
    assert desk.one(tables.Patient).phone == "555-0100"
    assert [row.type for row in desk.rows(PatientIdentifier)] == ["MR"]


def test_an_issue_of_the_record_is_stored_and_names_no_value(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(person("1", "2", name=NAME))
    for issue in desk.rows(DataIssue):
        assert "Harbour" not in issue.text
        assert issue.practice_id == "north"
    assert desk.stored_issues() == ["identifier_conflict"]


def test_a_deletion_of_a_patient_is_refused(desk: Any) -> None:
    desk.put(person("1"))
    assert desk.put(person("1"), op="delete") == "rejected"
    assert desk.one(tables.Patient).status == "active"


def held_by(desk: Any, value: str) -> str:
    """The patient an identifier was stated for, merged or not."""
    return str(desk.one(PatientIdentifier, value=value).patient_id)


def test_a_birth_year_stands_until_the_day_is_known_and_is_no_date(desk: Any) -> None:
    who = (Identifier("HOSP", "MR", "Y1"),)
    desk.put(Patient(who, birth_date_stated="1950-07"), minute=1)
    row = desk.one(tables.Patient)
    assert (row.birth_date, row.birth_date_stated) == (None, "1950-07")
    desk.put(Patient(who, birth_date=date(1950, 7, 4), birth_date_stated=""), minute=2)
    desk.put(Patient(who, birth_date_stated="1950"), minute=3)
    row = desk.one(tables.Patient)
    assert (row.birth_date, row.birth_date_stated) == (date(1950, 7, 4), "")
