"""What follows an order: matched invoices with their findings, and what was not delivered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Money, PracticeOwned, same_practice


class InvoiceMatch(PracticeOwned, Base):
    """The three-way match of one invoice, derived anew from every document.

    `state`: waiting, matched, exception, settled; a person's `decision` (none, accepted, disputed)
    stands beside it and falls when the findings change (`digest`).
    """

    __tablename__ = "invoice_matches"
    domain = Domain.SUPPLY

    order_id: Mapped[str]
    document: Mapped[str]
    state: Mapped[str]
    total: Mapped[Decimal] = mapped_column(Money)
    credited: Mapped[Decimal] = mapped_column(Money)
    at_stake: Mapped[Decimal] = mapped_column(Money)
    digest: Mapped[str] = mapped_column(default="")
    decision: Mapped[str] = mapped_column(default="none")
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "document"),
        Index(None, "practice_id", "state", "id"),
        same_practice("order_id", "purchase_orders"),
    )


class MatchFinding(PracticeOwned, Base):
    """One difference of an invoice, in words; line 0 is the whole invoice."""

    __tablename__ = "match_findings"
    domain = Domain.SUPPLY

    match_id: Mapped[str]
    position: Mapped[int]
    code: Mapped[str]
    line: Mapped[int]
    at_stake: Mapped[Decimal] = mapped_column(Money)
    sentence: Mapped[str]

    __table_args__ = (
        UniqueConstraint("practice_id", "match_id", "position"),
        same_practice("match_id", "invoice_matches"),
    )


class Shortfall(PracticeOwned, Base):
    """Packs of a line that its supplier does not deliver, or would replace by something else.

    `reason`: rejected, cancelled, substituted, backordered (still owed). `state`: open, proposed
    (another supplier costs more and the practice decides), ordered, returned (to another round),
    accepted.
    """

    __tablename__ = "shortfalls"
    domain = Domain.SUPPLY

    order_id: Mapped[str]
    line: Mapped[int]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    packs: Mapped[int]
    units: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default="open")
    planned_cost: Mapped[Decimal] = mapped_column(Money)
    new_cost: Mapped[Decimal | None] = mapped_column(Money)
    new_order_id: Mapped[str | None]
    round_id: Mapped[str | None] = mapped_column(ForeignKey("purchasing_rounds.id"))
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "line", "reason"),
        Index(None, "practice_id", "state", "id"),
        same_practice("order_id", "purchase_orders"),
    )
