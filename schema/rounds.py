"""The history of purchasing rounds: steps, versions of the plan, participation and decisions."""

from __future__ import annotations

from hub.domain.agreements import DataClass, Domain
from hub.storage import tables
from hub.storage.reads.parts import Access, SmallGroup
from schema.mapping.declare import col, enum, many, one, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

purchasing_step = stored(
    "PurchasingStep",
    table=tables.PurchasingStep,
    access=Access.CATALOGUE,
    order="number",
    help="One step of a round, kept for good. Which practice took one is not shown to others.",
    fields={
        "number": col(OPERATIONAL),
        "step": col(OPERATIONAL),
        "fromStatus": col(OPERATIONAL),
        "toStatus": col(OPERATIONAL),
        "planVersion": col(OPERATIONAL, help="The version of the plan at that time."),
        "takenBy": col(OPERATIONAL),
        "why": col(OPERATIONAL),
        "takenAt": col(OPERATIONAL),
    },
    orders={"number": ("number",)},
)

purchasing_plan = stored(
    "PurchasingPlan",
    table=tables.PurchasingPlan,
    access=Access.CATALOGUE,
    small_group=SmallGroup(tables.PlanShare, "plan_id", "standalone_cost", Domain.SUPPLY),
    order="version",
    help="One version of a round's plan, kept whatever became of it.",
    fields={
        "version": col(OPERATIONAL),
        "digest": col(OPERATIONAL, help="SHA-256; approvals name it."),
        "demandDigest": col(OPERATIONAL, help="Of the demand, offers and rules it solves."),
        "solverStatus": col(OPERATIONAL),
        "standaloneCost": col(FINANCIAL, suppressed=True),
        "greedyCost": col(FINANCIAL, suppressed=True),
        "pooledCost": col(FINANCIAL, suppressed=True),
        "lowerBound": col(FINANCIAL, suppressed=True),
        "gap": col(FINANCIAL, suppressed=True),
        "coalitions": col(
            FINANCIAL, suppressed=True, help="Groups of practices sampled for the check below."
        ),
        "betterAlone": col(
            FINANCIAL, suppressed=True, help="Of them, those that would pay less without the rest."
        ),
        "explanation": col(FINANCIAL, suppressed=True),
        "createdAt": col(OPERATIONAL),
    },
    links={
        "round": one("PurchasingRound", "round_id"),
        "shares": many("PlanShare", "plan_id"),
        "awards": many("PlanAward", "plan_id"),
    },
    orders={"version": ("version",)},
)

plan_share = stored(
    "PlanShare",
    table=tables.PlanShare,
    help="What a practice pays under one version of a plan.",
    fields={
        "standaloneCost": col(FINANCIAL),
        "pays": col(FINANCIAL),
        "saving": col(FINANCIAL),
    },
    links={"practice": one("Practice", "practice_id"), "plan": one("PurchasingPlan", "plan_id")},
)

plan_award = stored(
    "PlanAward",
    table=tables.PlanAward,
    help="A practice's line under one version of a plan, or a part of it where the round lets "
    "lines be split; `item` is what it asked for.",
    fields={
        "packs": col(OPERATIONAL),
        "units": col(OPERATIONAL),
        "price": col(FINANCIAL, help="Per pack."),
        "amount": col(FINANCIAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "item": one("Item", "item_id"),
        "supplier": one("Supplier", "supplier_id"),
        "offer": one("Offer", "offer_id"),
    },
    measures=("packs", "units", "amount"),
)

purchasing_participation = stored(
    "PurchasingParticipation",
    table=tables.PurchasingParticipation,
    help="A practice's word on a whole round; without one it takes part.",
    fields={
        "takesPart": col(OPERATIONAL),
        "why": col(OPERATIONAL),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "round": one("PurchasingRound", "round_id")},
)

purchasing_exclusion = stored(
    "PurchasingExclusion",
    table=tables.PurchasingExclusion,
    help="An item, a supplier, or one item from one supplier, that a practice keeps out of its "
    "part of a round.",
    fields={
        "why": col(OPERATIONAL),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "round": one("PurchasingRound", "round_id"),
        "item": one("Item", "item_id"),
        "supplier": one("Supplier", "supplier_id"),
    },
)

purchasing_decision = stored(
    "PurchasingDecision",
    table=tables.PurchasingDecision,
    order="decidedAt",
    help="A practice's decision on one version of a plan; never changed, only followed by others.",
    fields={
        "planVersion": col(OPERATIONAL),
        "planDigest": col(OPERATIONAL),
        "decision": enum(
            OPERATIONAL,
            "PurchasingDecisionWord",
            ("approved", "rejected", "carried_over"),
            help="CARRIED_OVER: approved before, and the new version gives the same lines for no "
            "more money.",
        ),
        "why": col(OPERATIONAL),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "round": one("PurchasingRound", "round_id")},
    orders={"decidedAt": ("decided_at",)},
)
