"""Workers and employments: full records of the vendor, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hub.domain.workforce import Compensation, Employment, Worker
from hub.storage import tables

WORKER = Worker("C1", "E-1", "Stone", "Ada", npi="1234567893", tax_id_last4="6789")
JOB = Employment(
    "C1",
    "W1",
    "active",
    "A",
    "full_time",
    title="Nurse",
    starts_on=date(2024, 5, 1),
    compensation=Compensation(Decimal("41.275"), "hour", "USD"),
)


def put(desk: Any, data: object, key: str, minute: int | None = None, **options: Any) -> str:
    return str(desk.put(data, key, minute, connection="payroll", **options))


def test_a_worker_is_created_once_and_replaced_by_newer_records_only(desk: Any) -> None:
    assert put(desk, WORKER, "W1", 2) == "created"
    assert put(desk, WORKER, "W1", 2) == "unchanged"
    assert put(desk, replace(WORKER, family_name="Rivers"), "W1", 1) == "stale"
    assert put(desk, replace(WORKER, family_name="Rivers", npi=""), "W1", 3) == "changed"
    row = desk.one(tables.Worker)
    assert (row.family_name, row.npi, row.tax_id_last4) == ("Rivers", "", "6789")


def test_an_employment_waits_for_its_worker(desk: Any) -> None:
    assert put(desk, JOB, "J1") == "deferred"
    assert desk.codes == ["unknown_worker"]
    put(desk, WORKER, "W1")
    assert put(desk, JOB, "J1") == "created"
    row = desk.one(tables.Employment)
    assert row.worker_id == desk.one(tables.Worker).id
    assert (row.pay_rate, row.pay_per, row.currency) == (Decimal("41.275"), "hour", "USD")
    assert (row.status, row.status_text, row.title) == ("active", "A", "Nurse")


def test_an_employment_ends_and_loses_its_rate(desk: Any) -> None:
    put(desk, WORKER, "W1")
    put(desk, JOB, "J1", 1)
    over = replace(JOB, status="terminated", ends_on=date(2026, 2, 28), compensation=None)
    assert put(desk, over, "J1", 2) == "changed"
    row = desk.one(tables.Employment)
    assert (row.status, row.ends_on, row.pay_rate) == ("terminated", date(2026, 2, 28), None)


def test_a_worker_of_another_practice_or_connection_does_not_count(desk: Any) -> None:
    put(desk, WORKER, "W1", practice="south")
    desk.put(WORKER, "W1", connection="rival")
    assert put(desk, JOB, "J1") == "deferred"
    assert desk.rows(tables.Employment) == []


def test_nobody_is_deleted(desk: Any) -> None:
    put(desk, WORKER, "W1")
    put(desk, JOB, "J1")
    assert put(desk, WORKER, "W1", op="delete") == "rejected"
    assert put(desk, JOB, "J1", op="delete") == "rejected"
    assert len(desk.rows(tables.Worker)) == len(desk.rows(tables.Employment)) == 1
