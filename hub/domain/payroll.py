"""Pay periods, payroll runs and pay statements. Amounts are Decimals with two decimals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

PayrollRunKind = Literal["regular", "off_cycle", "correction", "termination", "bonus", "unknown"]
PayrollRunStatus = Literal[
    "draft",
    "calculated",
    "submitted",
    "processed",
    "paid",
    "cancelled",
    "reversed",
    "failed",
    "unknown",
]
LineKind = Literal[
    "earning", "employee_tax", "deduction", "reimbursement", "employer_tax", "benefit", "unknown"
]


@dataclass(frozen=True, slots=True)
class PayPeriod:
    """Inclusive, zone-less dates."""

    entity: str
    starts_on: date
    ends_on: date
    check_date: date
    frequency: str = ""


@dataclass(frozen=True, slots=True)
class PayrollRun:
    entity: str
    kind: PayrollRunKind
    status: PayrollRunStatus
    check_date: date
    pay_period_external_id: str
    currency: str = "USD"
    gross: Decimal = Decimal("0.00")
    net: Decimal = Decimal("0.00")
    employer_cost: Decimal = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class PayStatementLine:
    """`hours` is None where the line is not hourly; employer lines never reduce net pay."""

    kind: LineKind
    code: str
    amount: Decimal
    hours: Decimal | None = None
    employer_paid: bool = False
    pre_tax: bool = False


@dataclass(frozen=True, slots=True)
class PayStatement:
    entity: str
    worker_external_id: str
    payroll_run_external_id: str
    currency: str
    gross: Decimal
    net: Decimal
    lines: tuple[PayStatementLine, ...]


def statement_difference(statement: PayStatement) -> Decimal:
    """Net as stated minus net as computed: gross - employee taxes - deductions + reimbursements.

    More than one cent either way is a data issue (rounding at the vendor explains one).
    """
    signs = {"employee_tax": -1, "deduction": -1, "reimbursement": 1}
    computed = statement.gross + sum(
        (
            signs.get(line.kind, 0) * line.amount
            for line in statement.lines
            if not line.employer_paid
        ),
        Decimal(0),
    )
    return statement.net - computed
