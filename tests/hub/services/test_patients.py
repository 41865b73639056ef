"""Patients on a real database: who is meant, what is kept, what a merge does and undoes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.domain.agreements import practice_scope
from hub.domain.claims import Charge
from hub.domain.patients import (
    Address,
    Identifier,
    Patient,
    PatientMerge,
    PatientReference,
    PatientUnmerge,
    PersonName,
)
from hub.domain.scheduling import Appointment
from hub.errors import Conflict, NotFound
from hub.services import patients
from hub.storage import patients as store
from hub.storage import tables
from hub.storage.tables import Base, DataIssue, PatientIdentifier

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
NAME = PersonName("Harbour", "Iris", "Ada")


def mrn(value: str, kind: str = "MR", authority: str = "HOSP") -> Identifier:
    return Identifier(authority, kind, value)


def person(*values: str, **fields: Any) -> Patient:
    return Patient(tuple(mrn(value) for value in values), **fields)


def merge(survivor: str, prior: str) -> PatientMerge:
    return PatientMerge(person(survivor), (mrn(prior),))


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


def test_a_merge_in_one_practice_leaves_the_other_alone(desk: Any) -> None:
    for practice in ("north", "south"):
        for value in ("1", "2"):
            desk.put(person(value), practice=practice)
    desk.put(merge("1", "2"), practice="north")
    assert live(desk, "2", "north") == live(desk, "1", "north")
    assert live(desk, "2", "south") != live(desk, "1", "south")


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


def test_a_merge_moves_the_rows_and_later_messages_reach_the_survivor(desk: Any) -> None:
    desk.put(person("1", name=NAME))
    desk.put(visit("2"), "A-2")
    assert desk.put(merge("1", "2"), minute=5) == "changed"
    prior = desk.one(tables.Patient, status="merged")
    survivor = desk.one(tables.Patient, status="active")
    assert prior.merged_into_id == survivor.id
    assert desk.one(tables.Appointment).patient_id == survivor.id
    desk.put(visit("2"), "A-3")
    desk.put(person("2", phone="555-0100"), minute=6)
    assert {row.patient_id for row in desk.rows(tables.Appointment)} == {survivor.id}
    assert desk.one(tables.Patient, status="active").phone == "555-0100"


def test_a_merge_twice_is_a_merge_once(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    assert desk.put(merge("1", "2"), minute=1) == "changed"
    assert desk.put(merge("1", "2"), minute=1) == "unchanged"
    assert len(desk.rows(tables.PatientMerge)) == 1


def test_merges_chain(desk: Any) -> None:
    for value in "123":
        desk.put(person(value))
        desk.put(visit(value), f"A-{value}")
    desk.put(merge("2", "1"), minute=1)
    desk.put(merge("3", "2"), minute=2)
    assert live(desk, "1") == live(desk, "2") == live(desk, "3")
    assert {row.patient_id for row in desk.rows(tables.Appointment)} == {live(desk, "3")}


def test_a_merge_into_a_merged_patient_reaches_its_survivor(desk: Any) -> None:
    for value in "123":
        desk.put(person(value))
    desk.put(merge("2", "1"), minute=1)
    assert desk.put(merge("1", "3"), minute=2) == "changed"
    assert live(desk, "3") == live(desk, "2")


@pytest.mark.parametrize(
    ("merges", "reason"),
    [
        ([("2", "1"), ("1", "2")], "merge_opposite"),
        ([("2", "1"), ("3", "2"), ("1", "3")], "merge_opposite"),
        ([("2", "1"), ("3", "1")], "merge_merged_elsewhere"),
    ],
)
def test_a_merge_against_an_earlier_one_is_refused(
    desk: Any, merges: Sequence[tuple[str, str]], reason: str
) -> None:
    for value in "123":
        desk.put(person(value))
    *before, last = merges
    for survivor, prior in before:
        assert desk.put(merge(survivor, prior)) == "changed"
    links = {row.id: row.merged_into_id for row in desk.rows(tables.Patient)}
    assert desk.put(merge(*last)) == "rejected"
    assert desk.codes == [reason]
    assert {row.id: row.merged_into_id for row in desk.rows(tables.Patient)} == links


def test_a_refused_merge_changes_nothing_of_the_survivor(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2", phone="555-0100"))
    desk.put(merge("2", "1"), minute=1)
    opposite = PatientMerge(person("1", phone="555-0199"), (mrn("2"),))
    assert desk.put(opposite, minute=2) == "rejected"
    assert desk.one(tables.Patient, status="active").phone == "555-0100"


def test_an_unknown_prior_becomes_another_identifier_of_the_survivor(desk: Any) -> None:
    desk.put(person("1"))
    assert desk.put(merge("1", "2"), minute=1) == "changed"
    assert desk.put(merge("1", "2"), minute=1) == "unchanged"
    assert live(desk, "2") == live(desk, "1")
    assert len(desk.rows(tables.Patient)) == 1


@pytest.mark.parametrize(
    "into_itself",
    [merge("1", "2"), merge("2", "1"), PatientMerge(person("1", "2"), (mrn("2"),))],
)
def test_a_merge_of_a_patient_into_itself_does_nothing_and_is_told(
    desk: Any, into_itself: PatientMerge
) -> None:
    desk.put(person("1", "2"))
    desk.put(into_itself, minute=1)
    assert desk.codes == ["merge_same_patient"]
    assert desk.one(tables.Patient).status == "active"


def test_a_merge_told_again_is_no_merge_into_itself(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=1)
    assert desk.put(merge("1", "2"), minute=1) == "unchanged"
    assert desk.codes == []


def test_an_unknown_survivor_is_created(desk: Any) -> None:
    desk.put(person("2"))
    assert desk.put(merge("1", "2")) == "created"
    assert live(desk, "2") == live(desk, "1")
    assert len(desk.rows(tables.Patient)) == 2


def test_two_unknown_patients_merge_into_one_new(desk: Any) -> None:
    assert desk.put(merge("1", "2")) == "created"
    assert live(desk, "2") == live(desk, "1")
    assert len(desk.rows(tables.Patient)) == 1


def test_a_survivor_that_lists_the_prior_number_too_is_no_conflict(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    assert desk.put(PatientMerge(person("2", "1"), (mrn("2"),))) == "changed"
    assert desk.codes == []
    assert live(desk, "2") == live(desk, "1")


@pytest.mark.parametrize("prior", [(), (mrn("900-00-0001", "SS"),), (mrn("1"),)])
def test_a_merge_that_names_one_side_only_is_refused(
    desk: Any, prior: tuple[Identifier, ...]
) -> None:
    desk.put(person("1"))
    assert desk.put(PatientMerge(person("1"), prior)) == "rejected"
    assert desk.codes == ["merge_without_identifiers"]


def test_an_undone_merge_gives_back_what_it_moved_even_after_a_further_merge(desk: Any) -> None:
    charge = Charge(PatientReference((mrn("2"),)), "charge", date(2026, 3, 2), "99213")
    for value in "123":
        desk.put(person(value))
        desk.put(visit(value), f"A-{value}")
    desk.put(charge, "F-2")
    desk.put(merge("2", "1"), minute=1)
    desk.put(merge("3", "2"), minute=2)
    first = desk.one(tables.PatientMerge, survivor_id=_id(desk, "2"))
    desk.work(lambda s: patients.undo_merge(s, "north", first.prior_id, now=NOW))
    held = {row.external_id: row.patient_id for row in desk.rows(tables.Appointment)}
    three = _id(desk, "3")
    assert held == {"A-1": _id(desk, "1"), "A-2": three, "A-3": three}
    assert desk.one(tables.Charge).patient_id == three
    assert desk.one(tables.Patient, id=_id(desk, "1")).status == "active"


def test_a_replay_does_not_repeat_an_undone_merge_and_a_later_one_does(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=1)
    prior = _id(desk, "2")
    desk.work(lambda s: patients.undo_merge(s, "north", prior, now=NOW))
    assert desk.put(merge("1", "2"), minute=1) == "rejected"
    assert desk.codes == ["merge_undone"]
    assert desk.put(merge("1", "2"), minute=9) == "changed"
    desk.work(lambda s: patients.undo_merge(s, "north", prior, now=NOW))
    assert live(desk, "2") == prior


def test_only_a_merge_in_force_can_be_undone(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    with pytest.raises(NotFound):
        desk.work(lambda s: patients.undo_merge(s, "north", _id(desk, "2"), now=NOW))
    desk.put(merge("1", "2"))
    desk.work(lambda s: patients.undo_merge(s, "north", _id(desk, "2"), now=NOW))
    with pytest.raises(Conflict):
        desk.work(lambda s: patients.undo_merge(s, "north", _id(desk, "2"), now=NOW))


def unmerge(first: str, second: str) -> PatientUnmerge:
    return PatientUnmerge((mrn(first),), (mrn(second),))


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_an_unlink_message_undoes_the_merge_whichever_survived(
    desk: Any, order: tuple[str, str]
) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=3)
    assert desk.put(unmerge(*order), minute=5) == "changed"
    assert live(desk, "2") == _id(desk, "2") != _id(desk, "1")
    assert desk.put(unmerge(*order), minute=5) == "unchanged"
    assert desk.put(merge("1", "2"), minute=3) == "rejected"


def test_an_unlink_older_than_the_merge_is_stale(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=7)
    assert desk.put(unmerge("1", "2"), minute=5) == "stale"


def test_an_unlink_of_what_cannot_be_told_apart_waits_for_a_person(desk: Any) -> None:
    desk.put(person("1"))
    assert desk.put(unmerge("1", "2")) == "rejected"
    assert desk.codes == ["unknown_patient"]
    desk.put(merge("1", "2"))
    assert desk.put(unmerge("1", "2")) == "rejected"
    assert desk.codes == ["unmerge_same_patient"]


def test_every_table_of_patient_rows_follows_a_merge() -> None:
    with_patient = {
        mapper.class_ for mapper in Base.registry.mappers if "patient_id" in mapper.columns
    }
    assert with_patient == {*store.OF_A_PATIENT, *store.DESCRIBE_A_PATIENT}
    assert not set(store.OF_A_PATIENT) & set(store.DESCRIBE_A_PATIENT)


def _id(desk: Any, value: str) -> str:
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
