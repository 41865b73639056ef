"""What a locked round buys from: offers and terms as they stood then, and approved equivalents."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, ExactDecimal, Json, Money, PracticeOwned, new_id


class RoundOffer(Base):
    """An offer as it stood when the round was locked, or when its bid was opened.

    The round is solved with these whatever becomes of the offer. `tiers` are [from packs, cents]
    ascending; `difference` says in words what changed since, and is empty where nothing did.
    """

    __tablename__ = "round_offers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    vendor_part: Mapped[str]
    pack_units: Mapped[int]
    pack_unit_code: Mapped[str]
    tier_type: Mapped[str]
    tiers: Mapped[list[list[int]]] = mapped_column(Json)
    max_packs: Mapped[int | None]
    multiple: Mapped[int]
    contract: Mapped[str] = mapped_column(default="")
    ends_on: Mapped[date | None]
    frozen_at: Mapped[datetime]
    changed_at: Mapped[datetime | None]
    difference: Mapped[str] = mapped_column(default="")

    __table_args__ = (UniqueConstraint("round_id", "offer_id"), Index(None, "offer_id"))


class RoundSupplier(Base):
    """A supplier's terms as they stood when the round was locked; see `RoundOffer`. `plan_rate` is
    the rebate on spend (0 to 1) that the ordered plan reaches."""

    __tablename__ = "round_suppliers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    min_order: Mapped[Decimal] = mapped_column(Money)
    shipping_fee: Mapped[Decimal] = mapped_column(Money)
    free_shipping_from: Mapped[Decimal | None] = mapped_column(Money)
    rebates: Mapped[dict[str, Any]]
    related_party: Mapped[bool]
    plan_rate: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    frozen_at: Mapped[datetime]
    changed_at: Mapped[datetime | None]
    difference: Mapped[str] = mapped_column(default="")

    __table_args__ = (UniqueConstraint("round_id", "supplier_id"), Index(None, "supplier_id"))


class ApprovedEquivalent(PracticeOwned, Base):
    """A practice takes `equivalent_id` in place of `item_id`, unit for unit, until it withdraws
    that. A round goes by what was approved when it was locked."""

    __tablename__ = "approved_equivalents"
    domain = Domain.SUPPLY

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    equivalent_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    why: Mapped[str] = mapped_column(default="")
    approved_by: Mapped[str] = mapped_column(default="")
    approved_at: Mapped[datetime]
    withdrawn_by: Mapped[str] = mapped_column(default="")
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "practice_id", "item_id", "id"),)
