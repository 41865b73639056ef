"""The how-to page on running a round, block by block, against a hub with simulated suppliers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, Purpose, unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.web import create_app
from hub.storage.reads.write import global_id as gid
from hub.storage.tables import Item, PurchaseOrder, PurchasingRound, Supplier
from jobs import purchasing as purchasing_jobs

ALL = unrestricted_scope("test")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-round.md"
BLOCKS = re.findall(r"```graphql (mso|practice)\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def stocked(office: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Catalogues read; solving stays in this process to be quick."""
    monkeypatch.setattr(
        purchasing_jobs,
        "run_telling",
        lambda job, call, argument, told, megabytes: call(argument, told),
    )
    for name in ("supply_rest", "supply_x12"):
        office.add(Job.SYNC_STREAMS, connection_id=office.connection(name))
    office.drain()
    return office


def key(office: Any, kind: PrincipalKind, practice: str | None) -> str:
    purposes = (Purpose.OPERATIONS, Purpose.PURCHASING)
    options = {"write": True, "approve": True, "purposes": purposes, "developer": True}
    made: tuple[str, str] = office.hub.database.transaction(
        ALL,
        lambda s: create_client(
            s, f"{kind} {practice}", kind, practice, now=office.clock(), **options
        ),
    )
    return made[1]


def test_a_round_is_run_by_hand_as_the_page_says(stocked: Any) -> None:
    practices = [practice.id for practice in stocked.world.practices]
    office_key = key(stocked, PrincipalKind.MSO_APP, None)
    keys = [key(stocked, PrincipalKind.PRACTICE_APP, practice) for practice in practices]
    gloves = sorted((i.name, i.id) for i in stocked.all(Item) if i.category == "gloves")
    known = dict(zip(("Item", "Other", "Third"), (i for _, i in gloves), strict=False))
    named = {name: gid("Item", row) for name, row in known.items()}
    sellers = sorted((row.name, row.id) for row in stocked.all(Supplier))
    named["Supplier"] = gid("Supplier", sellers[0][1])
    answers: dict[str, Any] = {}
    with TestClient(create_app(stocked.hub, connectors=[]), base_url="http://localhost") as http:

        def ask(text: str, credential: str) -> Any:
            for name, row in named.items():
                text = text.replace(f"<{name}>", row)
            headers = {"authorization": f"Bearer {credential}"}
            answer = http.post("/graphql", json={"query": text}, headers=headers).json()
            assert "errors" not in answer, (text, answer)
            return answer["data"]

        for who, text in BLOCKS:
            found = re.match(r"\w+ (\w+)", text)
            assert found is not None
            credentials = [office_key] if who == "mso" else keys
            for credential in credentials:
                answers[found[1]] = ask(text, credential)
            stocked.drain()
            for row in stocked.all(PurchasingRound):
                named["Round"] = gid("PurchasingRound", row.id)
            if found[1] == "Approve":
                keys = keys[-1:]  # one practice from here on, with an order of its own
                own = [o for o in stocked.all(PurchaseOrder) if o.practice_id == practices[-1]]
                named["Order"] = gid("PurchaseOrder", own[0].id)
    assert answers["Lock"]["lockPurchasingRound"]["round"]["offers"]["nodes"]
    plan = answers["Plan"]["node"]
    assert (plan["status"], plan["planVersion"]) == ("solved", 1)
    assert answers["Compare"]["node"]["scenarios"]["nodes"][0]["state"] in {"SOLVED", "INFEASIBLE"}
    assert answers["Approve"]["approvePurchasingRound"]["approvedCount"] == 1
    assert answers["Orders"]["purchaseOrders"]["nodes"][0]["sendState"] == "sent"
    assert answers["Count"]["recordReceipt"]["order"]["lines"]["nodes"][0]["received"] == 2
    [saved] = answers["Saved"]["roundSavings"]["nodes"]
    assert saved["plannedSaving"] is not None
    refused = answers["Close"]["closePurchasingRound"]["errors"][0]
    assert refused["message"].endswith("on their way.")
    not_refused = [name for name, a in answers.items() if name != "Close" and '"errors"' in str(a)]
    assert not_refused == []
