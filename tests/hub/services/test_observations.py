"""Results: corrections replace, retractions keep the value, nothing settled turns preliminary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.encounters import Encounter
from hub.domain.observations import Observation, ObservationReport
from hub.domain.patients import Identifier, PatientReference
from hub.domain.records import Record
from hub.services.apply import ApplyContext, apply
from hub.storage import tables

WHEN = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
OTHER = PatientReference((Identifier("HOSP", "MR", "8"),))
A1C = Observation(
    "4548-4", "4548-4", "LN", "Hemoglobin A1c", "NM", "7.10", Decimal("7.10"), "%", observed_at=WHEN
)
GLUCOSE = replace(A1C, key="2345-7", code="2345-7", value_text="99", value_number=Decimal(99))


def report(*observations: Observation, **fields: Any) -> ObservationReport:
    return ObservationReport(WHO, "24331-1", "Panel", observations, **fields)


def test_each_result_is_a_row_with_its_value_as_sent(desk: Any) -> None:
    assert desk.put(report(A1C, GLUCOSE), "R1", 1) == "created"
    assert desk.put(report(A1C, GLUCOSE), "R1", 1) == "unchanged"
    row = desk.one(tables.Observation, code="4548-4")
    assert (row.value_text, row.value_number, row.unit) == ("7.10", Decimal("7.10"), "%")
    assert (row.observed_at, row.report_key, row.report_name) == (WHEN, "R1", "Panel")
    assert len(desk.rows(tables.Observation)) == 2


def test_a_correction_replaces_one_result_and_leaves_the_others(desk: Any) -> None:
    desk.put(report(A1C, GLUCOSE), "R1", 1)
    fixed = replace(A1C, value_text="6.9", value_number=Decimal("6.9"), status="corrected")
    assert desk.put(report(fixed), "R1", 2) == "changed"
    row = desk.one(tables.Observation, code="4548-4")
    assert (row.value_text, row.status) == ("6.9", "corrected")
    assert desk.one(tables.Observation, code="2345-7").value_text == "99"


def test_a_late_earlier_report_is_stale(desk: Any) -> None:
    desk.put(report(replace(A1C, value_text="6.9")), "R1", 2)
    assert desk.put(report(A1C), "R1", 1) == "stale"
    assert desk.one(tables.Observation).value_text == "6.9"


@pytest.mark.parametrize(
    ("stored", "stated", "outcome"),
    [
        ("preliminary", "final", "changed"),
        ("final", "corrected", "changed"),
        ("final", "preliminary", "stale"),
        ("corrected", "registered", "stale"),
        ("corrected", "final", "changed"),
    ],
)
def test_what_is_settled_does_not_turn_preliminary(
    desk: Any, stored: Any, stated: Any, outcome: str
) -> None:
    desk.put(report(replace(A1C, status=stored)), "R1")
    assert desk.put(report(replace(A1C, status=stated)), "R1") == outcome
    assert desk.codes == (["result_settled"] if outcome == "stale" else [])


@pytest.mark.parametrize(
    ("status", "codes"), [("deleted", []), ("wrong_patient", ["wrong_patient"])]
)
def test_a_retraction_changes_the_status_and_keeps_the_value(
    desk: Any, status: Any, codes: list[str]
) -> None:
    desk.put(report(A1C), "R1", 1)
    gone = replace(A1C, value_text="", value_number=None, status=status)
    assert desk.put(report(gone), "R1", 2) == "changed"
    assert desk.codes == codes
    assert desk.put(report(gone), "R1", 2) == "unchanged"
    row = desk.one(tables.Observation)
    assert (row.status, row.value_text, row.value_number) == (status, "7.10", Decimal("7.10"))


def test_results_with_one_key_are_all_kept_and_an_issue(desk: Any) -> None:
    twice = report(A1C, replace(A1C, value_text="7.3"))
    assert desk.put(twice, "R1", 1) == "created"
    assert desk.codes == ["repeated_observation"]
    assert desk.put(twice, "R1", 1) == "unchanged"
    assert {row.value_text for row in desk.rows(tables.Observation)} == {"7.10", "7.3"}


def test_a_result_is_linked_to_the_visit_of_the_same_patient_only(desk: Any) -> None:
    desk.put(Encounter(WHO, "in_progress"), "V1")
    desk.put(Encounter(OTHER, "in_progress"), "V2")
    desk.put(report(A1C, visit_number="V1"), "R1")
    desk.put(report(A1C, visit_number="V2"), "R2")
    desk.put(report(A1C, visit_number="V3"), "R3")
    visit = desk.one(tables.Encounter, external_id="V1").id
    linked = {row.report_key: row.encounter_id for row in desk.rows(tables.Observation)}
    assert linked == {"R1": visit, "R2": None, "R3": None}


def test_a_report_without_results_is_rejected(desk: Any) -> None:
    assert desk.put(report(), "R1") == "rejected"
    assert desk.codes == ["empty_report"]


def test_a_result_without_a_time_takes_that_of_the_report(desk: Any) -> None:
    desk.put(report(replace(A1C, observed_at=None)), "R1", 3)
    assert desk.one(tables.Observation).observed_at == desk.one(tables.Observation).occurred_at


def test_a_correction_keeps_what_the_result_said_before(desk: Any) -> None:
    desk.put(report(A1C), "R1", minute=1)
    corrected = replace(A1C, value_text="6.1", value_number=Decimal("6.1"), status="corrected")
    desk.put(report(corrected), "R1", minute=2)
    desk.put(report(corrected), "R1", minute=3)
    version = desk.one(tables.ObservationVersion)
    assert version.observation_id == desk.one(tables.Observation).id
    assert (version.value_text, version.status) == (A1C.value_text, A1C.status)
    desk.put(report(replace(corrected, status="deleted")), "R1", minute=4)
    versions = sorted(row.status for row in desk.rows(tables.ObservationVersion))
    assert versions == sorted([A1C.status, "corrected"])


def test_a_repeated_report_that_only_links_a_visit_is_no_correction(desk: Any) -> None:
    desk.put(report(A1C), "R1", minute=1)
    desk.put(report(A1C, specimen="Blood"), "R1", minute=2)
    assert desk.rows(tables.ObservationVersion) == []


def test_what_a_result_said_is_in_order_where_messages_came_at_one_moment(desk: Any) -> None:
    said = [str(number) for number in range(12)]
    for minute, text in enumerate(said):
        desk.put(report(replace(A1C, value_text=text, status="preliminary")), "R1", minute)
    rows = desk.rows(tables.ObservationVersion)
    assert len({row.replaced_at for row in rows}) == 1
    assert [row.value_text for row in sorted(rows, key=lambda row: row.id)] == said[:-1]


def test_so_it_is_where_they_were_applied_in_one_transaction(desk: Any) -> None:
    context = ApplyContext("north", "ehr", None, None, WHEN, UTC)

    def several(session: Any) -> None:
        for number in range(12):
            found = report(replace(A1C, value_text=str(number), status="preliminary"))
            apply(session, context, Record("R1", found, WHEN))

    desk.work(several)
    rows = sorted(desk.rows(tables.ObservationVersion), key=lambda row: row.id)
    assert [row.value_text for row in rows] == [str(number) for number in range(11)]


def test_a_status_sent_alone_keeps_the_value(desk: Any) -> None:
    early = replace(A1C, status="preliminary", abnormal_flags="H", note="seen")
    desk.put(report(early), "R1", 1)
    alone = Observation("4548-4", "4548-4", "LN", "Hemoglobin A1c", "NM", "", value_stands=True)
    assert desk.put(report(alone), "R1", 2) == "changed"
    row = desk.one(tables.Observation)
    assert (row.status, row.value_text, row.value_number) == ("final", "7.10", Decimal("7.10"))
    assert (row.unit, row.abnormal_flags, row.note) == ("%", "H", "seen")
    assert row.observed_at == WHEN
    desk.put(report(alone), "R2", 2)
    assert desk.one(tables.Observation, report_key="R2").value_text == ""
