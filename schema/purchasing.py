"""Requisitions, purchasing rounds, shares and purchase orders."""

from __future__ import annotations

from hub.domain.agreements import DataClass, Domain
from hub.storage import tables
from hub.storage.reads.parts import Access, SmallGroup
from schema.mapping.declare import EQ, PREFIX, RANGE, col, live, many, one, stored
from schema.round_terms import rules_field
from schema.sourced import source

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

purchasing_round = stored(
    "PurchasingRound",
    table=tables.PurchasingRound,
    access=Access.CATALOGUE,
    small_group=SmallGroup(tables.PurchasingShare, "round_id", "standalone_cost", Domain.SUPPLY),
    root="purchasingRounds",
    order="-openedAt",
    help="A round of group purchasing. Figures across practices are shown only where at least five "
    "contribute and none of them makes up more than a quarter, not of a later plan if the "
    "difference tells of too few, or to the MSO where the agreements of all that contribute cover "
    "SUPPLY.",
    fields={
        "name": col(OPERATIONAL),
        "status": col(OPERATIONAL),
        "allocationRule": col(
            OPERATIONAL,
            help="How what pooling brings is shared, fixed before bids open: "
            "pooled_savings_by_standalone_cost, pooled_savings_by_volume or sampled_shapley_value; "
            "nobody pays more than alone under any of them.",
        ),
        "openedAt": col(OPERATIONAL),
        "lockedAt": col(OPERATIONAL),
        "solvedAt": col(OPERATIONAL),
        "planVersion": col(
            OPERATIONAL, help="Counts the plans of the round; an approval names the one it is for."
        ),
        "approvedAt": col(OPERATIONAL),
        "requisitionsUntil": col(OPERATIONAL, help="Until when practices state their demand."),
        "categories": col(OPERATIONAL, help="What the round buys; empty: everything."),
        "planDigest": col(OPERATIONAL, help="SHA-256 of that plan; an approval may name it."),
        "currency": col(FINANCIAL),
        "standaloneCost": col(
            FINANCIAL, suppressed=True, help="If every practice bought on its own."
        ),
        "greedyCost": col(FINANCIAL, suppressed=True, help="Pooled, cheapest offer first."),
        "pooledCost": col(FINANCIAL, suppressed=True, help="The plan."),
        "lowerBound": col(FINANCIAL, suppressed=True, help="No plan costs less."),
        "gap": col(FINANCIAL, suppressed=True, help="Between plan and bound, 0 to 1."),
        "solverStatus": col(OPERATIONAL),
        "explanation": col(FINANCIAL, suppressed=True),
    },
    links={
        "requisitions": many("Requisition", "round_id"),
        "shares": many("PurchasingShare", "round_id"),
        "orders": many("PurchaseOrder", "round_id"),
        "steps": many("PurchasingStep", "round_id", order="number"),
        "plans": many("PurchasingPlan", "round_id", order="version"),
        "decisions": many("PurchasingDecision", "round_id", order="decidedAt"),
        "participations": many("PurchasingParticipation", "round_id"),
        "exclusions": many("PurchasingExclusion", "round_id"),
        "invitations": many("BidInvitation", "round_id"),
        "scenarios": many("PurchasingScenario", "round_id", order="name"),
        "savings": many("Saving", "round_id"),
        "roundSavings": many("RoundSaving", "round_id"),
        "offers": many("RoundOffer", "round_id"),
        "suppliers": many("RoundSupplier", "round_id"),
    },
    computed={"rules": rules_field},
    filters={"name": PREFIX, "status": EQ, "openedAt": RANGE},
    orders={"openedAt": ("opened_at",)},
)

requisition = stored(
    "Requisition",
    table=tables.Requisition,
    root="requisitions",
    order="-submittedAt",
    help="What a practice wants from a round.",
    fields={
        "status": col(OPERATIONAL),
        "submittedAt": col(OPERATIONAL),
        "submittedBy": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
        "lines": many("RequisitionLine", "requisition_id"),
        "entries": many("RequisitionEntry", "requisition_id", order="number"),
    },
    filters={"practice": EQ, "round": EQ, "status": EQ},
    orders={"submittedAt": ("submitted_at",)},
)

requisition_line = stored(
    "RequisitionLine",
    table=tables.RequisitionLine,
    node=False,
    help="Demand in base units of the item.",
    fields={"units": col(OPERATIONAL)},
    links={"item": one("Item", "item_id")},
    measures=("units",),
)

purchasing_share = stored(
    "PurchasingShare",
    table=tables.PurchasingShare,
    help="What a practice would have paid alone, pays now, and whether it approved its lines.",
    fields={
        "standaloneCost": col(FINANCIAL),
        "pays": col(FINANCIAL),
        "saving": col(FINANCIAL),
        "approvedAt": col(OPERATIONAL),
        "approvedBy": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
    },
    measures=("standaloneCost", "pays", "saving"),
)

purchase_order = stored(
    "PurchaseOrder",
    table=tables.PurchaseOrder,
    root="purchaseOrders",
    order="-createdAt",
    help="One order to one supplier for one ship-to.",
    fields={
        "number": col(OPERATIONAL),
        "status": col(OPERATIONAL, help="Follows from the documents about its lines."),
        "sendState": col(OPERATIONAL, help="pending, sending, sent or refused."),
        "vendorOrderId": col(OPERATIONAL),
        "orderedOn": col(OPERATIONAL),
        "currency": col(FINANCIAL),
        "goods": col(FINANCIAL),
        "shipping": col(FINANCIAL),
        "total": col(FINANCIAL),
        "invoiced": col(FINANCIAL, help="The total of its invoices."),
        "credited": col(FINANCIAL, help="The total of its credit notes."),
        "createdAt": col(OPERATIONAL),
        "sentAt": col(OPERATIONAL),
        "replan": col(
            OPERATIONAL, help="0 for an order of the plan, else it makes up for another."
        ),
        "cancelRequestedAt": col(
            OPERATIONAL,
            help="Since when the practice no longer wants an order that the supplier may hold; it "
            "is cancelled when the supplier's documents say so.",
        ),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
        "supplier": one("Supplier", "supplier_id"),
        "lines": many("PurchaseOrderLine", "order_id", order="number"),
        "documents": many("OrderDocument", "order_id"),
        "invoiceMatches": many("InvoiceMatch", "order_id"),
        "shortfalls": many("Shortfall", "order_id"),
        "savingLines": many("SavingLine", "order_id"),
    },
    computed={
        "vendorHoldsAs": live(
            "order.held_as",
            OPERATIONAL,
            needs=("practice_id", "id"),
            returns="str | None",
            help="Asked now: the number the supplier holds the order under; null if it holds none.",
        ),
    },
    filters={
        "practice": EQ,
        "round": EQ,
        "supplier": EQ,
        "number": EQ,
        "status": EQ,
        "createdAt": RANGE,
    },
    orders={"createdAt": ("created_at",)},
    measures=("goods", "shipping", "total"),
)

purchase_order_line = stored(
    "PurchaseOrderLine",
    table=tables.PurchaseOrderLine,
    order="number",
    help="A line and its quantities in packs, as the supplier's documents add up.",
    fields={
        "number": col(OPERATIONAL),
        "vendorPart": col(OPERATIONAL),
        "packs": col(OPERATIONAL),
        "units": col(OPERATIONAL),
        "price": col(FINANCIAL, help="Per pack."),
        "amount": col(FINANCIAL),
        "status": col(OPERATIONAL),
        "accepted": col(OPERATIONAL),
        "backordered": col(OPERATIONAL),
        "rejected": col(OPERATIONAL),
        "cancelled": col(OPERATIONAL),
        "shipped": col(OPERATIONAL),
        "received": col(OPERATIONAL),
        "invoiced": col(OPERATIONAL),
        "credited": col(OPERATIONAL, help="Packs that credit notes speak of."),
    },
    links={
        "order": one("PurchaseOrder", "order_id"),
        "item": one("Item", "item_id"),
        "offer": one("Offer", "offer_id"),
    },
    orders={"number": ("number",)},
    measures=("packs", "units", "amount", "received", "invoiced"),
)

order_document = stored(
    "OrderDocument",
    table=tables.OrderDocument,
    help="A document about an order: acknowledgment, shipment, receipt, invoice or credit note.",
    facets=source(OPERATIONAL, identifier=False, external_id="document", received_at="recorded_at"),
    fields={
        "kind": col(OPERATIONAL),
        "document": col(OPERATIONAL, help="The supplier's own number."),
        "total": col(FINANCIAL),
        "recordedAt": col(OPERATIONAL),
    },
    links={"order": one("PurchaseOrder", "order_id")},
)
