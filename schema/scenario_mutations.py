"""The mutation that asks what if."""

from __future__ import annotations

from decimal import Decimal

from hub.domain.purchasing.instance import Tier
from hub.domain.purchasing.scenarios import Changes, OfferTiers
from hub.errors import Rejected
from hub.services import scenarios
from schema.calls import NO_JOB, at_most, caller, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _add(call: Call) -> Payload:
    given = call.input
    changes = Changes(
        drop_vendors=tuple(row_id(each, "Supplier") for each in given.get("dropSuppliers") or ()),
        max_vendors=given.get("maxSuppliers"),
        max_vendors_per_practice=given.get("maxSuppliersPerPractice"),
        offer_tiers=tuple(
            OfferTiers(
                row_id(each["supplierId"], "Supplier"),
                row_id(each["itemId"], "Item"),
                tuple(Tier(t["fromPacks"], _cents(t["price"])) for t in each["tiers"]),
                row_id(each["offerId"], "Offer") if each.get("offerId") else "",
            )
            for each in at_most(given.get("offerTiers") or (), "offerTiers")
        ),
        demand_percent=tuple(
            (each["category"], each["percent"])
            for each in at_most(given.get("demandPercent") or (), "demandPercent")
        ),
    )
    scenario_id, job_id = scenarios.add_scenario(
        call.session,
        round_id=round_of(call),
        name=given["name"],
        changes=changes,
        by=caller(call),
        now=call.now,
    )
    return {"scenario": scenario_id, "job": str(job_id)}


def _stop(call: Call) -> Payload:
    scenario_id = row_id(call.input["scenarioId"], "PurchasingScenario")
    job_id = scenarios.ask_to_stop(call.session, scenario_id=scenario_id, now=call.now)
    return {"scenario": scenario_id, "job": str(job_id or NO_JOB)}


def _cents(price: Decimal) -> int:
    cents = price * 100
    if not 0 <= cents <= 10**12 or cents != cents.to_integral_value():
        raise Rejected("A price has at most two decimals.", path="offerTiers")
    return int(cents)


INPUTS = {
    "ScenarioOfferInput": {
        "supplierId": "ID",
        "itemId": "ID",
        "tiers": "list[BidTierInput]",
        "offerId": "ID | None",
    },
    "ScenarioDemandInput": {"category": "str", "percent": "int"},
}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "addPurchasingScenario",
        {
            "roundId": "ID",
            "name": "str",
            "dropSuppliers": "list[ID] | None",
            "maxSuppliers": "int | None",
            "maxSuppliersPerPractice": "int | None",
            "offerTiers": "list[ScenarioOfferInput] | None",
            "demandPercent": "list[ScenarioDemandInput] | None",
        },
        {"scenario": "PurchasingScenario", "job": "Job"},
        _add,
        mso_only=True,
        help="Solve a what-if over the locked demand of a round: without suppliers, with fewer of "
        "them, at other tiers, or with a category's demand put off (0 percent) or brought forward "
        "(200). The same name again replaces it.",
    ),
    Mutation(
        "stopPurchasingScenario",
        {"scenarioId": "ID"},
        {"scenario": "PurchasingScenario", "job": "Job"},
        _stop,
        mso_only=True,
        help="Stop the solve of a scenario within seconds; the same name again begins from its "
        "best plan so far.",
    ),
)
