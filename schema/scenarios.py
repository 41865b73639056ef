"""Scenarios of a round side by side, for the MSO."""

from __future__ import annotations

from hub.domain.agreements import DataClass, Domain
from hub.storage import tables
from hub.storage.reads.parts import Access, SmallGroup
from schema.mapping.declare import EQ, col, enum, many, one, stored

OPERATIONAL, FINANCIAL = DataClass.OPERATIONAL, DataClass.FINANCIAL

purchasing_scenario = stored(
    "PurchasingScenario",
    table=tables.PurchasingScenario,
    access=Access.MSO,
    small_group=SmallGroup(tables.ScenarioShare, "scenario_id", "standalone_cost", Domain.SUPPLY),
    root="purchasingScenarios",
    order="name",
    help="A what-if over the locked demand of a round; compared with its plan, never ordered.",
    fields={
        "name": col(OPERATIONAL),
        "summary": col(OPERATIONAL, help="What it changes, in words."),
        "state": enum(
            OPERATIONAL, "PurchasingScenarioState", ("waiting", "solved", "infeasible", "failed")
        ),
        "planVersion": col(OPERATIONAL, help="The version of the plan it is compared with."),
        "solverStatus": col(OPERATIONAL),
        "explanation": col(FINANCIAL, suppressed=True),
        "standaloneCost": col(FINANCIAL, suppressed=True),
        "baseCost": col(FINANCIAL, suppressed=True, help="Of the plan it is compared with."),
        "pooledCost": col(FINANCIAL, suppressed=True),
        "difference": col(FINANCIAL, suppressed=True, help="To the plan; negative is cheaper."),
        "lowerBound": col(FINANCIAL, suppressed=True),
        "gap": col(FINANCIAL, suppressed=True),
        "suppliers": col(OPERATIONAL),
        "orders": col(OPERATIONAL),
        "createdBy": col(OPERATIONAL),
        "createdAt": col(OPERATIONAL),
        "solvedAt": col(OPERATIONAL),
    },
    links={
        "round": one("PurchasingRound", "round_id"),
        "shares": many("ScenarioShare", "scenario_id"),
    },
    filters={"round": EQ, "state": EQ},
    orders={"name": ("name",)},
)

scenario_share = stored(
    "ScenarioShare",
    table=tables.ScenarioShare,
    help="What a practice would pay under a scenario.",
    fields={
        "standaloneCost": col(FINANCIAL),
        "pays": col(FINANCIAL),
        "saving": col(FINANCIAL),
    },
    links={"practice": one("Practice", "practice_id")},
)
