"""Matched invoices with their findings, and what suppliers do not deliver."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from schema.mapping.declare import EQ, col, enum, many, one, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

invoice_match = stored(
    "InvoiceMatch",
    table=tables.InvoiceMatch,
    root="invoiceMatches",
    help="The three-way match of an invoice with order and receipts, derived from all documents.",
    fields={
        "document": col(OPERATIONAL, help="The invoice's number."),
        "state": enum(
            OPERATIONAL,
            "InvoiceMatchState",
            ("waiting", "matched", "exception", "settled"),
            help="WAITING: not everything is received. SETTLED: credit notes make up for it.",
        ),
        "total": col(FINANCIAL),
        "credited": col(FINANCIAL, help="By credit notes that name the invoice."),
        "atStake": col(FINANCIAL, help="Too much if it were paid as it is, before credits."),
        "decision": enum(OPERATIONAL, "InvoiceMatchDecision", ("none", "accepted", "disputed")),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
        "why": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "order": one("PurchaseOrder", "order_id"),
        "findings": many("MatchFinding", "match_id", order="position"),
    },
    filters={"practice": EQ, "order": EQ, "state": EQ, "decision": EQ},
    measures=("total", "credited", "atStake"),
)

match_finding = stored(
    "MatchFinding",
    table=tables.MatchFinding,
    node=False,
    order="position",
    help="One difference, in words.",
    fields={
        "position": col(OPERATIONAL),
        "code": col(OPERATIONAL),
        "line": col(OPERATIONAL, help="0 is the whole invoice."),
        "atStake": col(FINANCIAL),
        "sentence": col(FINANCIAL),
    },
    orders={"position": ("position",)},
)

shortfall = stored(
    "Shortfall",
    table=tables.Shortfall,
    root="shortfalls",
    help="Packs a supplier does not deliver or would replace, and what became of them.",
    fields={
        "line": col(OPERATIONAL),
        "packs": col(OPERATIONAL),
        "units": col(OPERATIONAL),
        "reason": enum(
            OPERATIONAL, "ShortfallReason", ("rejected", "cancelled", "substituted", "backordered")
        ),
        "state": enum(
            OPERATIONAL,
            "ShortfallState",
            ("open", "proposed", "ordered", "returned", "accepted"),
            help="PROPOSED: another supplier costs more, and the practice decides.",
        ),
        "plannedCost": col(FINANCIAL),
        "newCost": col(FINANCIAL, help="With shipping."),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
        "why": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "order": one("PurchaseOrder", "order_id"),
        "newOrder": one("PurchaseOrder", "new_order_id"),
        "item": one("Item", "item_id"),
        "round": one("PurchasingRound", "round_id", help="To which the units were returned."),
    },
    filters={"practice": EQ, "order": EQ, "state": EQ},
    measures=("packs", "units", "plannedCost", "newCost"),
)
