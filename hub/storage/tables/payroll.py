"""Workers, employments, pay periods, payroll runs and pay statements."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import (
    Base,
    ExactDecimal,
    Money,
    PracticeOwned,
    Sourced,
    same_practice,
)


class Worker(PracticeOwned, Sourced, Base):
    __tablename__ = "workers"
    domain = Domain.PAYROLL

    employee_number: Mapped[str] = mapped_column(default="")
    family_name: Mapped[str]
    given_name: Mapped[str]
    preferred_name: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    npi: Mapped[str] = mapped_column(default="")
    tax_id_last4: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "family_name", "given_name", "id"),
    )


class Employment(PracticeOwned, Sourced, Base):
    __tablename__ = "employments"
    domain = Domain.PAYROLL

    worker_id: Mapped[str]
    status: Mapped[str]
    status_text: Mapped[str] = mapped_column(default="")
    type: Mapped[str] = mapped_column(default="unknown")
    is_contractor: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(default="")
    department: Mapped[str] = mapped_column(default="")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    pay_rate: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    pay_per: Mapped[str] = mapped_column(default="")
    currency: Mapped[str] = mapped_column(default="USD")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "worker_id", "id"),
        same_practice("worker_id", "workers"),
    )


class PayPeriod(PracticeOwned, Sourced, Base):
    __tablename__ = "pay_periods"
    domain = Domain.PAYROLL

    starts_on: Mapped[date]
    ends_on: Mapped[date]
    check_date: Mapped[date]
    frequency: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "starts_on", "id"),
    )


class PayrollRun(PracticeOwned, Sourced, Base):
    __tablename__ = "payroll_runs"
    domain = Domain.PAYROLL

    pay_period_id: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    check_date: Mapped[date]
    currency: Mapped[str] = mapped_column(default="USD")
    gross: Mapped[Decimal] = mapped_column(Money)
    net: Mapped[Decimal] = mapped_column(Money)
    employer_cost: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "check_date", "id"),
        Index(None, "practice_id", "pay_period_id", "check_date", "id"),
        same_practice("pay_period_id", "pay_periods"),
    )


class PayStatement(PracticeOwned, Sourced, Base):
    __tablename__ = "pay_statements"
    domain = Domain.PAYROLL

    payroll_run_id: Mapped[str]
    worker_id: Mapped[str]
    currency: Mapped[str] = mapped_column(default="USD")
    gross: Mapped[Decimal] = mapped_column(Money)
    net: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "payroll_run_id", "id"),
        Index(None, "practice_id", "worker_id", "id"),
        same_practice("payroll_run_id", "payroll_runs"),
        same_practice("worker_id", "workers"),
    )


class PayStatementLine(PracticeOwned, Base):
    __tablename__ = "pay_statement_lines"
    domain = Domain.PAYROLL

    pay_statement_id: Mapped[str]
    position: Mapped[int]
    kind: Mapped[str]
    code: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Money)
    hours: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    employer_paid: Mapped[bool] = mapped_column(default=False)
    pre_tax: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(None, "practice_id", "pay_statement_id", "position", "id"),
        same_practice("pay_statement_id", "pay_statements"),
    )
