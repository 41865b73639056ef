"""Savings, prices paid, benchmarks, and what suppliers pay on members' purchases."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, RANGE, col, enum, one, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL
NET = "Goods, net of credit notes."

saving = stored(
    "Saving",
    table=tables.Saving,
    root="savings",
    help="What a practice saves in a round with a supplier in a category: planned against the "
    "baseline, and realised by invoices. Goods only; `RoundSaving` counts freight and rebates.",
    fields={
        "category": col(OPERATIONAL),
        "baseline": col(FINANCIAL, help="What was ordered at the practice's own earlier price."),
        "planned": col(FINANCIAL),
        "plannedSaving": col(FINANCIAL),
        "invoicedBaseline": col(FINANCIAL, help="What was invoiced, at the baseline."),
        "invoiced": col(FINANCIAL, help=NET),
        "realisedSaving": col(FINANCIAL),
        "reportedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
        "supplier": one("Supplier", "supplier_id"),
    },
    filters={"practice": EQ, "round": EQ, "supplier": EQ, "category": EQ},
    measures=(
        "baseline",
        "planned",
        "plannedSaving",
        "invoicedBaseline",
        "invoiced",
        "realisedSaving",
    ),
)

round_saving = stored(
    "RoundSaving",
    table=tables.RoundSaving,
    root="roundSavings",
    help="What a practice saves in a round with freight and rebates counted. The baseline has no "
    "freight, so that freight counts fully against the saving.",
    fields={
        "baseline": col(FINANCIAL, help="The goods at the practice's own earlier price."),
        "goods": col(FINANCIAL, help="As ordered."),
        "freight": col(FINANCIAL, help="As ordered."),
        "returned": col(FINANCIAL, help="What pooling gives back by the round's sharing rule."),
        "planned": col(FINANCIAL, help="Goods and freight less what is returned."),
        "plannedSaving": col(FINANCIAL),
        "invoicedBaseline": col(FINANCIAL, help="What was invoiced, at the baseline."),
        "invoiced": col(FINANCIAL, help=NET),
        "invoicedFreight": col(FINANCIAL, help="And other charges; tax is left out."),
        "rebates": col(
            FINANCIAL, help="Accrued on invoiced goods at the rate the ordered plan reaches."
        ),
        "realisedSaving": col(FINANCIAL),
        "reportedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
    },
    filters={"practice": EQ, "round": EQ},
)

saving_line = stored(
    "SavingLine",
    table=tables.SavingLine,
    help="The baseline of an ordered line, fixed when its order left.",
    fields={
        "line": col(OPERATIONAL),
        "category": col(OPERATIONAL),
        "basis": enum(
            OPERATIONAL,
            "SavingBasis",
            ("own_price", "list_price", "none"),
            help="OWN_PRICE: the practice's last within twelve months; else the cheapest first "
            "price on offer.",
        ),
        "baselineUnit": col(FINANCIAL, help="Per base unit."),
        "baseline": col(FINANCIAL),
        "planned": col(FINANCIAL),
        "invoicedBaseline": col(FINANCIAL),
        "invoiced": col(FINANCIAL, help=NET),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "order": one("PurchaseOrder", "order_id"),
        "item": one("Item", "item_id"),
    },
)

price_point = stored(
    "PricePoint",
    table=tables.PricePoint,
    root="pricePoints",
    order="-paidOn",
    help="What a practice paid for an item on one invoice.",
    fields={
        "document": col(OPERATIONAL, help="The invoice."),
        "paidOn": col(OPERATIONAL),
        "units": col(OPERATIONAL, help="Base units."),
        "amount": col(FINANCIAL),
        "unitPrice": col(FINANCIAL, help="Per base unit."),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "item": one("Item", "item_id"),
        "supplier": one("Supplier", "supplier_id"),
        "order": one("PurchaseOrder", "order_id"),
    },
    filters={"practice": EQ, "item": EQ, "supplier": EQ, "paidOn": RANGE},
    orders={"paidOn": ("paid_on",)},
    measures=("units", "amount"),
)

price_benchmark = stored(
    "PriceBenchmark",
    table=tables.PriceBenchmark,
    access=Access.CATALOGUE,
    root="priceBenchmarks",
    order="-startsOn",
    help="Prices of an item in a quarter across practices. There is one only where at least five "
    "bought, none made up more than a quarter, and the quarter ended 90 days ago.",
    fields={
        "startsOn": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL, help="The first day after it."),
        "averagePrice": col(FINANCIAL, help="Per base unit, over all units."),
        "middlePrice": col(FINANCIAL, help="The median of the practices' own."),
        "publishedAt": col(OPERATIONAL),
    },
    links={"item": one("Item", "item_id")},
    filters={"item": EQ, "startsOn": RANGE},
    orders={"startsOn": ("starts_on",)},
)

fee_agreement = stored(
    "FeeAgreement",
    table=tables.FeeAgreement,
    access=Access.CATALOGUE,
    root="feeAgreements",
    help="What a supplier pays the MSO as administrative fee at most; without a maximum, 3 percent "
    "or less (42 CFR 1001.952(j)).",
    fields={
        "writtenOn": col(OPERATIONAL),
        "startsOn": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL),
        "maximumRate": col(FINANCIAL, help="Of purchases, 0 to 1."),
        "maximumAmount": col(FINANCIAL, help="A year."),
        "recordedBy": col(OPERATIONAL),
        "recordedAt": col(OPERATIONAL),
    },
    links={"supplier": one("Supplier", "supplier_id")},
)

supplier_payment = stored(
    "SupplierPayment",
    table=tables.SupplierPayment,
    access=Access.MSO,
    root="supplierPayments",
    order="-receivedOn",
    help="A fee or a rebate that a supplier paid the MSO.",
    fields={
        "kind": enum(OPERATIONAL, "SupplierPaymentKind", ("fee", "rebate")),
        "reference": col(OPERATIONAL),
        "receivedOn": col(OPERATIONAL),
        "amount": col(FINANCIAL),
        "recordedBy": col(OPERATIONAL),
        "recordedAt": col(OPERATIONAL),
    },
    links={"supplier": one("Supplier", "supplier_id")},
    filters={"receivedOn": RANGE},
    orders={"receivedOn": ("received_on",)},
    measures=("amount",),
)

member_statement = stored(
    "MemberStatement",
    table=tables.MemberStatement,
    root="memberStatements",
    order="-year",
    help="The yearly statement to a member about one supplier (42 CFR 1001.952(h) and (j)).",
    fields={
        "year": col(OPERATIONAL),
        "purchases": col(FINANCIAL, help="Goods invoiced to the member."),
        "fees": col(FINANCIAL, help="Received by the MSO on these purchases."),
        "discounts": col(FINANCIAL, help="Below the first price of the offers ordered."),
        "rebates": col(FINANCIAL, help="The member's part of rebates the supplier paid."),
        "remark": col(OPERATIONAL),
        "issuedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "supplier": one("Supplier", "supplier_id"),
    },
    filters={"practice": EQ, "supplier": EQ, "year": EQ},
    orders={"year": ("year",)},
    measures=("purchases", "fees", "discounts", "rebates"),
)
