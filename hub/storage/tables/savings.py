"""Savings, prices paid, benchmarks, and fees that suppliers pay on members' purchases."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import (
    Base,
    ExactDecimal,
    Money,
    PracticeOwned,
    new_id,
    same_practice,
)


class SavingLine(PracticeOwned, Base):
    """The baseline of an ordered line, fixed when the order leaves, and what became of it.

    `basis`: own_price (the practice's last within twelve months), list_price, none. `baseline_unit`
    is per base unit. Amounts are goods; `invoiced` is net of credit notes.
    """

    __tablename__ = "saving_lines"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    order_id: Mapped[str]
    line: Mapped[int]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    category: Mapped[str]
    basis: Mapped[str]
    baseline_unit: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    baseline: Mapped[Decimal] = mapped_column(Money)
    planned: Mapped[Decimal] = mapped_column(Money)
    invoiced_baseline: Mapped[Decimal] = mapped_column(Money)
    invoiced: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "line"),
        Index(None, "practice_id", "round_id", "id"),
        same_practice("order_id", "purchase_orders"),
    )


class Saving(PracticeOwned, Base):
    """What a practice saves in a round, by category and supplier: planned and realised."""

    __tablename__ = "savings"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    category: Mapped[str]
    baseline: Mapped[Decimal] = mapped_column(Money)
    planned: Mapped[Decimal] = mapped_column(Money)
    planned_saving: Mapped[Decimal] = mapped_column(Money)
    invoiced_baseline: Mapped[Decimal] = mapped_column(Money)
    invoiced: Mapped[Decimal] = mapped_column(Money)
    realised_saving: Mapped[Decimal] = mapped_column(Money)
    reported_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("practice_id", "round_id", "supplier_id", "category"),)


class RoundSaving(PracticeOwned, Base):
    """What a practice saves in a round with freight and rebates counted.

    `returned` is what pooling gives back by the round's sharing rule (goods and freight less what
    the practice pays), so that `planned` is what it approved. `rebates` accrue on invoiced goods at
    the rate the plan reaches. The baseline has no freight: freight counts fully against the saving.
    """

    __tablename__ = "round_savings"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    baseline: Mapped[Decimal] = mapped_column(Money)
    goods: Mapped[Decimal] = mapped_column(Money)
    freight: Mapped[Decimal] = mapped_column(Money)
    returned: Mapped[Decimal] = mapped_column(Money)
    planned: Mapped[Decimal] = mapped_column(Money)
    planned_saving: Mapped[Decimal] = mapped_column(Money)
    invoiced_baseline: Mapped[Decimal] = mapped_column(Money)
    invoiced: Mapped[Decimal] = mapped_column(Money)
    invoiced_freight: Mapped[Decimal] = mapped_column(Money)
    rebates: Mapped[Decimal] = mapped_column(Money)
    realised_saving: Mapped[Decimal] = mapped_column(Money)
    reported_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("practice_id", "round_id"),)


class PricePoint(PracticeOwned, Base):
    """What a practice paid for an item on one invoice."""

    __tablename__ = "price_points"
    domain = Domain.SUPPLY

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    order_id: Mapped[str]
    document: Mapped[str]
    line: Mapped[int]
    paid_on: Mapped[date]
    units: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(Money)
    unit_price: Mapped[Decimal] = mapped_column(ExactDecimal)

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "document", "line"),
        Index(None, "practice_id", "paid_on", "id"),
        Index(None, "item_id", "paid_on"),
        same_practice("order_id", "purchase_orders"),
    )


class PriceBenchmark(Base):
    """Prices of an item in a quarter across practices; a row exists only where the small-group rule
    holds, and is never changed."""

    __tablename__ = "price_benchmarks"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    average_price: Mapped[Decimal] = mapped_column(ExactDecimal)
    middle_price: Mapped[Decimal] = mapped_column(ExactDecimal)
    published_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("item_id", "starts_on"), Index(None, "starts_on", "id"))


class BenchmarkQuarter(Base):
    """A quarter whose benchmarks were computed; it is not computed again."""

    __tablename__ = "benchmark_quarters"

    starts_on: Mapped[date] = mapped_column(primary_key=True)
    computed_at: Mapped[datetime]


class FeeAgreement(Base):
    """What members were told a supplier pays the MSO as administrative fee: at most a rate of
    purchases (0 to 1), or an amount a year. 42 CFR 1001.952(j)."""

    __tablename__ = "fee_agreements"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    written_on: Mapped[date]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    maximum_rate: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    maximum_amount: Mapped[Decimal | None] = mapped_column(Money)
    recorded_by: Mapped[str] = mapped_column(default="")
    recorded_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("supplier_id", "starts_on"),)


class SupplierPayment(Base):
    """Money a supplier paid the MSO; `kind`: fee, rebate (which belongs to the buyers)."""

    __tablename__ = "supplier_payments"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    kind: Mapped[str]
    reference: Mapped[str]
    received_on: Mapped[date]
    amount: Mapped[Decimal] = mapped_column(Money)
    recorded_by: Mapped[str] = mapped_column(default="")
    recorded_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("supplier_id", "kind", "reference"),
        Index(None, "received_on", "id"),
    )


class MemberStatement(PracticeOwned, Base):
    """The yearly statement to a member about one supplier: its purchases, the fees received on
    them, and the discounts and rebates it was given (42 CFR 1001.952(h), (j))."""

    __tablename__ = "member_statements"
    domain = Domain.SUPPLY

    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    year: Mapped[int]
    purchases: Mapped[Decimal] = mapped_column(Money)
    fees: Mapped[Decimal] = mapped_column(Money)
    discounts: Mapped[Decimal] = mapped_column(Money)
    rebates: Mapped[Decimal] = mapped_column(Money)
    remark: Mapped[str] = mapped_column(default="")
    issued_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("practice_id", "year", "supplier_id"),
        Index(None, "practice_id", "year", "id"),
    )
