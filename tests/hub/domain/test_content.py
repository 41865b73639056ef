"""Content hashes: by value, by moment, by type, and never by accident."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.claims import Charge
from hub.domain.content import content_hash
from hub.domain.patients import Identifier, Patient, PatientReference, PersonName
from hub.domain.scheduling import Practitioner

CHARGE = Charge(
    PatientReference((Identifier("HOSP", "MR", "7"),)),
    "charge",
    date(2026, 3, 2),
    "99213",
    amount=Decimal("80.00"),
)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPECTED = "d58a656e0277864ab18b73af6b629e9c4c4a8f45e27e807466166c683b1319e5"


@dataclass(frozen=True)
class Box:
    value: Any


def test_the_hash_is_the_same_in_every_process() -> None:
    assert content_hash(Box(("a", 1, None, Decimal("1.50")))) == EXPECTED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Decimal("1.0"), Decimal("1.00")),
        (Decimal("-0"), Decimal("0.00")),
        (Decimal("1E+2"), Decimal("100")),
        (NOON, NOON.astimezone(timezone(timedelta(hours=-6)))),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_equal_values_have_equal_hashes(one: object, other: object) -> None:
    assert content_hash(Box(one)) == content_hash(Box(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""),
        (None, "null"),
        (1, "1"),
        (True, 1),
        (Decimal("1"), 1),
        (Decimal("1"), "1"),
        (date(2026, 3, 2), "2026-03-02"),
        (datetime(2026, 3, 2, tzinfo=UTC), date(2026, 3, 2)),
        (("ab", "c"), ("a", "bc")),
        (("a",), (("a",),)),
        (Practitioner("7"), PersonName("7")),
    ],
)
def test_different_values_have_different_hashes(one: object, other: object) -> None:
    assert content_hash(Box(one)) != content_hash(Box(other))


def test_every_field_counts() -> None:
    changed = (
        replace(CHARGE, amount=Decimal("80.01")),
        replace(CHARGE, kind="credit"),
        replace(CHARGE, modifiers=("25",)),
        replace(CHARGE, patient=PatientReference((Identifier("HOSP", "MR", "8"),))),
    )
    assert len({content_hash(CHARGE), *(content_hash(charge) for charge in changed)}) == 5
    assert content_hash(CHARGE, "upsert") != content_hash(CHARGE, "delete")


@pytest.mark.parametrize(
    "value",
    [1.5, Decimal("NaN"), Decimal("Infinity"), {1, 2}, b"raw", datetime(2026, 3, 2), Patient],  # noqa: DTZ001
)
def test_what_has_no_stable_form_is_an_error(value: object) -> None:
    with pytest.raises(TypeError):
        content_hash(Box(value))
