"""Procedures and roles: replaced where stated whole, changed one by one, kept with their owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.domain.care_roles import CareRole
from hub.domain.claims import Charge
from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.encounters import Encounter
from hub.domain.patient_details import PatientDetails
from hub.domain.patients import Identifier, Patient, PatientReference, PersonName, Practitioner
from hub.domain.procedures import Procedure
from hub.domain.records import Record
from hub.services.apply import ApplyContext, apply
from hub.storage import tables
from tests.hub.services.conftest import ALL, at

IDS = (Identifier("HOSP", "MR", "7"),)
WHO = PatientReference(IDS)
LUND = Practitioner("D-17", PersonName("Lund", "Mia"))
STONE = Practitioner("1000000004", PersonName("Stone", "Ray"), "1000000004")
BEGAN = datetime(2026, 3, 2, 16, 15, tzinfo=UTC)
CONSULTS = CareRole("CP", LUND, "Consulting Provider", starts_at=BEGAN)
ASSISTS = CareRole("AP", STONE)
SURGERY = Procedure(
    "47562", "Cholecystectomy", "C4", "P", 1, BEGAN, "minute", 75, ("22",), "K80.20", LUND
)
VISIT = Encounter(WHO, "in_progress", procedures=(replace(SURGERY, care_roles=(ASSISTS,)),))
CHARGE = Charge(WHO, "charge", date(2026, 3, 2), "47562", visit_number="V1")


def roles(desk: Any, **where: Any) -> set[tuple[str, str]]:
    names = {row.id: row.family_name for row in desk.rows(tables.Provider)}
    return {(row.role, names[row.provider_id]) for row in desk.rows(tables.CareRole, **where)}


def test_procedures_of_a_visit_are_kept_with_who_did_them(desk: Any) -> None:
    assert desk.put(VISIT, "V1", 1) == "created"
    row = desk.one(tables.Procedure)
    assert (row.code, row.minutes, row.modifiers, row.priority) == ("47562", 75, ["22"], 1)
    assert (row.performed_at, row.performed_at_precision) == (BEGAN, "minute")
    assert row.encounter_id == desk.one(tables.Encounter).id
    assert row.provider_id == desk.one(tables.Provider, external_id="D-17").id
    assert roles(desk, procedure_id=row.id) == {("AP", "Stone")}
    assert desk.put(VISIT, "V1", 2) == "unchanged"


def test_procedures_stated_again_replace_those_there_are_and_their_roles(desk: Any) -> None:
    desk.put(VISIT, "V1", 1)
    first = desk.one(tables.Procedure).id
    second = Procedure("88304", care_roles=(CONSULTS,))
    desk.put(replace(VISIT, procedures=(SURGERY, second)), "V1", 2)
    assert [row.code for row in desk.rows(tables.Procedure, id=first)] == ["47562"]
    assert roles(desk) == {("CP", "Lund")}
    assert desk.one(tables.Procedure, code="88304").performed_at == at(2)
    desk.put(replace(VISIT, procedures=None, location="W"), "V1", 3)
    assert len(desk.rows(tables.Procedure)) == 2
    desk.put(replace(VISIT, procedures=()), "V1", 4)
    assert desk.rows(tables.Procedure) == desk.rows(tables.CareRole) == []


def test_procedures_of_a_charge_are_its_own_and_the_visits(desk: Any) -> None:
    desk.put(VISIT, "V1", 1)
    desk.put(replace(CHARGE, procedures=(replace(SURGERY, performed_at=None),)), "F1", 2)
    charge = desk.one(tables.Charge)
    row = desk.one(tables.Procedure, charge_id=charge.id)
    assert row.encounter_id == charge.encounter_id is not None
    assert row.performed_at == datetime(2026, 3, 2, tzinfo=UTC)
    desk.put(replace(VISIT, procedures=()), "V1", 3)
    assert [one.charge_id for one in desk.rows(tables.Procedure)] == [charge.id]
    desk.put(replace(CHARGE, procedures=()), "F1", 4)
    assert desk.rows(tables.Procedure) == []


def test_a_field_of_people_replaces_what_it_listed_and_no_other_role(desk: Any) -> None:
    listed = CareRole("CP", STONE, listed_in="PV1-9")
    refers = CareRole("RP", STONE, listed_in="PV1-8")
    desk.put(replace(VISIT, care_roles=(refers, listed, CONSULTS)), "V1", 1)
    assert roles(desk, procedure_id=None) == {("RP", "Stone"), ("CP", "Stone"), ("CP", "Lund")}
    desk.put(replace(VISIT, care_roles=(CareRole("CP", None, listed_in="PV1-9"),)), "V1", 2)
    assert roles(desk, procedure_id=None) == {("RP", "Stone"), ("CP", "Lund")}
    desk.put(replace(VISIT, care_roles=(), location="W"), "V1", 3)
    assert len(roles(desk, procedure_id=None)) == 2


def test_a_role_is_changed_and_taken_back_by_itself(desk: Any) -> None:
    desk.put(replace(VISIT, care_roles=(CONSULTS, ASSISTS)), "V1", 1)
    ended = replace(CONSULTS, starts_at=None, role_name="", ends_at=at(5))
    desk.put(replace(VISIT, care_roles=(ended,)), "V1", 2)
    row = desk.one(tables.CareRole, role="CP")
    assert (row.starts_at, row.ends_at, row.role_name) == (BEGAN, at(5), "Consulting Provider")
    desk.put(replace(VISIT, care_roles=(replace(CONSULTS, ended=True),)), "V1", 3)
    assert roles(desk, procedure_id=None) == {("AP", "Stone")}


@pytest.mark.parametrize(
    ("record", "key", "column"),
    [
        (PatientDetails(WHO, care_roles=(CONSULTS,)), "7", "patient_id"),
        (ClinicalOrder(WHO, "P1", status="active", care_roles=(CONSULTS,)), "P1", "order_id"),
    ],
)
def test_roles_of_patients_and_orders_have_one_owner(
    desk: Any, record: Any, key: str, column: str
) -> None:
    desk.put(Patient(IDS), "7", 1)
    desk.put(record, key, 2)
    row = desk.one(tables.CareRole)
    owners = ("patient_id", "encounter_id", "order_id", "procedure_id")
    assert [name for name in owners if getattr(row, name)] == [column]
    assert desk.put(record, key, 3) == "unchanged"


def test_procedures_take_the_label_of_what_they_belong_to(desk: Any) -> None:
    def put(data: object, key: str, minute: int, label: str | None) -> None:
        context = ApplyContext("north", "ehr", None, None, at(600), UTC)
        record = Record(key, data, at(minute), sensitivity=label)
        desk.database.transaction(ALL, lambda session: apply(session, context, record))

    put(replace(CHARGE, procedures=(SURGERY,)), "F1", 1, None)
    assert desk.one(tables.Procedure).sensitivity == ""
    put(CHARGE, "F1", 2, "SUD")
    assert desk.one(tables.Procedure).sensitivity == "SUD"
    put(VISIT, "V1", 3, "HIV")
    assert desk.one(tables.Procedure, charge_id=None).sensitivity == "HIV"
