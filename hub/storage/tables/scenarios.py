"""Scenarios of a purchasing round, and how far a solve has come."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, ExactDecimal, Json, Money, PracticeOwned, new_id


class PurchasingScenario(Base):
    """A named what-if over the locked demand of a round; never ordered.

    `state`: waiting, solved, infeasible, failed. `base_cost` is that of the plan it was compared
    with, `plan_version` its version, `demand_digest` the hash of the problem solved. `shown_before`
    keeps the groups (practice → what it would pay alone) whose figures it showed until it was
    solved again.
    """

    __tablename__ = "purchasing_scenarios"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    name: Mapped[str]
    changes: Mapped[dict[str, Any]]
    summary: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="waiting")
    plan_version: Mapped[int] = mapped_column(default=0)
    demand_digest: Mapped[str] = mapped_column(default="")
    solver_status: Mapped[str] = mapped_column(default="")
    explanation: Mapped[str] = mapped_column(default="")
    base_cost: Mapped[Decimal | None] = mapped_column(Money)
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    pooled_cost: Mapped[Decimal | None] = mapped_column(Money)
    lower_bound: Mapped[Decimal | None] = mapped_column(Money)
    difference: Mapped[Decimal | None] = mapped_column(Money)
    gap: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    isolating: Mapped[bool] = mapped_column(default=False, server_default=false())
    shown_before: Mapped[list[Any]] = mapped_column(Json, default=list, server_default="[]")
    suppliers: Mapped[int | None]
    orders: Mapped[int | None]
    document: Mapped[dict[str, Any] | None]
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    solved_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("round_id", "name"),)


class ScenarioShare(PracticeOwned, Base):
    """What a practice would pay under a scenario."""

    __tablename__ = "scenario_shares"
    domain = Domain.SUPPLY

    scenario_id: Mapped[str] = mapped_column(ForeignKey("purchasing_scenarios.id"))
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    pays: Mapped[Decimal] = mapped_column(Money)
    saving: Mapped[Decimal | None] = mapped_column(Money)

    __table_args__ = (UniqueConstraint("practice_id", "scenario_id"), Index(None, "scenario_id"))


class SolveCheckpoint(Base):
    """The best choices a solve has found so far, to begin from after it was stopped.

    `subject` is the id of a round or of a scenario; of use only for the same `demand_digest`.
    """

    __tablename__ = "solve_checkpoints"

    subject: Mapped[str] = mapped_column(primary_key=True)
    demand_digest: Mapped[str]
    choices: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]
