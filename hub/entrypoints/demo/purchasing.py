"""The purchasing round of the demonstration, driven by the apps' own mutations."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.sdk.simulated_vendor.catalogue import SUPPLIES
from hub.entrypoints.demo.access import practice_app
from hub.entrypoints.demo.client import DemoFailed, GraphQLClient
from hub.entrypoints.demo.world import DemoPractice, World

LINES_PER_PRACTICE = 24
ORDERED = frozenset({"ordered", "receiving", "closed"})
"""Where a round is once its orders are released."""
_ROUND = "id name status planVersion standaloneCost pooledCost lowerBound gap explanation"


def find_round(mso: GraphQLClient, world: World) -> dict[str, Any] | None:
    """The round of this world's day, if it was opened before."""
    rounds = mso.all("purchasingRounds", _ROUND)
    return next((row for row in rounds if row["name"] == world.round_name), None)


def open_round(mso: GraphQLClient, world: World) -> dict[str, Any]:
    """Open the round, or find the one an earlier run opened."""
    found = find_round(mso, world)
    if found is None:
        mso.mutate("openPurchasingRound", "round { id }", {"name": world.round_name})
        found = find_round(mso, world)
    if found is None:
        raise DemoFailed("The purchasing round could not be opened.")
    return found


def submit_requisitions(
    apps: Mapping[str, GraphQLClient], mso: GraphQLClient, world: World, round_id: str
) -> int:
    """Each practice's app states its month's demand; returns the number of lines."""
    items = {item["gtin"]: item["id"] for item in mso.all("items", "id gtin")}
    lines = 0
    for practice in world.practices:
        demand = demand_of(practice, world.seed, list(items))
        accepted = apps[practice_app(practice.name)].mutate(
            "submitRequisition",
            "requisition { id }",
            {
                "roundId": round_id,
                "lines": [{"itemId": items[gtin], "units": units} for gtin, units in demand],
            },
        )
        if accepted is None:
            raise DemoFailed(f"The requisition of {practice.name} was refused.")
        lines += len(demand)
    return lines


def demand_of(practice: DemoPractice, seed: int, sold: Sequence[str]) -> list[tuple[str, int]]:
    """(GTIN, base units) a practice needs: part of the catalogue, around its monthly usage."""
    chance = random.Random(f"{seed}:{practice.id}")  # noqa: S311 - synthetic demand
    known = [supply for supply in SUPPLIES if supply.gtin in set(sold)]
    chosen = chance.sample(known, min(LINES_PER_PRACTICE, len(known)))
    return [
        (supply.gtin, max(1, round(supply.monthly_units * chance.uniform(0.5, 1.6))))
        for supply in chosen
    ]


def invite_bids(mso: GraphQLClient, round_id: str, deadline: datetime) -> None:
    """Ask every supplier for a bid on the locked round, unless that was done before."""
    if not invitations(mso, round_id):
        suppliers = [row["id"] for row in mso.all("suppliers", "id")]
        given = {"roundId": round_id, "supplierIds": suppliers, "deadline": deadline.isoformat()}
        if mso.mutate("inviteBids", "invitedCount", given) is None:
            raise DemoFailed("The invitations to bid were refused.")


def invitations(mso: GraphQLClient, round_id: str) -> list[dict[str, Any]]:
    """Who was asked for a bid, and whether one came."""
    data = mso.query(
        "query($id: ID!) { node(id: $id) { ... on PurchasingRound { invitations(first: 100) { "
        "nodes { id state supplier { name } } } } } }",
        id=round_id,
    )
    found: list[dict[str, Any]] = data["node"]["invitations"]["nodes"]
    return found


def approve(
    apps: Mapping[str, GraphQLClient], mso: GraphQLClient, world: World, plan: dict[str, Any]
) -> None:
    """Approve `plan`, the solved round: the MSO where agreements delegate it, every other practice
    its own lines."""
    deciders = [mso] if any(p.delegates_approval for p in world.practices) else []
    deciders += [apps[practice_app(p.name)] for p in world.practices if not p.delegates_approval]
    given = {"roundId": plan["id"], "planVersion": plan["planVersion"]}
    for decider in deciders:
        if decider.mutate("approvePurchasingRound", "approvedCount", given) is None:
            raise DemoFailed("An approval was refused.")
