"""Catalogues, offers and the documents of an order: acknowledgement, shipment, invoice.

Prices are Decimals per pack with two decimals; quantities of orders are whole packs of the offer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

TierType = Literal["all_units", "incremental"]
LineStatus = Literal[
    "accepted",
    "changed",
    "backordered",
    "rejected",
    "substituted",
    "on_hold",
    "cancelled",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Item:
    """A product independent of who sells it. `gtin_valid` is the GS1 check digit's verdict,
    `unspsc` the eight digits of the UNSPSC code, empty where no feed states one."""

    gtin: str
    name: str
    category: str
    manufacturer: str = ""
    manufacturer_part: str = ""
    base_unit: str = "EA"
    gtin_valid: bool = True
    unspsc: str = ""


@dataclass(frozen=True, slots=True)
class PriceTier:
    """From `from_packs` packs pooled over all practices the pack costs `price`."""

    from_packs: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """What a vendor sells an item for. A pack holds `pack_units` base units."""

    item: Item
    vendor_part: str
    pack_units: int
    pack_unit_code: str
    tiers: tuple[PriceTier, ...]
    currency: str = "USD"
    tier_type: TierType = "all_units"
    starts_on: date | None = None
    ends_on: date | None = None
    max_packs: int | None = None
    multiple: int = 1


@dataclass(frozen=True, slots=True)
class SupplierTerms:
    """Per ship-to: minimum order, shipping fee and the goods value from which freight is free."""

    min_order: Decimal = Decimal("0.00")
    shipping_fee: Decimal = Decimal("0.00")
    free_shipping_from: Decimal | None = None
    currency: str = "USD"
    rebates: tuple[tuple[Decimal, Decimal], ...] = ()
    """(pooled spend from, rate 0..1), ascending; all units on spend."""


@dataclass(frozen=True, slots=True)
class ShipTo:
    """Where a vendor delivers: `account` is the vendor's account number of the practice."""

    account: str
    name: str
    line1: str
    city: str
    state: str
    postal_code: str
    country: str = "US"


@dataclass(frozen=True, slots=True)
class OrderLine:
    number: int
    vendor_part: str
    gtin: str
    packs: int
    unit_code: str
    price: Decimal
    description: str = ""


@dataclass(frozen=True, slots=True)
class OrderToPlace:
    """A purchase order as a connector sends it.

    `number` is ours and the idempotency key of last resort.
    """

    number: str
    ordered_on: date
    ship_to: ShipTo
    lines: tuple[OrderLine, ...]
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class SubmitReceipt:
    """The vendor holds the order. `vendor_order_id` is empty where the vendor only echoes ours."""

    order_number: str
    vendor_order_id: str


@dataclass(frozen=True, slots=True)
class AckLine:
    """`number` is our line number, 0 stands for every line not listed; `packs` and `price` are what
    the vendor commits to, None if silent."""

    number: int
    status: LineStatus
    packs: int | None = None
    price: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class OrderAcknowledged:
    """855 or its JSON sibling. `silent_lines_accepted`: BAK02 lists exceptions only."""

    order_number: str
    document: str
    lines: tuple[AckLine, ...]
    silent_lines_accepted: bool = False


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    number: int
    packs: int
    lot: str = ""
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class OrderShipped:
    """856 or its JSON sibling; `document` is the shipment's own number."""

    order_number: str
    document: str
    lines: tuple[ShipmentLine, ...]
    shipped_on: date | None = None
    carrier: str = ""
    tracking_number: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    number: int
    packs: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class OrderInvoiced:
    """810 or its JSON sibling; `total` = goods + freight + tax + other charges less allowances."""

    order_number: str
    document: str
    invoiced_on: date
    lines: tuple[InvoiceLine, ...]
    total: Decimal
    freight: Decimal = Decimal("0.00")
    tax: Decimal = Decimal("0.00")
    currency: str = "USD"
    other_charges: Decimal = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class CreditLine:
    number: int
    packs: int


@dataclass(frozen=True, slots=True)
class OrderCredited:
    """A credit note: `total` (positive) is given back on the invoice it names; `lines` are the
    packs it speaks of, none where it only corrects money."""

    order_number: str
    document: str
    invoice: str
    credited_on: date
    lines: tuple[CreditLine, ...]
    total: Decimal
    currency: str = "USD"
