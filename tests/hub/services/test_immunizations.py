"""Immunizations: stated whole, deleted without losing what was known."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hub.domain.encounters import Encounter
from hub.domain.immunizations import Immunization
from hub.domain.patients import Identifier, PatientReference
from hub.domain.scheduling import Practitioner
from hub.storage import tables

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
DAY = date(2026, 3, 2)
GIVEN = Immunization(
    WHO,
    "completed",
    DAY,
    "140",
    "CVX",
    "Influenza",
    historical=False,
    amount=Decimal("0.5"),
    unit="mL",
    lot_number="L1",
    practitioner=Practitioner("D1"),
    visit_number="V1",
)


def test_an_immunization_is_stored_with_who_gave_it_and_where_it_belongs(desk: Any) -> None:
    desk.put(Encounter(WHO, "registered"), "V1")
    assert desk.put(GIVEN, "I1", minute=1) == "created"
    assert desk.put(GIVEN, "I1", minute=1) == "unchanged"
    row = desk.one(tables.Immunization)
    assert (row.vaccine_code, row.amount, row.historical) == ("140", Decimal("0.5"), False)
    assert row.provider_id == desk.one(tables.Provider).id
    assert row.encounter_id == desk.one(tables.Encounter).id


def test_an_update_states_the_vaccine_anew_and_a_late_one_is_stale(desk: Any) -> None:
    desk.put(GIVEN, "I1", minute=1)
    corrected = Immunization(WHO, "completed", DAY, "141", "CVX", lot_number="L2")
    assert desk.put(corrected, "I1", minute=5) == "changed"
    assert desk.put(GIVEN, "I1", minute=3) == "stale"
    row = desk.one(tables.Immunization)
    assert (row.vaccine_code, row.lot_number, row.amount) == ("141", "L2", None)


def test_a_deletion_keeps_what_was_stored(desk: Any) -> None:
    desk.put(GIVEN, "I1", minute=1)
    assert desk.put(Immunization(WHO, "deleted", DAY, "140"), "I1", minute=2) == "changed"
    row = desk.one(tables.Immunization)
    assert (row.status, row.vaccine_name, row.lot_number) == ("deleted", "Influenza", "L1")


def test_an_addition_that_arrives_after_its_deletion_stays_deleted(desk: Any) -> None:
    desk.put(Immunization(WHO, "deleted", DAY, "140"), "I1", minute=5)
    assert desk.put(GIVEN, "I1", minute=1) == "stale"
    assert desk.one(tables.Immunization).status == "deleted"


def test_a_refusal_is_kept_with_its_reason(desk: Any) -> None:
    refused = Immunization(WHO, "refused", DAY, "21", refusal_code="00", refusal_reason="Parental")
    desk.put(refused, "I2")
    row = desk.one(tables.Immunization)
    assert (row.status, row.refusal_code, row.refusal_reason) == ("refused", "00", "Parental")
