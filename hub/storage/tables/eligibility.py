"""Payers, coverages and eligibility checks."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import (
    Base,
    ExactDecimal,
    Labelled,
    Money,
    PracticeOwned,
    Sourced,
    new_id,
    same_practice,
)


class Payer(Base):
    """The payer directory: data, not code. `id` is immutable; `route_id` the id on the wire."""

    __tablename__ = "payers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    route_id: Mapped[str]
    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connections.id"))
    enrollment: Mapped[str] = mapped_column(default="enrolled")


class PayerControlNumber(Base):
    """ISA13 and GS06 per sender and receiver, counted in the database."""

    __tablename__ = "control_numbers"

    sender: Mapped[str] = mapped_column(primary_key=True)
    receiver: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class Coverage(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "coverages"
    domain = Domain.ELIGIBILITY

    patient_id: Mapped[str]
    payer_id: Mapped[str | None] = mapped_column(ForeignKey("payers.id"))
    priority: Mapped[int]
    status: Mapped[str] = mapped_column(default="active")
    payer_code: Mapped[str]
    payer_name: Mapped[str] = mapped_column(default="")
    plan_name: Mapped[str] = mapped_column(default="")
    plan_type: Mapped[str] = mapped_column(default="", server_default="")
    group_number: Mapped[str] = mapped_column(default="")
    member_id: Mapped[str] = mapped_column(default="")
    relationship: Mapped[str] = mapped_column(default="self")
    subscriber_family_name: Mapped[str] = mapped_column(default="")
    subscriber_given_name: Mapped[str] = mapped_column(default="")
    subscriber_birth_date: Mapped[date | None]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]

    __table_args__ = (
        Index(None, "practice_id", "patient_id", "priority", "id"),
        Index(None, "practice_id", "payer_code", "id"),
        same_practice("patient_id", "patients"),
    )


class EligibilityCheck(PracticeOwned, Labelled, Base):
    """One question to a payer and its answer.

    `status`: queued, sent, done, rejected, failed. `fingerprint` is a keyed digest; at most one
    check per fingerprint and service date is open at a time.
    """

    __tablename__ = "eligibility_checks"
    domain = Domain.ELIGIBILITY

    patient_id: Mapped[str]
    coverage_id: Mapped[str]
    appointment_id: Mapped[str | None]
    payer_id: Mapped[str] = mapped_column(ForeignKey("payers.id"))
    service_date: Mapped[date]
    service_type: Mapped[str] = mapped_column(default="30")
    fingerprint: Mapped[str]
    status: Mapped[str] = mapped_column(default="queued")
    outcome: Mapped[str | None]
    reject_code: Mapped[str] = mapped_column(default="")
    reject_class: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    plan_name: Mapped[str] = mapped_column(default="")
    insurance_type: Mapped[str] = mapped_column(default="")
    coverage_from: Mapped[date | None]
    coverage_to: Mapped[date | None]
    trace: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    requested_at: Mapped[datetime]
    as_of: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("practice_id", "fingerprint", "service_date"),
        Index(None, "practice_id", "requested_at", "id"),
        Index(None, "practice_id", "patient_id", "requested_at", "id"),
        Index(None, "practice_id", "appointment_id", "requested_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("coverage_id", "coverages"),
        same_practice("appointment_id", "appointments"),
    )


class EligibilityBenefit(PracticeOwned, Base):
    """One EB segment of an answer."""

    __tablename__ = "eligibility_benefits"
    domain = Domain.ELIGIBILITY

    check_id: Mapped[str]
    position: Mapped[int]
    kind: Mapped[str]
    level: Mapped[str] = mapped_column(default="")
    service_types: Mapped[list[str]] = mapped_column(default=list)
    plan_name: Mapped[str] = mapped_column(default="")
    period: Mapped[str] = mapped_column(default="")
    amount: Mapped[Decimal | None] = mapped_column(Money)
    percent: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    network: Mapped[str] = mapped_column(default="U")
    message: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "practice_id", "check_id", "position", "id"),
        same_practice("check_id", "eligibility_checks"),
    )
