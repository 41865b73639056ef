"""Suppliers, items, offers, requisitions, purchasing rounds and purchase orders."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, text
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


class Supplier(Base):
    """A vendor of supplies and its terms per ship-to; one connection each.

    `match_price_percent` and `match_total` are what the three-way match of its invoices lets
    through (`hub/domain/supply_three_way.py`).
    """

    __tablename__ = "suppliers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), unique=True)
    min_order: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    shipping_fee: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    free_shipping_from: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str] = mapped_column(default="USD")
    rebates: Mapped[dict[str, Any]] = mapped_column(default=dict)
    related_party: Mapped[bool] = mapped_column(default=False)
    match_price_percent: Mapped[Decimal] = mapped_column(
        ExactDecimal, default=Decimal("0.5"), server_default="0.5"
    )
    match_total: Mapped[Decimal] = mapped_column(Money, default=Decimal(1), server_default="100")

    __table_args__ = (Index(None, "name", "id"),)


class Item(Base):
    """A product of the MSO's catalogue, one per GTIN."""

    __tablename__ = "items"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    gtin: Mapped[str] = mapped_column(unique=True)
    gtin_valid: Mapped[bool] = mapped_column(default=True)
    name: Mapped[str]
    category: Mapped[str] = mapped_column(default="")
    manufacturer: Mapped[str] = mapped_column(default="")
    manufacturer_part: Mapped[str] = mapped_column(default="")
    base_unit: Mapped[str] = mapped_column(default="EA")
    unspsc: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (Index(None, "name", "id"), Index(None, "category", "name", "id"))


class Offer(Base):
    """What a supplier sells an item for, with volume tiers on packs pooled over practices.

    One that came as a bid holds for its round only; `contract` is the supplier's contract number.
    """

    __tablename__ = "offers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    external_id: Mapped[str]
    connection_id: Mapped[str | None]
    content_hash: Mapped[str] = mapped_column(default="")
    occurred_at: Mapped[datetime | None]
    vendor_part: Mapped[str]
    pack_units: Mapped[int]
    pack_unit_code: Mapped[str]
    tier_type: Mapped[str] = mapped_column(default="all_units")
    currency: Mapped[str] = mapped_column(default="USD")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    max_packs: Mapped[int | None]
    multiple: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime]
    contract: Mapped[str] = mapped_column(default="", server_default="")
    round_id: Mapped[str | None] = mapped_column(ForeignKey("purchasing_rounds.id"))

    __table_args__ = (
        UniqueConstraint("supplier_id", "external_id"),
        Index(None, "item_id", "id"),
        Index(None, "supplier_id", "id"),
    )


class OfferTier(Base):
    __tablename__ = "offer_tiers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    from_packs: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = (UniqueConstraint("offer_id", "from_packs"),)


class PurchasingRound(Base):
    """A round of group purchasing, owned by the MSO; figures are set when it is solved.

    `status` and the steps that change it: `hub/domain/purchasing/rounds.py`. `categories` limits
    what is bought (empty: everything), `plan_version` counts the plans made so far. `rules` and
    `allocation_rule`: `hub/domain/purchasing/round_rules.py`.
    """

    __tablename__ = "purchasing_rounds"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="open")
    allocation_rule: Mapped[str] = mapped_column(default="pooled_savings_by_standalone_cost")
    opened_at: Mapped[datetime]
    locked_at: Mapped[datetime | None]
    solved_at: Mapped[datetime | None]
    plan_version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    approved_at: Mapped[datetime | None]
    currency: Mapped[str] = mapped_column(default="USD")
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    greedy_cost: Mapped[Decimal | None] = mapped_column(Money)
    pooled_cost: Mapped[Decimal | None] = mapped_column(Money)
    lower_bound: Mapped[Decimal | None] = mapped_column(Money)
    gap: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    solver_status: Mapped[str] = mapped_column(default="")
    explanation: Mapped[str] = mapped_column(default="")
    isolating: Mapped[bool] = mapped_column(default=False, server_default=false())
    requisitions_until: Mapped[datetime | None]
    categories: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    plan_digest: Mapped[str] = mapped_column(default="", server_default="")
    rules: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    __table_args__ = (Index(None, "opened_at", "id"),)


class Requisition(PracticeOwned, Base):
    """What a practice wants from a round; `status`: draft, submitted, withdrawn."""

    __tablename__ = "requisitions"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    status: Mapped[str] = mapped_column(default="submitted")
    submitted_at: Mapped[datetime]
    submitted_by: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "round_id"),
        Index(None, "practice_id", "submitted_at", "id"),
    )


class RequisitionLine(PracticeOwned, Base):
    """Demand in base units of the item."""

    __tablename__ = "requisition_lines"
    domain = Domain.SUPPLY

    requisition_id: Mapped[str]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    units: Mapped[int]

    __table_args__ = (
        UniqueConstraint("practice_id", "requisition_id", "item_id"),
        Index(None, "practice_id", "requisition_id", "id"),
        same_practice("requisition_id", "requisitions"),
    )


class PurchasingShare(PracticeOwned, Base):
    """What a practice would have paid alone, pays now, and whether it approved its lines.

    `standalone_cost` and `saving` are null where the practice could not have bought alone at all.
    """

    __tablename__ = "purchasing_shares"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    standalone_cost: Mapped[Decimal | None] = mapped_column(Money)
    pays: Mapped[Decimal] = mapped_column(Money)
    saving: Mapped[Decimal | None] = mapped_column(Money)
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "round_id"),
        Index(None, "practice_id", "round_id", "id"),
    )


class PurchaseOrder(PracticeOwned, Base):
    """One order to one supplier for one ship-to.

    `status` follows the ledgers of its lines (`hub/domain/supply_ledger.py`); `send_state`:
    pending, sending, sent, refused. The intent (sending) is committed before the vendor is called.
    `cancel_requested_at` says that the practice no longer wants an order the vendor may hold; only
    the vendor's documents make it cancelled. `replan` is 0 for orders of the plan; those that make
    up for what a supplier did not deliver count from 1. `invoiced` and `credited` are the totals of
    its invoices and credit notes, `invoiced_freight` what they ask for freight and other charges.
    """

    __tablename__ = "purchase_orders"
    domain = Domain.SUPPLY

    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    number: Mapped[str]
    status: Mapped[str] = mapped_column(default="requested")
    send_state: Mapped[str] = mapped_column(default="pending")
    idempotency_key: Mapped[str] = mapped_column(default="")
    vendor_order_id: Mapped[str] = mapped_column(default="")
    ordered_on: Mapped[date]
    currency: Mapped[str] = mapped_column(default="USD")
    goods: Mapped[Decimal] = mapped_column(Money)
    shipping: Mapped[Decimal] = mapped_column(Money)
    total: Mapped[Decimal] = mapped_column(Money)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_requested_by: Mapped[str] = mapped_column(default="", server_default="")
    replan: Mapped[int] = mapped_column(default=0, server_default="0")
    invoiced: Mapped[Decimal] = mapped_column(Money, default=Decimal(0), server_default="0")
    invoiced_freight: Mapped[Decimal] = mapped_column(Money, default=Decimal(0), server_default="0")
    credited: Mapped[Decimal] = mapped_column(Money, default=Decimal(0), server_default="0")

    __table_args__ = (
        UniqueConstraint("practice_id", "number"),
        UniqueConstraint("practice_id", "round_id", "supplier_id", "replan"),
        Index(None, "number"),
        Index(None, "practice_id", "created_at", "id"),
        Index(None, "practice_id", "round_id", "id"),
    )


class PurchaseOrderLine(PracticeOwned, Base):
    """A line and its derived quantities in packs."""

    __tablename__ = "purchase_order_lines"
    domain = Domain.SUPPLY

    order_id: Mapped[str]
    number: Mapped[int]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    vendor_part: Mapped[str]
    packs: Mapped[int]
    units: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Money)
    amount: Mapped[Decimal] = mapped_column(Money)
    status: Mapped[str] = mapped_column(default="requested")
    accepted: Mapped[int] = mapped_column(default=0)
    backordered: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    cancelled: Mapped[int] = mapped_column(default=0)
    shipped: Mapped[int] = mapped_column(default=0)
    received: Mapped[int] = mapped_column(default=0)
    invoiced: Mapped[int] = mapped_column(default=0)
    credited: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "number"),
        same_practice("order_id", "purchase_orders"),
    )


class OrderDocument(PracticeOwned, Base):
    """A vendor's document about an order, once: the facts from which the ledgers are derived."""

    __tablename__ = "order_documents"
    domain = Domain.SUPPLY

    order_id: Mapped[str]
    kind: Mapped[str]
    document: Mapped[str]
    facts: Mapped[dict[str, Any]]
    total: Mapped[Decimal | None] = mapped_column(Money)
    connection_id: Mapped[str | None]
    inbox_id: Mapped[str | None]
    recorded_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("practice_id", "order_id", "kind", "document"),
        same_practice("order_id", "purchase_orders"),
    )
