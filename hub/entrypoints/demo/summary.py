"""The summary of the demonstration, read through GraphQL with the apps' credentials."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.ehr_hl7v2.simulator import Sent
from hub.entrypoints.demo.access import practice_app
from hub.entrypoints.demo.client import GraphQLClient
from hub.entrypoints.demo.purchasing import find_round, invitations
from hub.entrypoints.demo.world import World

CLINICAL = ("patients", "appointments", "encounters", "observations", "charges", "coverages")
PAYROLL = ("workers", "payPeriods", "payrollRuns")


def summarize(
    mso: GraphQLClient, apps: Mapping[str, GraphQLClient], world: World, sent: Sequence[Sent]
) -> dict[str, Any]:
    """Everything but the seconds; figures are strings of exact decimals."""
    summary: dict[str, Any] = {
        "practices": mso.count("practices"),
        "messages": messages(mso, world, sent),
        "records": {root: mso.count(root) for root in CLINICAL},
        "eligibility": eligibility(mso),
        "payroll": payroll(mso),
        "purchasing": purchasing(mso, world),
        "access": access(mso, apps, world),
    }
    clients = (mso, *apps.values())
    summary["graphql"] = {
        "queries": sum(client.queries for client in clients),
        "errors": sum(len(client.errors) for client in clients),
    }
    return summary


def messages(mso: GraphQLClient, world: World, sent: Sequence[Sent]) -> dict[str, int]:
    """What the EHRs sent since this world began and what became of it; the data may be older."""
    ours = f'kind: {{eq: "hl7v2"}}, receivedAt: {{gte: "{world.started_at.isoformat()}"}}'
    states = {
        state: mso.count("inboundMessages", f"{ours}, state: {{eq: {state}}}")
        for state in ("PROCESSED", "QUARANTINED", "REFUSED", "RECEIVED")
    }
    repeated = mso.all("inboundMessages", "duplicates", ours)
    return {
        "sent": len(sent),
        "acknowledged": sum(item.outcome.code == "AA" for item in sent),
        "processed": states["PROCESSED"],
        "duplicates": sum(message["duplicates"] for message in repeated),
        "quarantined": states["QUARANTINED"],
        "refused": states["REFUSED"],
        "waiting": states["RECEIVED"],
    }


def eligibility(mso: GraphQLClient) -> dict[str, int]:
    """Checks by outcome; `payer_down` has none yet and is asked again."""
    found: Counter[str] = Counter()
    for check in mso.all("eligibilityChecks", "status outcome rejectCode"):
        waiting = check["status"].lower() == "waiting_payer"
        found["payer_down" if waiting else (check["outcome"] or check["status"]).lower()] += 1
    return dict(sorted(found.items()))


def payroll(mso: GraphQLClient) -> dict[str, Any]:
    """Counts and exact totals of what was synchronised."""
    runs = list(mso.all("payrollRuns", "gross net status"))
    return {
        "workers": mso.count("workers"),
        "pay_periods": mso.count("payPeriods"),
        "payroll_runs": len(runs),
        "pay_statements": mso.count("payStatements"),
        "gross": str(sum((Decimal(run["gross"]) for run in runs), Decimal(0))),
        "net": str(sum((Decimal(run["net"]) for run in runs), Decimal(0))),
    }


def purchasing(mso: GraphQLClient, world: World) -> dict[str, Any]:
    """The round's proof and its orders."""
    row = find_round(mso, world)
    if row is None:
        return {"orders": 0, "invoiced": 0}
    orders = list(
        mso.all(
            "purchaseOrders", "number status total credited supplier { name }", _of_round(row["id"])
        )
    )
    saving = None
    if row["standaloneCost"] and row["pooledCost"]:
        saving = str(Decimal(row["standaloneCost"]) - Decimal(row["pooledCost"]))
    return {
        "round": row["name"],
        "status": row["status"].lower(),
        "standalone_cost": row["standaloneCost"],
        "pooled_cost": row["pooledCost"],
        "lower_bound": row["lowerBound"],
        "gap": None if row["gap"] is None else float(row["gap"]),
        "saving": saving,
        "bids": dict(Counter(one["state"].lower() for one in invitations(mso, row["id"]))),
        "orders": len(orders),
        "invoiced": sum(order["status"].lower() == "invoiced" for order in orders),
        "credited": str(sum(Decimal(order["credited"] or 0) for order in orders)),
        "orders_by_status": dict(Counter(order["status"].lower() for order in orders)),
        "shares": shares(mso, row["id"]),
    }


def shares(mso: GraphQLClient, round_id: str) -> list[dict[str, Any]]:
    """What each practice would have paid alone and pays now."""
    data = mso.query(
        "query($id: ID!) { node(id: $id) { ... on PurchasingRound { shares(first: 100) { nodes { "
        "standaloneCost pays saving practice { name } } } } } }",
        id=round_id,
    )
    return [
        {
            "practice": share["practice"]["name"],
            "alone": share["standaloneCost"],
            "pays": share["pays"],
            "saving": share["saving"],
        }
        for share in data["node"]["shares"]["nodes"]
    ]


def access(mso: GraphQLClient, apps: Mapping[str, GraphQLClient], world: World) -> dict[str, Any]:
    """Proof that an app sees its own practice only and foreign ids answer like missing ones.

    Foreign are the patients of another practice of the MSO, if there is one, and the patient of a
    practice outside of it, whom the MSO's app must not see either.
    """
    app = apps[practice_app(world.practices[0].name)]
    outside = [_global_id("Patient", world.outsiders_patient)]
    foreign = list(outside)
    for other in world.practices[1:][-1:]:
        foreign += [row["id"] for row in apps[practice_app(other.name)].all("patients", "id")]
    missing = [_global_id("Patient", str(uuid.uuid4())) for _ in foreign]
    return {
        "own_practices_seen": app.count("practices"),
        "own_patients_seen": app.count("patients"),
        "foreign_ids_asked": len(foreign),
        "foreign_answers_like_missing": _answer_alike(app, foreign, missing)
        and _answer_alike(mso, outside, missing),
        "audit_events": mso.count("auditEvents"),
    }


def _answer_alike(app: GraphQLClient, foreign: Sequence[str], missing: Sequence[str]) -> bool:
    """True if `app` gets one and the same answer for every one of these ids."""
    document = "query($id: ID!) { node(id: $id) { id } }"
    return len({_said(app.post(document, id=node_id)) for node_id in (*foreign, *missing)}) == 1


def _said(answer: dict[str, Any]) -> str:
    """An answer without its extensions, where the cost bucket fills with time."""
    return str({key: value for key, value in answer.items() if key != "extensions"})


def _of_round(round_id: str) -> str:
    return f'round: {{eq: "{round_id}"}}'


def _global_id(kind: str, row_id: str) -> str:
    return b64encode(f"{kind}:{row_id}".encode()).decode()
