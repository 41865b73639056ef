"""Sensitivity labels of applied records: stated, inherited, spread, kept and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.encounters import Diagnosis, Encounter
from hub.domain.observations import Observation, ObservationReport
from hub.domain.patients import Identifier, Patient, PatientMerge, PatientReference, PatientUnmerge
from hub.domain.records import Record
from hub.domain.scheduling import Appointment
from hub.services.apply import ApplyContext, apply
from hub.storage import tables
from tests.hub.services.conftest import ALL, CRYPTO, at

WHEN = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
IDS = (Identifier("HOSP", "MR", "7"),)
WHO = PatientReference(IDS)
A1C = Observation("a1c", "4548-4", "LN", "Hemoglobin A1c", "NM", "7.1", observed_at=WHEN)
VISIT = Encounter(WHO, "in_progress", starts_at=WHEN)
ORDER = ClinicalOrder(WHO, placer_number="P1", status="active", code="24331-1")


def report(**fields: Any) -> ObservationReport:
    return ObservationReport(WHO, "24331-1", "Panel", (A1C,), **fields)


def put(desk: Any, data: object, key: str, minute: int, label: str | None = None) -> str:
    context = ApplyContext("north", "ehr", None, None, at(600), UTC, CRYPTO)
    record = Record(key, data, at(minute), sensitivity=label)
    return str(desk.database.transaction(ALL, lambda s: apply(s, context, record)))


def label(desk: Any, table: Any) -> str:
    return str(desk.one(table).sensitivity)


def test_a_label_is_kept_until_its_source_takes_it_back(desk: Any) -> None:
    put(desk, report(), "R1", 1, "SUD")
    assert label(desk, tables.Observation) == "SUD"
    assert put(desk, report(), "R1", 2) == "unchanged"
    assert label(desk, tables.Observation) == "SUD"
    assert put(desk, report(), "R1", 3, "") == "changed"
    assert label(desk, tables.Observation) == ""
    assert put(desk, report(), "R1", 4, "HIV") == "changed"
    assert put(desk, report(), "R1", 2, "") == "stale"
    assert label(desk, tables.Observation) == "HIV"


def test_what_belongs_to_a_labelled_patient_is_labelled_before_and_after(desk: Any) -> None:
    put(desk, report(), "R1", 1)
    put(desk, Patient(IDS), "7", 2, "SUD")
    assert label(desk, tables.Observation) == label(desk, tables.PatientIdentifier) == "SUD"
    put(desk, Appointment(WHO, "booked", starts_at=WHEN), "A1", 3)
    assert label(desk, tables.Appointment) == "SUD"
    put(desk, Patient((*IDS, Identifier("HOSP", "PI", "8"))), "7", 4)
    assert {row.sensitivity for row in desk.rows(tables.PatientIdentifier)} == {"SUD"}


def test_a_labelled_visit_labels_its_diagnoses_orders_and_what_answers_them(desk: Any) -> None:
    visit = replace(VISIT, diagnoses=(Diagnosis(code="F10.20"),))
    put(desk, visit, "V1", 1)
    put(desk, replace(ORDER, visit_number="V1"), "placer|P1", 2)
    put(desk, report(placer_number="P1"), "R1", 3)
    touched = (tables.Diagnosis, tables.ClinicalOrder, tables.Observation)
    assert [label(desk, table) for table in touched] == ["", "", ""]
    put(desk, replace(visit, location="Ward"), "V1", 4, "SUD")
    assert [label(desk, table) for table in touched] == ["SUD"] * 3
    assert label(desk, tables.Patient) == ""


def test_results_of_a_labelled_order_are_labelled(desk: Any) -> None:
    put(desk, ORDER, "placer|P1", 1, "HIV")
    put(desk, report(placer_number="P1"), "R1", 2)
    assert label(desk, tables.Observation) == "HIV"


def test_a_merge_with_a_labelled_patient_labels_the_survivor_and_their_rows(desk: Any) -> None:
    prior = (Identifier("HOSP", "MR", "8"),)
    put(desk, report(), "R1", 1)
    put(desk, Patient(prior), "8", 2, "SUD")
    put(desk, PatientMerge(Patient(IDS), prior), "m", 3)
    assert {row.sensitivity for row in desk.rows(tables.Patient)} == {"SUD"}
    assert label(desk, tables.Observation) == "SUD"


def test_a_record_with_two_reasons_has_the_label_of_neither(desk: Any) -> None:
    put(desk, VISIT, "V1", 1, "SUD")
    put(desk, replace(ORDER, visit_number="V1"), "placer|P1", 2, "HIV")
    put(desk, report(placer_number="P1"), "R1", 3, "HIV")
    assert label(desk, tables.ClinicalOrder) == label(desk, tables.Observation) == "R"


def test_what_had_a_label_before_it_belonged_to_another_has_that_of_neither(desk: Any) -> None:
    put(desk, replace(VISIT, diagnoses=(Diagnosis(code="B20"),)), "V1", 1, "HIV")
    put(desk, report(), "R1", 2, "HIV")
    put(desk, Appointment(WHO, "booked", starts_at=WHEN), "A1", 3, "SUD")
    put(desk, Patient(IDS), "7", 4, "SUD")
    touched = (tables.Encounter, tables.Diagnosis, tables.Observation)
    assert [label(desk, table) for table in touched] == ["R"] * 3
    assert label(desk, tables.Appointment) == label(desk, tables.PatientIdentifier) == "SUD"
    put(desk, replace(VISIT, location="Ward"), "V1", 5)
    assert label(desk, tables.Encounter) == "R"


def test_a_patient_whose_label_changes_hides_what_had_the_former_one(desk: Any) -> None:
    put(desk, Patient(IDS), "7", 1, "SUD")
    put(desk, report(), "R1", 2)
    put(desk, Patient(IDS), "7", 3, "HIV")
    assert label(desk, tables.Patient) == "HIV"
    assert label(desk, tables.Observation) == "R"


def test_a_merge_of_two_labels_has_that_of_neither(desk: Any) -> None:
    prior = (Identifier("HOSP", "MR", "8"),)
    put(desk, Patient(IDS), "7", 1, "HIV")
    put(desk, report(), "R1", 2)
    put(desk, Patient(prior), "8", 3, "SUD")
    put(desk, PatientMerge(Patient(IDS), prior), "m", 4)
    assert label(desk, tables.Observation) == "R"
    assert {row.sensitivity for row in desk.rows(tables.Patient)} == {"R", "SUD"}


def test_a_survivor_stays_hidden_for_both_reasons_until_they_are_parted(desk: Any) -> None:
    prior = (Identifier("HOSP", "MR", "8"),)
    put(desk, Patient(IDS), "7", 1, "HIV")
    put(desk, Patient(prior), "8", 2, "SUD")
    put(desk, PatientMerge(Patient(IDS), prior), "m", 3)

    def survivor() -> str:
        [row] = [each for each in desk.rows(tables.Patient) if each.id == kept]
        return str(row.sensitivity)

    [kept] = [each.id for each in desk.rows(tables.Patient) if each.status == "active"]
    put(desk, Patient(IDS, phone="555-0100"), "7", 4, "HIV")
    assert survivor() == "R"
    put(desk, report(), "R1", 5)
    assert label(desk, tables.Observation) == "R"
    put(desk, Patient(IDS), "7", 6, "")
    assert survivor() == "SUD"
    put(desk, Patient(IDS), "7", 7, "HIV")
    assert survivor() == "R"
    put(desk, PatientUnmerge(IDS, prior), "u", 8)
    put(desk, Patient(IDS, phone="555-0199"), "7", 9, "HIV")
    assert survivor() == "HIV"


def test_a_consent_keeps_its_label_when_its_patient_gets_another(desk: Any) -> None:
    put(desk, Patient(IDS), "7", 1)
    patient = desk.one(tables.Patient).id
    consent = tables.Consent(
        practice_id="north", patient_id=patient, sensitivity="HIV", granted_on=WHEN.date(),
        starts_at=WHEN, reference="r", recorded_at=WHEN, recorded_by="r",
    )  # fmt: skip
    desk.database.transaction(ALL, lambda s: s.add(consent))
    put(desk, Patient(IDS), "7", 2, "SUD")
    assert label(desk, tables.Consent) == "HIV"
