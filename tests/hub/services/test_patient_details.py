"""A patient's lists: replaced whole, kept where a message is silent, emptied where it says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from hub.domain.encounters import Diagnosis, Encounter
from hub.domain.patient_details import (
    Allergy,
    Contact,
    Guarantor,
    PatientDetails,
    Telecom,
    UsedAddress,
    UsedName,
)
from hub.domain.patients import (
    Address,
    Identifier,
    Patient,
    PatientMerge,
    PatientReference,
    PersonName,
    Practitioner,
)
from hub.storage import tables

ADA = (Identifier("HOSP", "MR", "7"),)
BEA = (Identifier("HOSP", "MR", "8"),)
HOME = Address("12 Prospect Drive", city="Evanston")
STATED = PatientDetails(
    PatientReference(ADA),
    names=(UsedName(PersonName("Okonkwo", "Ada"), "L"), UsedName(PersonName("Bell"), "M")),
    addresses=(UsedAddress(HOME, "H"),),
    telecoms=(Telecom("phone", "847 5550142", "PRN"), Telecom("email", "a@patients.example")),
    contacts=(Contact(PersonName("Okonkwo", "Chidi"), "SPO", "N", address=HOME),),
    guarantors=(Guarantor("G-1", PersonName("Okonkwo", "Chidi"), birth_date=date(1976, 1, 30)),),
    allergies=(Allergy("DA", "7980", "Penicillin G", reactions=("Hives",)),),
)
LISTS = (
    tables.PatientName,
    tables.PatientAddress,
    tables.PatientTelecom,
    tables.PatientContact,
    tables.Guarantor,
    tables.Allergy,
)


def counts(desk: Any) -> list[int]:
    return [len(desk.rows(table)) for table in LISTS]


def test_each_list_is_stored_in_the_order_stated(desk: Any) -> None:
    assert desk.put(STATED, minute=1) == "changed"
    assert counts(desk) == [2, 1, 2, 1, 1, 1]
    names = sorted(desk.rows(tables.PatientName), key=lambda row: row.position)
    assert [(row.family_name, row.use) for row in names] == [("Okonkwo", "L"), ("Bell", "M")]
    contact = desk.one(tables.PatientContact)
    assert (contact.given_name, contact.role, contact.line1) == ("Chidi", "N", HOME.line1)
    assert desk.one(tables.Allergy).reactions == ["Hives"]
    assert desk.put(STATED, minute=1) == "unchanged"


def test_a_list_replaces_the_one_before_and_the_others_stay(desk: Any) -> None:
    desk.put(STATED, minute=1)
    other = PatientDetails(STATED.patient, names=(UsedName(PersonName("Bell", "Ada"), "L"),))
    assert desk.put(other, minute=2) == "changed"
    assert counts(desk) == [1, 1, 2, 1, 1, 1]
    assert desk.one(tables.PatientName).family_name == "Bell"
    assert desk.put(STATED, minute=3) == "changed"
    assert counts(desk) == [2, 1, 2, 1, 1, 1]


def test_an_empty_list_empties(desk: Any) -> None:
    desk.put(STATED, minute=1)
    assert desk.put(replace(STATED, allergies=(), contacts=()), minute=2) == "changed"
    assert counts(desk) == [2, 1, 2, 0, 1, 0]


def test_lists_older_than_what_is_known_of_the_patient_are_stale(desk: Any) -> None:
    desk.put(Patient(ADA, name=PersonName("Okonkwo")), minute=5)
    assert desk.put(STATED, minute=3) == "stale"
    assert counts(desk) == [0] * 6


@pytest.mark.parametrize("table", [tables.Allergy, tables.Guarantor])
def test_allergies_and_guarantors_follow_a_merge_and_names_stay(desk: Any, table: Any) -> None:
    desk.put(STATED, minute=1)
    desk.put(Patient(BEA), minute=1)
    prior = desk.one(tables.PatientName, position=1).patient_id
    desk.put(PatientMerge(Patient(BEA), ADA), minute=2)
    assert desk.one(table).patient_id != prior
    assert desk.one(tables.PatientName, position=1).patient_id == prior


def test_what_is_said_once_of_a_patient_is_kept_with_the_primary_provider(desk: Any) -> None:
    said = Patient(
        ADA,
        deceased=True,
        race="2106-3",
        marital_status="M",
        publicity_code="02",
        protected=True,
        primary_provider=Practitioner("D1", PersonName("Reyes")),
    )
    desk.put(said, minute=1)
    desk.put(Patient(ADA, phone="847"), minute=2)
    row = desk.one(tables.Patient)
    assert (row.deceased, row.race, row.marital_status) == (True, "2106-3", "M")
    assert (row.publicity_code, row.protected) == ("02", True)
    assert row.primary_provider_id == desk.one(tables.Provider).id


def test_diagnoses_of_a_visit_replace_each_other_and_stay_where_none_are_named(desk: Any) -> None:
    visit = Encounter(STATED.patient, "registered")
    first = (Diagnosis("I10", "Hypertension", "I10", "W", 1), Diagnosis("E11.9", "Diabetes"))
    desk.put(replace(visit, diagnoses=first), "V1", minute=1)
    desk.put(visit, "V1", minute=2)
    assert {row.code for row in desk.rows(tables.Diagnosis)} == {"I10", "E11.9"}
    desk.put(replace(visit, diagnoses=first[:1]), "V1", minute=3)
    row = desk.one(tables.Diagnosis)
    assert (row.code, row.priority) == ("I10", 1)
    assert row.encounter_id == desk.one(tables.Encounter).id
    desk.put(replace(visit, diagnoses=()), "V1", minute=4)
    assert desk.rows(tables.Diagnosis) == []
