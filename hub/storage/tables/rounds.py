"""What a purchasing round keeps beside its current state: its steps, who takes part, every version
of its plan and every decision on it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, ExactDecimal, Money, PracticeOwned, new_id


class PurchasingStep(Base):
    """One step of a round: who took it, when and why. Rows are added and never changed.

    `why` is read by every practice of the round, so that a practice's own reasons are kept with its
    decision and not here.
    """

    __tablename__ = "purchasing_steps"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    number: Mapped[int]
    step: Mapped[str]
    from_status: Mapped[str]
    to_status: Mapped[str]
    plan_version: Mapped[int] = mapped_column(default=0)
    taken_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    taken_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("round_id", "number"),)


class PurchasingPlan(Base):
    """One version of a round's plan, kept whatever becomes of it.

    Of `coalitions` sampled, `better_alone` would pay less without the rest. `digest` is the SHA-256
    of `document` in its canonical form, `demand_digest` that of the instance it solves.
    """

    __tablename__ = "purchasing_plans"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    version: Mapped[int]
    digest: Mapped[str]
    demand_digest: Mapped[str] = mapped_column(default="")
    solver_status: Mapped[str]
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    greedy_cost: Mapped[Decimal | None] = mapped_column(Money)
    pooled_cost: Mapped[Decimal | None] = mapped_column(Money)
    lower_bound: Mapped[Decimal | None] = mapped_column(Money)
    gap: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    coalitions: Mapped[int | None]
    better_alone: Mapped[int | None]
    explanation: Mapped[str] = mapped_column(default="")
    isolating: Mapped[bool] = mapped_column(default=False, server_default=false())
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("round_id", "version"),)


class PlanShare(PracticeOwned, Base):
    """What a practice pays under one version of a plan."""

    __tablename__ = "plan_shares"
    domain = Domain.SUPPLY

    plan_id: Mapped[str] = mapped_column(ForeignKey("purchasing_plans.id"))
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    pays: Mapped[Decimal] = mapped_column(Money)
    saving: Mapped[Decimal | None] = mapped_column(Money)

    __table_args__ = (
        UniqueConstraint("practice_id", "plan_id"),
        Index(None, "plan_id"),
    )


class PlanAward(PracticeOwned, Base):
    """A practice's line under one version of a plan, or a part of it where lines may be split;
    `item_id` is what it asked for."""

    __tablename__ = "plan_awards"
    domain = Domain.SUPPLY

    plan_id: Mapped[str] = mapped_column(ForeignKey("purchasing_plans.id"))
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    packs: Mapped[int]
    units: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Money)
    amount: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = (UniqueConstraint("practice_id", "plan_id", "item_id", "offer_id"),)


class PurchasingParticipation(PracticeOwned, Base):
    """A practice's word on a whole round; without a row it takes part."""

    __tablename__ = "purchasing_participations"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    takes_part: Mapped[bool]
    why: Mapped[str] = mapped_column(default="")
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("practice_id", "round_id"),)


class PurchasingExclusion(PracticeOwned, Base):
    """What a practice keeps out of a round: an item it buys itself, a supplier it does not buy
    from, or, where both are set, that item from that supplier."""

    __tablename__ = "purchasing_exclusions"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    item_id: Mapped[str | None] = mapped_column(ForeignKey("items.id"))
    supplier_id: Mapped[str | None] = mapped_column(ForeignKey("suppliers.id"))
    why: Mapped[str] = mapped_column(default="")
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime]

    __table_args__ = (Index(None, "practice_id", "round_id", "id"),)


class PurchasingDecision(PracticeOwned, Base):
    """A practice's approval or rejection of one version of a plan, by its digest. Rows are added
    and never changed; `decision`: approved, rejected, carried_over."""

    __tablename__ = "purchasing_decisions"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    plan_version: Mapped[int]
    plan_digest: Mapped[str]
    decision: Mapped[str]
    why: Mapped[str] = mapped_column(default="")
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime]

    __table_args__ = (Index(None, "practice_id", "round_id", "decided_at", "id"),)
