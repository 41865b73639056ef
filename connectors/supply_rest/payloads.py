"""Brightwell's payloads as it documents them (REST API, version 2026-01), read part only."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, Field

from connectors.sdk.rows import Amount, Exact, Part, Row, Text

Packs = Annotated[int, Field(ge=0, le=10_000_000)]
Number = Annotated[str, Field(min_length=1, max_length=80)]
Price = Annotated[Amount, Field(ge=0)]


class Product(Part):
    gtin: str
    name: str
    category: Text = ""
    manufacturer: Text = ""
    manufacturer_part_number: Text = ""
    base_unit: str = "EA"
    unspsc_code: Text = ""


class Tier(Part):
    minimum_quantity: Packs
    unit_price: Price


class Pricing(Part):
    type: str
    tiers: tuple[Tier, ...] = Field(min_length=1)


class OfferRow(Row):
    item_number: Number
    status: str
    product: Product
    unit_of_measure: str
    units_per_pack: int = Field(ge=1)
    order_multiple: int | None = Field(None, ge=1)
    maximum_quantity: int | None = None
    currency: str
    pricing: Pricing
    valid_from: date | None = None
    valid_until: date | None = None


class Shipping(Part):
    fee: Price
    free_from: Price | None = None


class Rebate(Part):
    spend_from: Price
    rate: Annotated[Exact, Field(ge=0, le=1)]


class Terms(Part):
    minimum_order: Price
    shipping: Shipping
    spend_rebates: tuple[Rebate, ...] = ()
    currency: str


class OrderReceipt(Part):
    order_id: Number
    purchase_order_number: Number


class Event(Part):
    """The frame of every webhook body; `data` is read by the model of its type."""

    id: Number
    type: Number
    created_at: AwareDatetime
    data: dict[str, object]


class ConfirmedLine(Part):
    line_number: int = Field(ge=1)
    status: str
    quantity: Packs | None = None
    unit_price: Price | None = None
    note: Text = ""


class Confirmed(Part):
    purchase_order_number: Number
    confirmation_number: Number
    lines: tuple[ConfirmedLine, ...]


class ShippedLine(Part):
    line_number: int = Field(ge=1)
    quantity: Packs
    lot: Text = ""
    expires_on: date | None = None


class Shipped(Part):
    purchase_order_number: Number
    shipment_number: Number
    shipped_on: date | None = None
    carrier: Text = ""
    tracking_number: Text = ""
    lines: tuple[ShippedLine, ...]


class InvoicedLine(Part):
    line_number: int = Field(ge=1)
    quantity: Packs
    unit_price: Price


class Invoiced(Part):
    purchase_order_number: Number
    invoice_number: Number
    invoiced_on: date
    lines: tuple[InvoicedLine, ...]
    freight: Price = Decimal("0.00")
    tax: Price = Decimal("0.00")
    total: Amount
    currency: str


class CreditedLine(Part):
    line_number: int = Field(ge=1)
    quantity: Packs


class Credited(Part):
    purchase_order_number: Number
    credit_number: Number
    invoice_number: Number
    credited_on: date
    lines: tuple[CreditedLine, ...] = ()
    total: Price
    currency: str


class BidLineRow(Part):
    gtin: Number
    item_number: Number
    unit_of_measure: str
    units_per_pack: int = Field(ge=1)
    order_multiple: int | None = Field(None, ge=1)
    maximum_quantity: int | None = Field(None, ge=0)
    tiers: tuple[Tier, ...] = Field(min_length=1)
    contract_number: Text = ""


class BidSubmitted(Part):
    invitation: Number
    bid_number: Number
    currency: str
    lines: tuple[BidLineRow, ...] = Field(min_length=1)
