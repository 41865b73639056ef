"""Periods, runs and statements: exact money, whole lists of lines, late references."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.payroll import PayPeriod, PayrollRun, PayStatement, PayStatementLine
from hub.domain.workforce import Worker
from hub.storage import tables

PERIOD = PayPeriod("C1", date(2026, 2, 1), date(2026, 2, 14), date(2026, 2, 20), "biweekly")
RUN = PayrollRun(
    "C1",
    "regular",
    "processed",
    date(2026, 2, 20),
    "PP1",
    gross=Decimal("2000.00"),
    net=Decimal("1500.50"),
    employer_cost=Decimal("2150.10"),
)
LINES = (
    PayStatementLine("earning", "REG", Decimal("2000.00"), Decimal("80.25")),
    PayStatementLine("employee_tax", "FIT", Decimal("400.00")),
    PayStatementLine("deduction", "401K", Decimal("99.50"), pre_tax=True),
    PayStatementLine("employer_tax", "FICA", Decimal("150.10"), employer_paid=True),
)
STATEMENT = PayStatement("C1", "W1", "R1", "USD", Decimal("2000.00"), Decimal("1500.50"), LINES)


def put(desk: Any, data: object, key: str, minute: int | None = None, **options: Any) -> str:
    return str(desk.put(data, key, minute, connection="payroll", **options))


def ready(desk: Any) -> None:
    put(desk, Worker("C1", "E-1", "Stone", "Ada"), "W1")
    put(desk, PERIOD, "PP1")
    put(desk, RUN, "R1", 1)


def lines(desk: Any) -> list[tuple[str, Decimal]]:
    rows = sorted(desk.rows(tables.PayStatementLine), key=lambda row: row.position)
    return [(row.code, row.amount) for row in rows]


def test_a_period_is_stored_and_moved(desk: Any) -> None:
    assert put(desk, PERIOD, "PP1", 1) == "created"
    assert put(desk, PERIOD, "PP1", 1) == "unchanged"
    assert put(desk, replace(PERIOD, check_date=date(2026, 2, 19)), "PP1", 2) == "changed"
    assert desk.one(tables.PayPeriod).check_date == date(2026, 2, 19)


def test_a_run_waits_for_its_period_and_follows_its_status(desk: Any) -> None:
    assert put(desk, RUN, "R1", 1) == "deferred"
    assert desk.codes == ["unknown_pay_period"]
    put(desk, PERIOD, "PP1")
    assert put(desk, RUN, "R1", 1) == "created"
    assert put(desk, replace(RUN, status="paid"), "R1", 2) == "changed"
    assert put(desk, replace(RUN, status="submitted"), "R1", 1) == "stale"
    row = desk.one(tables.PayrollRun)
    assert (row.status, row.gross, row.net) == ("paid", Decimal("2000.00"), Decimal("1500.50"))
    assert row.pay_period_id == desk.one(tables.PayPeriod).id


def test_a_deleted_run_is_cancelled(desk: Any) -> None:
    ready(desk)
    assert put(desk, RUN, "R1", 2, op="delete") == "changed"
    assert desk.one(tables.PayrollRun).status == "cancelled"


def test_a_statement_is_stored_with_its_lines_in_order(desk: Any) -> None:
    ready(desk)
    assert put(desk, STATEMENT, "S1", 1) == "created"
    assert desk.codes == []
    assert put(desk, STATEMENT, "S1", 1) == "unchanged"
    assert lines(desk) == [(line.code, line.amount) for line in LINES]
    first = desk.one(tables.PayStatementLine, position=0)
    assert (first.hours, first.employer_paid) == (Decimal("80.25"), False)
    assert desk.one(tables.PayStatement).worker_id == desk.one(tables.Worker).id


def test_a_corrected_statement_replaces_every_line(desk: Any) -> None:
    ready(desk)
    put(desk, STATEMENT, "S1", 1)
    fixed = replace(STATEMENT, net=Decimal("1600.00"), lines=LINES[:2])
    assert put(desk, fixed, "S1", 2) == "changed"
    assert lines(desk) == [("REG", Decimal("2000.00")), ("FIT", Decimal("400.00"))]


@pytest.mark.parametrize(
    ("missing", "code"),
    [("worker_external_id", "unknown_worker"), ("payroll_run_external_id", "unknown_payroll_run")],
)
def test_a_statement_waits_for_worker_and_run(desk: Any, missing: str, code: str) -> None:
    ready(desk)
    change: dict[str, Any] = {missing: "unheard-of"}
    assert put(desk, replace(STATEMENT, **change), "S1") == "deferred"
    assert desk.codes == [code]
    assert desk.rows(tables.PayStatement) == []


@pytest.mark.parametrize(
    ("net", "codes"),
    [("1500.51", []), ("1500.49", []), ("1500.52", ["net_pay_difference"])],
)
def test_net_pay_may_differ_by_one_cent(desk: Any, net: str, codes: list[str]) -> None:
    ready(desk)
    assert put(desk, replace(STATEMENT, net=Decimal(net)), "S1") == "created"
    assert desk.codes == codes


def test_an_amount_with_a_third_decimal_is_rejected_where_it_stands(desk: Any) -> None:
    ready(desk)
    odd = PayStatementLine("earning", "REG", Decimal("0.001"))
    assert put(desk, replace(STATEMENT, lines=(odd,)), "S1") == "rejected"
    assert [(issue.code, issue.path) for issue in desk.issues] == [
        ("amount_precision", "lines.amount")
    ]
