"""The simulated vendors of the demonstration, each on a loopback port of its own."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from starlette.applications import Starlette

from connectors.payer_x12 import simulator as payer
from connectors.payroll_rest import simulator as payroll
from connectors.sdk.simulated_vendor.delivery import WebhookTarget
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from connectors.supply_rest import simulator as supply_rest
from connectors.supply_x12 import simulator as supply_x12
from hub.entrypoints.demo.world import World

SUPPLY = ("supply_rest", "supply_x12")
BIDDER = "supply_rest"
"""The one that bids when invited, a little below its catalogue."""

_BID_PERCENT = Decimal(96)
_OVERCHARGED = Fault("price_discrepancy", "/v1/orders", nth=1, params={"credited": True})
"""It asks too much for a line of its first order, and gives that back with a credit note."""


@dataclass
class Vendors:
    """Running simulators; `urls` by connector id, `journals` where the orders they accepted lie."""

    urls: dict[str, str]
    journals: dict[str, Path]
    apps: dict[str, Starlette]

    def send_events_to(self, connector_id: str, url: str, secret: str) -> None:
        """Tell a supply vendor where its events go. One event comes twice, one with a wrong
        signature."""
        target = WebhookTarget(url=url, secret=secret, mischief=True)
        self.apps[connector_id].state.vendor.orders.courier.point_at(target)

    def send_bid(self, invitation: str) -> int:
        """Let the bidder answer an invitation; how many lines its bid has."""
        lines: int = self.apps[BIDDER].state.vendor.send_bid(invitation, "B-1", _BID_PERCENT)
        return lines

    def events_waiting(self) -> int:
        """How many events of supply vendors the hub has not taken yet."""
        return sum(self.apps[name].state.vendor.orders.courier.waiting() for name in SUPPLY)

    def orders_held(self) -> dict[str, int]:
        """Purchase order number -> how many orders the vendors hold under it."""
        held: dict[str, int] = {}
        for journal in self.journals.values():
            for line in journal.read_text().splitlines() if journal.exists() else ():
                entry = json.loads(line)
                if entry["event"] == "order":
                    held[entry["number"]] = held.get(entry["number"], 0) + 1
        return held


def start_vendors(stack: ExitStack, world: World, data_dir: Path) -> Vendors:
    """Start every simulator; `stack` stops them. Vendors remember their orders in `data_dir`."""
    folder = data_dir / "vendors"
    folder.mkdir(parents=True, exist_ok=True)
    journals = {name: folder / f"{name}-orders.jsonl" for name in SUPPLY}
    entities = [payroll.Entity(p.payroll_entity, p.name) for p in world.practices]
    common = {"seed": world.seed, "today": world.today}
    apps = {
        "payer_x12": payer.build(seed=world.seed),
        "payroll_rest": payroll.build(entities=entities, **common),  # type: ignore[arg-type]
        "supply_rest": supply_rest.build(
            journal=journals["supply_rest"],
            plan=FaultPlan([replace(_OVERCHARGED)]),
            **common,  # type: ignore[arg-type]
        ),
        "supply_x12": supply_x12.build(journal=journals["supply_x12"], **common),  # type: ignore[arg-type]
    }
    apps[BIDDER].state.vendor.stand_by(_BID_PERCENT)  # also by a bid of an earlier run
    servers = {name: stack.enter_context(SimulatorServer(app)) for name, app in apps.items()}
    for name in SUPPLY:
        stack.callback(apps[name].state.vendor.orders.courier.close)
    for server in servers.values():
        stack.callback(server.end)
    return Vendors({name: server.url for name, server in servers.items()}, journals, apps)
