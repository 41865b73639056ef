"""What a round buys from and by: its rules, the offers and terms it keeps, approved equivalents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.domain.agreements import DataClass
from hub.domain.purchasing.plan import money, share_of_one
from hub.storage import tables
from hub.storage.reads.parts import Access
from hub.storage.reads.write import global_id
from schema.mapping.declare import EQ, batch, col, one, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL
DIFFERENCE = "What changed since, in words; it does not change the round. Empty: nothing."


def rules_written(stored_rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of a round as `PurchasingRound.rules` shows them: named as in the input of
    `setRoundRules`, suppliers by global id."""
    limits = stored_rules.get("max_suppliers_per_category", ())
    written = {
        "maxSuppliers": stored_rules.get("max_suppliers"),
        "maxSuppliersPerPractice": stored_rules.get("max_suppliers_per_practice"),
        "maxSuppliersPerCategory": [{"category": c, "suppliers": n} for c, n in limits],
        "commitments": [
            {
                "supplierId": global_id("Supplier", supplier),
                "category": category,
                "share": share_of_one(share),
            }
            for supplier, category, share in stored_rules.get("commitments", ())
        ],
        "withoutSuppliers": [
            global_id("Supplier", each) for each in stored_rules.get("without_suppliers", ())
        ],
        "switchingCost": money(stored_rules.get("switching_cost", 0)),
        "splitLines": stored_rules.get("split_lines", False),
    }
    return written


def tiers_written(tiers: list[list[int]]) -> list[dict[str, Any]]:
    """Price tiers as `RoundOffer.tiers` shows them."""
    return [{"fromPacks": packs, "price": money(cents)} for packs, cents in tiers]


rules_field = batch(
    lambda rows, _: [rules_written(row["rules"] or {}) for row in rows],
    OPERATIONAL,
    needs=("rules",),
    returns="JSON",
    help="What the round buys by, named as in the input of `setRoundRules`.",
)

round_offer = stored(
    "RoundOffer",
    table=tables.RoundOffer,
    access=Access.CATALOGUE,
    help="An offer as the round keeps it since it was locked, or since its bid was opened.",
    fields={
        "vendorPart": col(OPERATIONAL),
        "packUnits": col(OPERATIONAL),
        "packUnitCode": col(OPERATIONAL),
        "tierType": col(OPERATIONAL),
        "maxPacks": col(OPERATIONAL),
        "multiple": col(OPERATIONAL),
        "contract": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL),
        "frozenAt": col(OPERATIONAL),
        "changedAt": col(OPERATIONAL),
        "difference": col(FINANCIAL, help=DIFFERENCE),
    },
    computed={
        "tiers": batch(
            lambda rows, _: [tiers_written(row["tiers"]) for row in rows],
            FINANCIAL,
            needs=("tiers",),
            returns="JSON",
            help="From how many packs pooled over all practices the pack costs what.",
        ),
    },
    links={
        "round": one("PurchasingRound", "round_id"),
        "offer": one("Offer", "offer_id"),
        "supplier": one("Supplier", "supplier_id"),
        "item": one("Item", "item_id"),
    },
    filters={"supplier": EQ, "item": EQ},
)

round_supplier = stored(
    "RoundSupplier",
    table=tables.RoundSupplier,
    access=Access.CATALOGUE,
    help="A supplier's terms as the round keeps them since it was locked.",
    fields={
        "minOrder": col(FINANCIAL),
        "shippingFee": col(FINANCIAL),
        "freeShippingFrom": col(FINANCIAL),
        "relatedParty": col(OPERATIONAL),
        "frozenAt": col(OPERATIONAL),
        "changedAt": col(OPERATIONAL),
        "difference": col(FINANCIAL, help=DIFFERENCE),
    },
    links={
        "round": one("PurchasingRound", "round_id"),
        "supplier": one("Supplier", "supplier_id"),
    },
)

approved_equivalent = stored(
    "ApprovedEquivalent",
    table=tables.ApprovedEquivalent,
    root="approvedEquivalents",
    help="An item a practice takes in place of another, unit for unit.",
    fields={
        "why": col(OPERATIONAL),
        "approvedBy": col(OPERATIONAL),
        "approvedAt": col(OPERATIONAL),
        "withdrawnBy": col(OPERATIONAL),
        "withdrawnAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "item": one("Item", "item_id"),
        "equivalent": one("Item", "equivalent_id"),
    },
    filters={"practice": EQ, "item": EQ},
)
