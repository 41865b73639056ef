"""Workers and their employments, as payroll vendors state them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

EmploymentStatus = Literal[
    "prehire", "onboarding", "active", "leave", "terminated", "retired", "deceased", "unknown"
]
EmploymentType = Literal[
    "full_time", "part_time", "temporary", "seasonal", "intern", "per_diem", "unknown"
]
PayPer = Literal["hour", "day", "week", "biweek", "semimonth", "month", "year", "visit"]


@dataclass(frozen=True, slots=True)
class Worker:
    """A person on a practice's payroll. `entity` names the vendor's company (one practice each).

    Only the last four digits of a tax id are ever read.
    """

    entity: str
    employee_number: str
    family_name: str
    given_name: str
    preferred_name: str = ""
    email: str = ""
    npi: str = ""
    tax_id_last4: str = ""


@dataclass(frozen=True, slots=True)
class Compensation:
    """A pay rate: exact decimal per `per`, valid from `effective_on`."""

    rate: Decimal
    per: PayPer
    currency: str
    effective_on: date | None = None


@dataclass(frozen=True, slots=True)
class Employment:
    """One job of a worker; `status_text` keeps the vendor's own word."""

    entity: str
    worker_external_id: str
    status: EmploymentStatus
    status_text: str
    type: EmploymentType = "unknown"
    is_contractor: bool = False
    title: str = ""
    department: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    compensation: Compensation | None = None
