"""The catalogue: items, suppliers, offers and their tiers."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.supply import TierType
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, PREFIX, col, enum, many, one, stored
from schema.sourced import source

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

item = stored(
    "Item",
    table=tables.Item,
    access=Access.CATALOGUE,
    root="items",
    order="name",
    help="A product of the catalogue, independent of who sells it.",
    fields={
        "gtin": col(OPERATIONAL, help="GS1 Global Trade Item Number."),
        "gtinValid": col(OPERATIONAL, help="The check digit's verdict."),
        "name": col(OPERATIONAL),
        "category": col(OPERATIONAL),
        "manufacturer": col(OPERATIONAL),
        "manufacturerPart": col(OPERATIONAL),
        "baseUnit": col(OPERATIONAL),
        "unspsc": col(OPERATIONAL, help="UNSPSC code of eight digits, where a supplier states it."),
    },
    links={"offers": many("Offer", "item_id"), "packs": many("ItemPack", "item_id")},
    filters={"gtin": EQ, "name": PREFIX, "category": EQ},
    orders={"name": ("name",), "category": ("category", "name")},
)

supplier = stored(
    "Supplier",
    table=tables.Supplier,
    access=Access.CATALOGUE,
    root="suppliers",
    order="name",
    help="A vendor of supplies and its terms per ship-to.",
    fields={
        "name": col(OPERATIONAL),
        "minOrder": col(FINANCIAL),
        "shippingFee": col(FINANCIAL),
        "freeShippingFrom": col(FINANCIAL),
        "currency": col(FINANCIAL),
        "matchPricePercent": col(
            OPERATIONAL, help="How much above the ordered price its invoices may be."
        ),
        "matchTotal": col(FINANCIAL, help="How far freight and totals of its invoices may differ."),
        "relatedParty": col(OPERATIONAL, help="True if the MSO or an owner has an interest in it."),
    },
    links={"offers": many("Offer", "supplier_id")},
    filters={"name": PREFIX},
    orders={"name": ("name",)},
)

offer = stored(
    "Offer",
    table=tables.Offer,
    access=Access.CATALOGUE,
    root="offers",
    help="What a supplier sells an item for, with volume tiers on packs pooled over practices.",
    facets=source(OPERATIONAL, identifier=False, received_at="updated_at"),
    fields={
        "vendorPart": col(OPERATIONAL),
        "packUnits": col(OPERATIONAL, help="Base units in a pack."),
        "packUnitCode": col(OPERATIONAL),
        "tierType": enum(FINANCIAL, "TierType", TierType),
        "currency": col(FINANCIAL),
        "startsOn": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL),
        "maxPacks": col(OPERATIONAL),
        "multiple": col(OPERATIONAL),
        "updatedAt": col(OPERATIONAL),
        "contract": col(OPERATIONAL, help="The supplier's contract number."),
    },
    links={
        "round": one("PurchasingRound", "round_id", help="Set for a bid: it holds there only."),
        "supplier": one("Supplier", "supplier_id"),
        "item": one("Item", "item_id"),
        "tiers": many("OfferTier", "offer_id", order="fromPacks"),
    },
    filters={"supplier": EQ, "item": EQ},
)

offer_tier = stored(
    "OfferTier",
    table=tables.OfferTier,
    access=Access.CATALOGUE,
    node=False,
    order="fromPacks",
    help="From this many packs on, a pack costs this much.",
    fields={"fromPacks": col(OPERATIONAL), "price": col(FINANCIAL)},
    orders={"fromPacks": ("from_packs",)},
)
