"""Coverage lists: replaced, left alone, emptied; checks keep the row they ask about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from hub.domain.coverage import Coverage, CoverageList
from hub.domain.patients import (
    Identifier,
    Patient,
    PatientMerge,
    PatientReference,
    PatientUnmerge,
    PersonName,
)
from hub.storage import tables

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
FIRST = Coverage(
    1,
    "00123",
    "Plains Health",
    "Gold",
    "G1",
    "M1",
    "spouse",
    PersonName("Harbour", "Otto"),
    date(1979, 2, 3),
    date(2026, 1, 1),
)
SECOND = Coverage(2, "00999", member_id="M2")


def listed(*coverages: Coverage) -> CoverageList:
    return CoverageList(WHO, coverages)


def active(desk: Any) -> list[tuple[int, str, str]]:
    rows = desk.rows(tables.Coverage, status="active")
    return sorted((row.priority, row.payer_code, row.member_id) for row in rows)


def add_payer(desk: Any) -> None:
    payer = tables.Payer(id="P1", code="00123", name="Plains Health", route_id="12345")
    desk.work(lambda session: session.add(payer))


def test_a_list_is_stored_with_the_payer_of_the_directory(desk: Any) -> None:
    add_payer(desk)
    assert desk.put(listed(FIRST), "C1", 1) == "created"
    assert desk.codes == []
    row = desk.one(tables.Coverage)
    assert (row.payer_id, row.payer_code, row.group_number) == ("P1", "00123", "G1")
    assert (row.subscriber_family_name, row.subscriber_birth_date) == ("Harbour", date(1979, 2, 3))
    assert (row.starts_on, row.ends_on, row.relationship) == (date(2026, 1, 1), None, "spouse")


def test_an_unknown_payer_is_kept_as_sent_with_an_issue(desk: Any) -> None:
    desk.put(listed(FIRST), "C1", 1)
    assert desk.codes == ["unknown_payer"]
    assert desk.one(tables.Coverage).payer_id is None


def test_the_same_list_again_writes_nothing(desk: Any) -> None:
    desk.put(listed(FIRST, SECOND), "C1", 1)
    before = {row.id: row.received_at for row in desk.rows(tables.Coverage)}
    assert desk.put(listed(FIRST, SECOND), "C1", 1) == "unchanged"
    assert desk.codes == []
    assert {row.id: row.received_at for row in desk.rows(tables.Coverage)} == before


def test_a_new_list_replaces_and_a_kept_membership_keeps_its_row(desk: Any) -> None:
    desk.put(listed(FIRST, SECOND), "C1", 1)
    kept = desk.one(tables.Coverage, member_id="M2").id
    third = Coverage(2, "00123", member_id="M3")
    assert desk.put(listed(replace(SECOND, priority=1), third), "C1", 2) == "changed"
    assert active(desk) == [(1, "00999", "M2"), (2, "00123", "M3")]
    assert desk.one(tables.Coverage, member_id="M2").id == kept
    assert desk.one(tables.Coverage, member_id="M1").status == "inactive"


def test_an_empty_list_ends_every_coverage_and_a_later_one_brings_them_back(desk: Any) -> None:
    desk.put(listed(FIRST, SECOND), "C1", 1)
    assert desk.put(listed(), "C1", 2) == "changed"
    assert desk.put(listed(), "C1", 2) == "unchanged"
    assert active(desk) == []
    assert desk.put(listed(FIRST), "C1", 3) == "changed"
    assert active(desk) == [(1, "00123", "M1")]
    assert len(desk.rows(tables.Coverage)) == 2


def test_a_late_list_does_not_bring_back_what_was_emptied(desk: Any) -> None:
    desk.put(listed(FIRST), "C1", 1)
    desk.put(listed(), "C1", 5)
    assert desk.put(listed(FIRST, SECOND), "C1", 3) == "stale"
    assert active(desk) == []


def test_an_empty_list_for_nobody_known_creates_no_coverage(desk: Any) -> None:
    assert desk.put(listed(), "C1", 1) == "unchanged"
    assert desk.rows(tables.Coverage) == []


def test_the_list_after_a_merge_replaces_those_of_both_patients(desk: Any) -> None:
    other = PatientReference((Identifier("HOSP", "MR", "8"),))
    desk.put(listed(FIRST), "C1", 1)
    desk.put(CoverageList(other, (SECOND,)), "C1", 1)
    desk.put(PatientMerge(Patient(WHO.identifiers), other.identifiers), "M", 2)
    assert active(desk) == [(1, "00123", "M1"), (2, "00999", "M2")]
    assert desk.put(listed(FIRST), "C1", 3) == "changed"
    assert active(desk) == [(1, "00123", "M1")]


def test_a_coverage_of_both_is_the_survivors_once_until_the_merge_is_undone(desk: Any) -> None:
    prior = PatientReference((Identifier("HOSP", "MR", "8"),))
    third = replace(FIRST, payer_code="00777", member_id="M3")
    desk.put(listed(FIRST), "C1", 1)
    desk.put(CoverageList(prior, (FIRST, third)), "C2", 1)
    own = {row.id for row in desk.rows(tables.Coverage) if row.patient_id == _named(desk, "7")}
    before = states(desk)
    desk.put(PatientMerge(Patient(WHO.identifiers), prior.identifiers), "A40", 2)
    rows = desk.rows(tables.Coverage)
    assert {row.patient_id for row in rows} == {_named(desk, "7")}
    assert active(desk) == [(1, "00123", "M1"), (1, "00777", "M3")]
    (doubled,) = (row for row in rows if row.status == "inactive")
    assert doubled.id not in own
    desk.put(PatientUnmerge(WHO.identifiers, prior.identifiers), "A37", 3)
    assert states(desk) == before


def states(desk: Any) -> set[tuple[str, str, str]]:
    return {(row.id, row.patient_id, row.status) for row in desk.rows(tables.Coverage)}


def _named(desk: Any, value: str) -> str:
    patient: str = desk.one(tables.PatientIdentifier, value=value).patient_id
    return patient
