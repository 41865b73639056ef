"""Merges on a real database: what one does, what is refused, and what is given back when it is
undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from hub.domain.claims import Charge
from hub.domain.patients import Identifier, Patient, PatientMerge, PatientReference, PatientUnmerge
from hub.storage import merges as store
from hub.storage import tables
from hub.storage.tables import Base
from tests.hub.services.test_patients import NAME, held_by, live, mrn, person, visit


def merge(survivor: str, prior: str) -> PatientMerge:
    return PatientMerge(person(survivor), (mrn(prior),))


def unmerge(first: str, second: str) -> PatientUnmerge:
    return PatientUnmerge((mrn(first),), (mrn(second),))


def test_a_merge_in_one_practice_leaves_the_other_alone(desk: Any) -> None:
    for practice in ("north", "south"):
        for value in ("1", "2"):
            desk.put(person(value), practice=practice)
    desk.put(merge("1", "2"), practice="north")
    assert live(desk, "2", "north") == live(desk, "1", "north")
    assert live(desk, "2", "south") != live(desk, "1", "south")


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
    assert desk.put(unmerge("2", "1"), minute=3) == "changed"
    held = {row.external_id: row.patient_id for row in desk.rows(tables.Appointment)}
    three = held_by(desk, "3")
    assert held == {"A-1": held_by(desk, "1"), "A-2": three, "A-3": three}
    assert desk.one(tables.Charge).patient_id == three
    assert desk.one(tables.Patient, id=held_by(desk, "1")).status == "active"


def test_a_replay_does_not_repeat_an_undone_merge_and_a_later_one_does(desk: Any) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=1)
    prior = held_by(desk, "2")
    desk.put(unmerge("1", "2"), minute=5)
    assert desk.put(merge("1", "2"), minute=1) == "rejected"
    assert desk.codes == ["merge_undone"]
    assert desk.put(merge("1", "2"), minute=9) == "changed"
    desk.put(unmerge("1", "2"), minute=10)
    assert live(desk, "2") == prior


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_an_unlink_message_undoes_the_merge_whichever_survived(
    desk: Any, order: tuple[str, str]
) -> None:
    desk.put(person("1"))
    desk.put(person("2"))
    desk.put(merge("1", "2"), minute=3)
    assert desk.put(unmerge(*order), minute=5) == "changed"
    assert live(desk, "2") == held_by(desk, "2") != held_by(desk, "1")
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


def test_an_undone_merge_is_not_repeated_after_one_into_somebody_else(desk: Any) -> None:
    for value in "123":
        desk.put(person(value))
    for number, survivor in enumerate("13"):
        desk.put(merge(survivor, "2"), minute=2 + 2 * number)
        desk.put(unmerge(survivor, "2"), minute=3 + 2 * number)
    assert desk.put(merge("1", "2"), minute=2) == "rejected"
    assert desk.codes == ["merge_undone"]
    assert live(desk, "2") != live(desk, "1")


def test_a_merge_clears_the_dates_of_the_identifier_it_names(desk: Any) -> None:
    dated = Identifier("HOSP", "MR", "1", None, date(2027, 1, 1))
    other = Identifier("HOSP", "MR", "3", None, date(2028, 1, 1))
    desk.put(Patient((dated, other)), minute=1)
    desk.put(person("2"), minute=1)
    named = PatientMerge(person("2", "3", "1"), (mrn("2"),))
    desk.put(named, minute=2, cleared=("identifiers[3].expires_on",))
    until = {row.value: row.expires_on for row in desk.rows(tables.PatientIdentifier)}
    assert (until["1"], until["3"]) == (None, date(2028, 1, 1))
