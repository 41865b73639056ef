"""Visits: admitted, moved, discharged, cancelled and opened again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.encounters import Encounter
from hub.domain.patients import Identifier, PatientReference
from hub.domain.scheduling import Practitioner
from hub.storage import tables


def at(minutes: int) -> datetime:
    return datetime(2026, 3, 2, 15, minutes, tzinfo=UTC)


IN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OUT = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
ADMITTED = Encounter(WHO, "in_progress", "inpatient", "W1", Practitioner("D1"), IN)
DISCHARGED = Encounter(WHO, "finished", ends_at=OUT, discharge_disposition="01")


def test_a_visit_goes_from_admission_to_discharge(desk: Any) -> None:
    assert desk.put(ADMITTED, minute=1) == "created"
    assert desk.put(Encounter(WHO, None, location="W2"), minute=2) == "changed"
    assert desk.put(DISCHARGED, minute=3) == "changed"
    assert desk.put(DISCHARGED, minute=3) == "unchanged"
    row = desk.one(tables.Encounter)
    assert (row.status, row.encounter_class, row.location) == ("finished", "inpatient", "W2")
    assert (row.starts_at, row.ends_at, row.discharge_disposition) == (IN, OUT, "01")


def test_an_update_without_status_never_reopens(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(DISCHARGED, minute=2)
    assert desk.put(Encounter(WHO, None, location="W3"), minute=3) == "changed"
    row = desk.one(tables.Encounter)
    assert (row.status, row.ends_at, row.location) == ("finished", OUT, "W3")


def test_a_cancelled_discharge_takes_end_and_disposition_back(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(DISCHARGED, minute=2)
    assert desk.put(Encounter(WHO, "in_progress"), minute=3) == "changed"
    row = desk.one(tables.Encounter)
    assert (row.status, row.ends_at, row.discharge_disposition) == ("in_progress", None, "")


def test_an_admission_that_arrives_late_does_not_reopen(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(DISCHARGED, minute=3)
    assert desk.put(Encounter(WHO, "in_progress", location="W9"), minute=2) == "stale"
    assert desk.one(tables.Encounter).status == "finished"


def test_a_start_that_arrives_late_is_kept_where_none_was_told(desk: Any) -> None:
    desk.put(DISCHARGED, minute=3)
    late = replace(ADMITTED, starts_at=IN, starts_at_precision="minute")
    assert desk.put(late, minute=1) == "stale"
    row = desk.one(tables.Encounter)
    assert (row.status, row.starts_at, row.starts_at_precision) == ("finished", IN, "minute")
    other = replace(late, starts_at=OUT)
    desk.put(other, minute=2)
    assert desk.one(tables.Encounter).starts_at == IN


@pytest.mark.parametrize(
    ("update", "status"),
    [
        (Encounter(WHO, None, location="W1"), "in_progress"),
        (Encounter(WHO, None, ends_at=OUT), "finished"),
    ],
)
def test_an_update_of_an_unknown_visit_creates_it_with_an_issue(
    desk: Any, update: Encounter, status: str
) -> None:
    assert desk.put(update, minute=1) == "created"
    assert desk.codes == ["unknown_visit"]
    assert desk.one(tables.Encounter).status == status


def test_a_cancelled_admission_leaves_the_patient(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    assert desk.put(Encounter(WHO, "cancelled"), minute=2) == "changed"
    assert desk.one(tables.Encounter).status == "cancelled"
    assert desk.one(tables.Patient).status == "active"


def test_equal_visit_numbers_of_two_practices_are_two_visits(desk: Any) -> None:
    desk.put(ADMITTED)
    assert desk.put(ADMITTED, practice="south") == "created"
    assert len(desk.rows(tables.Encounter)) == 2


def test_a_visit_without_any_time_begins_when_it_was_heard_of(desk: Any) -> None:
    desk.put(Encounter(WHO, "registered"), "V1")
    assert desk.one(tables.Encounter).starts_at == desk.one(tables.Encounter).received_at


def test_a_change_of_class_under_a_new_number_continues_the_visit(desk: Any) -> None:
    desk.put(Encounter(WHO, "registered", "emergency", "ER"), "V1", minute=1)
    inpatient = Encounter(WHO, None, "inpatient", "W1", prior_visit_number="V1")
    assert desk.put(inpatient, "V2", minute=5) == "created"
    assert desk.codes == []
    before, after = (
        desk.one(tables.Encounter, external_id="V1"),
        desk.one(tables.Encounter, external_id="V2"),
    )
    assert (before.status, before.ends_at) == ("finished", at(5))
    assert (after.status, after.preceded_by_id) == ("in_progress", before.id)
    assert desk.put(inpatient, "V2", minute=5) == "unchanged"


def test_a_continued_visit_that_nobody_knows_is_an_issue(desk: Any) -> None:
    desk.put(Encounter(WHO, None, "outpatient", prior_visit_number="V0"), "V2", minute=5)
    assert desk.codes == ["unknown_visit"]
    assert desk.one(tables.Encounter).preceded_by_id is None


def test_a_time_keeps_the_precision_it_was_stated_with_until_another_time_is_stated(
    desk: Any,
) -> None:
    desk.put(replace(ADMITTED, starts_at_precision="day"), minute=1)
    desk.put(Encounter(WHO, None, location="W2"), minute=2)
    assert desk.one(tables.Encounter).starts_at_precision == "day"
    desk.put(replace(DISCHARGED, ends_at_precision="minute"), minute=3)
    desk.put(Encounter(WHO, "in_progress", starts_at=IN), minute=4)
    row = desk.one(tables.Encounter)
    assert (row.starts_at_precision, row.ends_at, row.ends_at_precision) == (None, None, None)
