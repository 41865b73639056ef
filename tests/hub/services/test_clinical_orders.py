"""Orders: placed by one number, reported on by another, replaced and answered by results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.encounters import Encounter
from hub.domain.observations import Observation, ObservationReport
from hub.domain.patients import Identifier, PatientReference
from hub.domain.scheduling import Practitioner
from hub.storage import tables

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
OTHER = PatientReference((Identifier("HOSP", "MR", "8"),))
ASKED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PLACED = ClinicalOrder(
    WHO,
    "P1",
    status="active",
    code="24323-8",
    name="Panel",
    ordered_at=ASKED,
    practitioner=Practitioner("D1"),
    visit_number="V1",
)


def test_an_order_is_found_again_by_either_number(desk: Any) -> None:
    desk.put(Encounter(WHO, "registered"), "V1")
    assert desk.put(PLACED, "placer|P1", minute=1) == "created"
    accepted = ClinicalOrder(WHO, "P1", "F1", status="active")
    assert desk.put(accepted, "placer|P1", minute=2) == "changed"
    done = ClinicalOrder(WHO, "", "F1", status="completed")
    assert desk.put(done, "filler|F1", minute=3) == "changed"
    assert desk.put(done, "filler|F1", minute=3) == "unchanged"
    row = desk.one(tables.ClinicalOrder)
    assert (row.placer_number, row.filler_number, row.status) == ("P1", "F1", "completed")
    assert (row.name, row.ordered_at) == ("Panel", ASKED)
    assert row.encounter_id == desk.one(tables.Encounter).id
    assert row.provider_id == desk.one(tables.Provider).id


def test_an_order_known_by_the_fillers_number_learns_the_placers(desk: Any) -> None:
    desk.put(ClinicalOrder(WHO, "", "F1", status="active"), "filler|F1", minute=1)
    desk.put(ClinicalOrder(WHO, "P1", "F1", status="on_hold"), "placer|P1", minute=2)
    desk.put(ClinicalOrder(WHO, "P1", status="active"), "placer|P1", minute=3)
    row = desk.one(tables.ClinicalOrder)
    assert (row.placer_number, row.filler_number, row.status) == ("P1", "F1", "active")


def test_two_orders_of_one_filler_number_stay_two(desk: Any) -> None:
    desk.put(ClinicalOrder(WHO, "P1", "F1", status="active"), "placer|P1")
    desk.put(ClinicalOrder(WHO, "P2", "F1", status="active"), "placer|P2")
    assert len(desk.rows(tables.ClinicalOrder)) == 2


def test_a_change_keeps_the_state_and_a_late_one_changes_nothing(desk: Any) -> None:
    desk.put(PLACED, "placer|P1", minute=1)
    desk.put(ClinicalOrder(WHO, "P1", status="cancelled"), "placer|P1", minute=5)
    assert desk.put(ClinicalOrder(WHO, "P1", priority="S"), "placer|P1", minute=6) == "changed"
    assert desk.put(ClinicalOrder(WHO, "P1", status="active"), "placer|P1", minute=4) == "stale"
    row = desk.one(tables.ClinicalOrder)
    assert (row.status, row.priority) == ("cancelled", "S")


def test_a_change_of_an_order_nobody_placed_has_no_known_state(desk: Any) -> None:
    desk.put(ClinicalOrder(WHO, "P1", priority="S"), "placer|P1", minute=6)
    assert desk.one(tables.ClinicalOrder).status == "unknown"


def test_a_replacement_points_at_what_it_replaces(desk: Any) -> None:
    desk.put(PLACED, "placer|P1", minute=1)
    desk.put(ClinicalOrder(WHO, "P1", status="replaced"), "placer|P1", minute=2)
    desk.put(ClinicalOrder(WHO, "P2", status="active", replaces="P1"), "placer|P2", minute=2)
    old = desk.one(tables.ClinicalOrder, placer_number="P1")
    new = desk.one(tables.ClinicalOrder, placer_number="P2")
    assert (old.status, new.status, new.replaces_id) == ("replaced", "active", old.id)


def result(who: PatientReference) -> ObservationReport:
    value = Observation("718-7", "718-7", "LN", "Hemoglobin", "NM", "13.9", observed_at=ASKED)
    return ObservationReport(who, "24323-8", "Panel", (value,), placer_number="P1")


def test_results_point_at_the_order_they_answer(desk: Any) -> None:
    desk.put(PLACED, "placer|P1", minute=1)
    desk.put(result(WHO), "R1", minute=4)
    assert desk.one(tables.Observation).order_id == desk.one(tables.ClinicalOrder).id


def test_results_of_another_patient_never_point_at_the_order(desk: Any) -> None:
    desk.put(PLACED, "placer|P1", minute=1)
    desk.put(result(OTHER), "R1", minute=4)
    assert desk.one(tables.Observation).order_id is None


def test_of_orders_asked_for_at_one_moment_a_result_answers_the_first_by_number(desk: Any) -> None:
    for number in range(9, 0, -1):
        key = f"P{number}"
        order = ClinicalOrder(WHO, key, "F1", status="active", code="X", ordered_at=ASKED)
        desk.put(order, f"placer|{key}")
    result = Observation("A", "A", "LN", "A", "TX", "seen")
    desk.put(ObservationReport(WHO, "X", "Panel", (result,), filler_number="F1"), "F1")
    answered = desk.one(tables.Observation).order_id
    assert desk.one(tables.ClinicalOrder, id=answered).placer_number == "P1"
