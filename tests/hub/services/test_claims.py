"""Charges: exact amounts, corrections under the same key, credits as entries of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.claims import Charge
from hub.domain.encounters import Encounter
from hub.domain.patients import Identifier, PatientReference
from hub.storage import tables

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
CHARGE = Charge(
    WHO,
    "charge",
    date(2026, 3, 2),
    "99213",
    "CPT",
    ("25",),
    Decimal("1.5"),
    Decimal("80.10"),
    diagnosis_codes=("E11.9",),
    visit_number="V1",
    performer_npi="1234567893",
)


def test_a_charge_is_entered_once_with_exact_amounts(desk: Any) -> None:
    desk.put(Encounter(WHO, "in_progress"), "V1")
    assert desk.put(CHARGE, "F1", 1) == "created"
    assert desk.put(CHARGE, "F1", 1) == "unchanged"
    row = desk.one(tables.Charge)
    assert (row.amount, row.quantity, row.modifiers) == (Decimal("80.10"), Decimal("1.5"), ["25"])
    assert (row.diagnosis_codes, row.service_date) == (["E11.9"], date(2026, 3, 2))
    assert row.encounter_id == desk.one(tables.Encounter).id


def test_a_correction_replaces_and_an_older_one_does_not(desk: Any) -> None:
    desk.put(CHARGE, "F1", 2)
    assert desk.put(replace(CHARGE, amount=Decimal("70.00")), "F1", 3) == "changed"
    assert desk.put(CHARGE, "F1", 2) == "stale"
    assert desk.one(tables.Charge).amount == Decimal("70.00")


@pytest.mark.parametrize("order", [("charge", "credit"), ("credit", "charge")])
def test_a_credit_under_the_key_of_its_charge_is_a_second_entry(
    desk: Any, order: tuple[Any, Any]
) -> None:
    for kind in (*order, *order):
        desk.put(replace(CHARGE, kind=kind), "F1", 1)
    rows = desk.rows(tables.Charge)
    assert sorted(row.kind for row in rows) == ["charge", "credit"]
    assert {row.amount for row in rows} == {Decimal("80.10")}


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (Decimal("1.005"), "amount_precision"),
        (Decimal("NaN"), "amount_range"),
        (Decimal("1E+30"), "amount_range"),
    ],
)
def test_an_amount_that_cannot_be_kept_exactly_is_rejected(
    desk: Any, amount: Decimal, code: str
) -> None:
    assert desk.put(replace(CHARGE, amount=amount), "F1") == "rejected"
    assert desk.codes == [code]
    assert desk.rows(tables.Charge) == []


def test_an_entry_is_never_deleted(desk: Any) -> None:
    desk.put(CHARGE, "F1")
    assert desk.put(CHARGE, "F1", op="delete") == "rejected"
    assert desk.codes == ["delete_not_supported"]
    assert len(desk.rows(tables.Charge)) == 1
