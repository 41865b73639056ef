"""Each unsound declaration is refused at start, and told apart by its message."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import INHERITED
from schema.mapping.checks import Unsound, check
from schema.mapping.declare import EQ, Stored, col, many, one, stored
from schema.root import TYPES

PHI, OPERATIONAL = DataClass.PHI, DataClass.OPERATIONAL


def patient(**changes: Any) -> Stored:
    facts: dict[str, Any] = {
        "table": tables.Patient,
        "subject": "id",
        "fields": {"birthDate": col(PHI)},
        **changes,
    }
    return stored("Patient", **facts)


def test_the_declared_types_are_sound():
    check(TYPES)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (patient(fields={"birthDate": col(None)}), "has no data class"),
        (patient(fields={"birthDate": col(DataClass.SECRET)}), "is a secret"),
        (patient(fields={"shoeSize": col(PHI)}), "has no column"),
        (patient(subject=None), "names no subject"),
        (patient(subject=INHERITED), "can be reached directly"),
        (patient(filters={"birthDate": EQ | {"like"}}), "unknown filter like"),
        (patient(filters={"shoeSize": EQ}), "does not have"),
        (patient(orders={"born": ("birth_date",)}), "nullable key"),
        (patient(orders={"city": ("city",)}), "no index serves the order"),
        (patient(orders={"x": ("shoe_size",)}), "does not have"),
        (patient(order="unknown"), "has no order"),
        (patient(links={"a": one("Nobody", "id")}), "points at no declared type"),
        (patient(links={"a": one("Patient", "shoe_id")}), "has no column"),
        (patient(links={"a": many("Patient", "shoe_id")}), "no column at its target"),
        (patient(links={"a": many("Patient", "merged_into_id")}), "no index serves the link"),
        (patient(measures=("shoeSize",)), "is measured and is no field"),
        (patient(measures=("birthDate",)), "neither a whole number nor money"),
        (patient(fields={"city": col(PHI, suppressed=True)}), "suppresses figures of no group"),
    ],
)
def test_an_unsound_declaration_is_refused(broken, words):
    with pytest.raises(Unsound, match=words):
        check([broken])


def test_two_types_of_one_name_are_refused():
    with pytest.raises(Unsound, match="one name"):
        check([patient(), patient()])


def test_a_table_of_no_practice_needs_an_access_rule():
    with pytest.raises(ValueError, match="access rule"):
        stored("Payer", table=tables.Payer, fields={"name": col(OPERATIONAL)})
