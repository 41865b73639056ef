"""Workers, employments, pay periods, payroll runs and pay statements."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.payroll import LineKind, PayrollRunKind, PayrollRunStatus
from hub.domain.workforce import EmploymentStatus, EmploymentType
from hub.storage import tables
from schema.mapping.declare import EQ, PREFIX, RANGE, col, enum, many, one, stored
from schema.sourced import source

OPERATIONAL, PAYROLL = DataClass.OPERATIONAL, DataClass.PAYROLL

worker = stored(
    "Worker",
    table=tables.Worker,
    root="workers",
    order="name",
    help="A person on a practice's payroll.",
    facets=source(PAYROLL),
    fields={
        "employeeNumber": col(PAYROLL, identifier=True),
        "familyName": col(PAYROLL, identifier=True),
        "givenName": col(PAYROLL, identifier=True),
        "preferredName": col(PAYROLL, identifier=True),
        "email": col(PAYROLL, identifier=True),
        "npi": col(PAYROLL, identifier=True),
        "taxIdLast4": col(PAYROLL, "tax_id_last4", identifier=True),
        "receivedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "employments": many("Employment", "worker_id"),
        "payStatements": many("PayStatement", "worker_id"),
    },
    filters={"practice": EQ, "familyName": PREFIX},
    orders={"name": ("family_name", "given_name")},
)

employment = stored(
    "Employment",
    table=tables.Employment,
    help="One job of a worker.",
    facets=source(PAYROLL),
    fields={
        "status": enum(PAYROLL, "EmploymentStatus", EmploymentStatus),
        "statusText": col(PAYROLL, help="The vendor's own word."),
        "type": enum(PAYROLL, "EmploymentType", EmploymentType),
        "isContractor": col(PAYROLL),
        "title": col(PAYROLL),
        "department": col(PAYROLL),
        "startsOn": col(PAYROLL),
        "endsOn": col(PAYROLL),
        "payRate": col(PAYROLL),
        "payPer": col(PAYROLL),
        "currency": col(PAYROLL),
        "receivedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "worker": one("Worker", "worker_id")},
    filters={"status": EQ},
)

pay_period = stored(
    "PayPeriod",
    table=tables.PayPeriod,
    root="payPeriods",
    order="-startsOn",
    help="Inclusive dates that are paid together.",
    facets=source(PAYROLL, identifier=False),
    fields={
        "startsOn": col(PAYROLL),
        "endsOn": col(PAYROLL),
        "checkDate": col(PAYROLL),
        "frequency": col(PAYROLL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "payrollRuns": many("PayrollRun", "pay_period_id", order="-checkDate"),
    },
    filters={"practice": EQ, "startsOn": RANGE},
    orders={"startsOn": ("starts_on",)},
)

payroll_run = stored(
    "PayrollRun",
    table=tables.PayrollRun,
    root="payrollRuns",
    order="-checkDate",
    help="One run of a practice's payroll.",
    facets=source(PAYROLL, identifier=False),
    fields={
        "kind": enum(PAYROLL, "PayrollRunKind", PayrollRunKind),
        "status": enum(PAYROLL, "PayrollRunStatus", PayrollRunStatus),
        "checkDate": col(PAYROLL),
        "currency": col(PAYROLL),
        "gross": col(PAYROLL),
        "net": col(PAYROLL),
        "employerCost": col(PAYROLL),
        "receivedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "payPeriod": one("PayPeriod", "pay_period_id"),
        "statements": many("PayStatement", "payroll_run_id"),
    },
    filters={"practice": EQ, "status": EQ, "checkDate": RANGE},
    orders={"checkDate": ("check_date",)},
    measures=("gross", "net", "employerCost"),
)

pay_statement = stored(
    "PayStatement",
    table=tables.PayStatement,
    root="payStatements",
    help="What one worker is paid in one run.",
    facets=source(PAYROLL),
    fields={
        "currency": col(PAYROLL),
        "gross": col(PAYROLL),
        "net": col(PAYROLL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "worker": one("Worker", "worker_id"),
        "payrollRun": one("PayrollRun", "payroll_run_id"),
        "lines": many("PayStatementLine", "pay_statement_id", order="position"),
    },
    measures=("gross", "net"),
)

pay_statement_line = stored(
    "PayStatementLine",
    table=tables.PayStatementLine,
    node=False,
    order="position",
    help="One earning, tax, deduction or benefit; employer lines never reduce net pay.",
    fields={
        "position": col(OPERATIONAL),
        "kind": enum(PAYROLL, "PayStatementLineKind", LineKind),
        "code": col(PAYROLL),
        "amount": col(PAYROLL),
        "hours": col(PAYROLL),
        "employerPaid": col(PAYROLL),
        "preTax": col(PAYROLL),
    },
    orders={"position": ("position",)},
)
