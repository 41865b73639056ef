"""Wagewright's rows and what they mean in the hub's terms; pure.

The vendor writes amounts as decimal strings or, where a key ends in ``_cents``, as minor units;
null means that the company's plan does not carry the field; its words are its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Self

from pydantic import Field, model_validator

from connectors.sdk.rows import CENT, Amount, Cents, Day, Exact, Issues, Part, Row, Text
from hub.domain.payroll import (
    LineKind,
    PayPeriod,
    PayrollRun,
    PayrollRunKind,
    PayrollRunStatus,
    PayStatement,
    PayStatementLine,
    statement_difference,
)
from hub.domain.workforce import (
    Compensation,
    Employment,
    EmploymentStatus,
    EmploymentType,
    PayPer,
    Worker,
)


class _Name(Part):
    last: str = Field(min_length=1)
    first: Text = ""
    preferred: Text = ""


class WorkerRow(Row):
    name: _Name
    employee_number: Text = ""
    email: Text = ""
    npi: Text = ""
    tax_identifier: Text = ""


def worker(entity: str, row: WorkerRow, issues: Issues) -> Worker:
    """The vendor masks tax identifiers (``XXX-XX-1234``); of any other only four digits stay."""
    last4 = re.search(r"[0-9]{4}$", row.tax_identifier)
    if row.tax_identifier and not last4:
        issues.add("malformed", "tax_identifier", "The tax identifier does not end in four digits.")
    return Worker(
        entity=entity,
        employee_number=row.employee_number,
        family_name=row.name.last,
        given_name=row.name.first,
        preferred_name=row.name.preferred,
        email=row.email,
        npi=row.npi,
        tax_id_last4=last4.group() if last4 else "",
    )


class _Pay(Part):
    rate: Exact
    unit: Text = ""
    currency: Text = ""
    effective: Day | None = None


class EmploymentRow(Row):
    worker_id: str = Field(min_length=1)
    status: Text = ""
    engagement: Text = ""
    schedule: Text = ""
    title: Text = ""
    department: Text = ""
    start_date: Day | None = None
    end_date: Day | None = None
    pay: _Pay | None = None


STATUSES: Final[Mapping[str, EmploymentStatus]] = {
    "OFFERED": "prehire", "ONBOARDING": "onboarding", "WORKING": "active", "ON_LEAVE": "leave",
    "SEPARATED": "terminated", "RETIRED": "retired", "DECEASED": "deceased",
}  # fmt: skip
SCHEDULES: Final[Mapping[str, EmploymentType]] = {
    "FT": "full_time", "PT": "part_time", "TEMP": "temporary", "SEASONAL": "seasonal",
    "INTERN": "intern", "PRN": "per_diem",
}  # fmt: skip
ENGAGEMENTS: Final[Mapping[str, bool]] = {"W2": False, "1099": True}
UNITS: Final[Mapping[str, PayPer]] = {
    "HOUR": "hour", "DAY": "day", "WEEK": "week", "TWO_WEEKS": "biweek", "HALF_MONTH": "semimonth",
    "MONTH": "month", "YEAR": "year", "VISIT": "visit",
}  # fmt: skip


def employment(entity: str, row: EmploymentRow, issues: Issues) -> Employment:
    """A rate per an unknown unit is no pay rate: it is left out, with the issue of its unit."""
    pay = row.pay
    per = issues.word("pay.unit", pay.unit, UNITS, None) if pay else None
    if pay and not pay.unit:
        issues.add("missing", "pay.unit", "The pay rate has no unit and is left out.")
    return Employment(
        entity=entity,
        worker_external_id=row.worker_id,
        status=issues.word("status", row.status, STATUSES, "unknown"),
        status_text=row.status,
        type=issues.word("schedule", row.schedule, SCHEDULES, "unknown"),
        is_contractor=issues.word("engagement", row.engagement, ENGAGEMENTS, False),
        title=row.title,
        department=row.department,
        starts_on=row.start_date,
        ends_on=row.end_date,
        compensation=Compensation(pay.rate, per, pay.currency or "USD", pay.effective)
        if pay and per
        else None,
    )


class PayPeriodRow(Row):
    start: Day
    end: Day
    check_date: Day
    frequency: Text = ""


def pay_period(entity: str, row: PayPeriodRow, _: Issues) -> PayPeriod:
    return PayPeriod(entity, row.start, row.end, row.check_date, row.frequency.lower())


class _Totals(Part):
    gross_cents: Cents
    net_cents: Cents
    employer_cost_cents: Cents


class PayrollRow(Row):
    period_id: str = Field(min_length=1)
    check_date: Day
    type: Text = ""
    state: Text = ""
    currency: Text = ""
    totals: _Totals | None = None


KINDS: Final[Mapping[str, PayrollRunKind]] = {
    "REGULAR": "regular", "OFF_CYCLE": "off_cycle", "CORRECTION": "correction",
    "FINAL": "termination", "BONUS": "bonus",
}  # fmt: skip
STATES: Final[Mapping[str, PayrollRunStatus]] = {
    "DRAFT": "draft", "CALCULATED": "calculated", "SUBMITTED": "submitted", "FUNDED": "processed",
    "PAID": "paid", "VOIDED": "cancelled", "REVERSED": "reversed", "REJECTED": "failed",
}  # fmt: skip


def payroll_run(entity: str, row: PayrollRow, issues: Issues) -> PayrollRun:
    """`check_date` comes as a time whose zone would shift it: the date as written is kept."""
    status = issues.word("state", row.state, STATES, "unknown")
    totals = row.totals
    if totals is None and status != "draft":
        issues.add("missing", "totals", "The payroll is past draft and states no totals.")
    return PayrollRun(
        entity=entity,
        kind=issues.word("type", row.type, KINDS, "unknown"),
        status=status,
        check_date=row.check_date,
        pay_period_external_id=row.period_id,
        currency=row.currency or "USD",
        gross=totals.gross_cents if totals else Decimal("0.00"),
        net=totals.net_cents if totals else Decimal("0.00"),
        employer_cost=totals.employer_cost_cents if totals else Decimal("0.00"),
    )


class _Line(Part):
    category: Text = ""
    code: Text = ""
    amount: Amount | None = None
    amount_cents: Cents | None = None
    hours: Exact | None = None
    pre_tax: bool | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (self.amount_cents is None):
            raise ValueError("must carry either amount or amount_cents")
        return self


class StatementRow(Row):
    payroll_id: str = Field(min_length=1)
    worker_id: str = Field(min_length=1)
    gross: Amount
    net: Amount
    currency: Text = ""
    lines: tuple[_Line, ...] | None = None


CATEGORIES: Final[Mapping[str, LineKind]] = {
    "EARNING": "earning", "TAX_EMPLOYEE": "employee_tax", "TAX_EMPLOYER": "employer_tax",
    "DEDUCTION": "deduction", "REIMBURSEMENT": "reimbursement", "CONTRIBUTION": "benefit",
}  # fmt: skip


def pay_statement(entity: str, row: StatementRow, issues: Issues) -> PayStatement:
    """Net pay must follow from the lines to within one cent, else the statement has an issue."""
    statement = PayStatement(
        entity=entity,
        worker_external_id=row.worker_id,
        payroll_run_external_id=row.payroll_id,
        currency=row.currency or "USD",
        gross=row.gross,
        net=row.net,
        lines=tuple(_line(n, line, issues) for n, line in enumerate(row.lines or ())),
    )
    if abs(statement_difference(statement)) > CENT:
        text = "Net pay differs by more than a cent from what gross pay and the lines give."
        issues.add("statement_difference", "net", text)
    return statement


def _line(number: int, line: _Line, issues: Issues) -> PayStatementLine:
    kind = issues.word(f"lines[{number}].category", line.category, CATEGORIES, "unknown")
    amount = line.amount if line.amount is not None else line.amount_cents
    return PayStatementLine(
        kind=kind,
        code=line.code,
        amount=amount if amount is not None else Decimal("0.00"),
        hours=line.hours,
        employer_paid=kind in {"employer_tax", "benefit"},
        pre_tax=bool(line.pre_tax),
    )
