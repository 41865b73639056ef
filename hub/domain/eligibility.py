"""Eligibility: what is asked of a payer and what it answers (005010X279A1, CAQH CORE 154-260)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from hub.domain.records import Issue

Outcome = Literal["active", "inactive", "rejected", "unknown"]


@dataclass(frozen=True, slots=True)
class EligibilityQuery:
    """One patient, one payer, one service date (never the policy date).

    `trace` is our TRN02, new per send; `trace_company` our TRN03 (ten characters); `control_number`
    comes from a database sequence per sender and receiver. `relationship` other than self asks for
    a dependent, whose own name and birth date are `patient_*`.
    """

    payer_id: str
    payer_name: str
    provider_npi: str
    provider_name: str
    member_id: str
    subscriber_family: str
    subscriber_given: str
    subscriber_birth_date: date | None
    service_date: date
    trace: str
    trace_company: str
    control_number: int
    sent_at: datetime
    service_types: tuple[str, ...] = ("30",)
    relationship: str = "self"
    patient_family: str = ""
    patient_given: str = ""
    patient_birth_date: date | None = None
    patient_sex: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """One AAA segment. `action` is AAA04; `klass` one of payer_down, routing, patient_match, dates,
    service, unknown; `text` names the element to fix."""

    loop: str
    code: str
    action: str
    klass: str
    text: str


@dataclass(frozen=True, slots=True)
class Benefit:
    """One EB segment. `kind` is EB01, `period` EB06, `network` Y N W U; `percent` is the patient's
    share, 0 to 1. `procedure` is EB13 (``HC:99213:25``), `places` the places of service (III),
    `entities` the names of loop 2120; `derived` marks an amount computed from two others."""

    kind: str
    level: str = ""
    service_types: tuple[str, ...] = ()
    insurance_type: str = ""
    plan_name: str = ""
    period: str = ""
    amount: Decimal | None = None
    percent: Decimal | None = None
    quantity_qualifier: str = ""
    quantity: Decimal | None = None
    auth_required: str = ""
    network: str = "U"
    messages: tuple[str, ...] = ()
    dates: tuple[tuple[str, date, date | None], ...] = ()
    procedure: str = ""
    places: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    derived: bool = False


@dataclass(frozen=True, slots=True)
class EligibilityResult:
    """The canonical answer. A transport failure is no outcome: it is an error."""

    outcome: Outcome
    trace: str
    trace_company: str
    payer_name: str = ""
    plan_name: str = ""
    insurance_type: str = ""
    coverage_from: date | None = None
    coverage_to: date | None = None
    benefits: tuple[Benefit, ...] = ()
    rejects: tuple[Reject, ...] = ()
    warnings: tuple[Issue, ...] = ()
    interchange_control: str = ""
