"""The demonstration from end to end. Each step may be repeated; a second run adds nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connectors.ehr_hl7v2.simulator import Sent, Traffic, generate, send_all
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.demo import access, purchasing, seed
from hub.entrypoints.demo.client import DemoFailed, GraphQLClient
from hub.entrypoints.demo.summary import summarize
from hub.entrypoints.demo.vendors import BIDDER, SUPPLY, Vendors, start_vendors
from hub.entrypoints.demo.world import World, members
from hub.entrypoints.hub import Hub
from hub.entrypoints.service import Service
from hub.storage import queue
from hub.storage.session import ScopedSession

STEP_SECONDS = 120.0
BIDDING = timedelta(seconds=8)
"""From invitations to the deadline: time enough for a webhook that is first forged, then sent."""

_SCOPE = unrestricted_scope("demonstration")

Report = Callable[[str, str], None]
"""Called with the step and what just happened in it."""


@dataclass
class Demo:
    """A running demonstration: the service, its vendors and the apps' clients."""

    hub: Hub
    world: World
    service: Service
    vendors: Vendors
    mso: GraphQLClient
    apps: dict[str, GraphQLClient]
    keys: dict[str, str]
    report: Report
    sent: list[Sent] = field(default_factory=list)

    def wait_until(self, done: Callable[[], bool], what: str) -> None:
        """Wait for `done`; DemoFailed names what did not happen in time."""
        deadline = time.monotonic() + STEP_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise DemoFailed(f"Timed out waiting until {what}.")
            time.sleep(0.1)

    def wait_until_idle(self) -> None:
        """Wait until no job runs or is due."""
        self.wait_until(lambda: self._due() == 0, "all jobs were done")

    def _due(self) -> int:
        with self.hub.database.read(_SCOPE) as session:
            return queue.due_count(session, now=self.hub.now())


@contextmanager
def running(hub: Hub, world: World, report: Report) -> Iterator[Demo]:
    """Start vendors and service, write the set-up, hand out the demo; stop all at the end."""
    data_dir = hub.settings.data_dir
    with ExitStack() as stack:
        report("start", "simulated payers, payroll and supply vendors")
        vendors = start_vendors(stack, world, data_dir)
        secrets = access.webhook_secrets(data_dir)
        seed.seed(hub, world, vendors, secrets)
        seed.seed_outsider(hub, world)
        keys = access.credentials(hub, world, data_dir)
        service = stack.enter_context(Service(hub))
        url = f"http://{hub.settings.http_host}:{service.http_port}"
        for connector_id in SUPPLY:
            endpoint = f"{url}/webhooks/{connector_id}/{secrets[f'{connector_id}.endpoint']}"
            vendors.send_events_to(connector_id, endpoint, secrets[f"{connector_id}.webhook"])
        clients = {name: GraphQLClient(url, key) for name, key in keys.items()}
        for client in clients.values():
            stack.callback(client.close)
        mso = clients.pop(access.MSO_APP)
        report("start", f"hub at {url}, MLLP on port {service.mllp_port}")
        yield Demo(hub, world, service, vendors, mso, clients, keys, report)


def run_all(demo: Demo) -> dict[str, Any]:
    """Every step; the summary, and `ok` with what is missing in `problems`."""
    started = time.monotonic()
    _send_messages(demo)
    _sync_vendors(demo)
    _check_eligibility(demo)
    _purchase(demo)
    demo.report("summary", "reading it through GraphQL")
    summary = summarize(demo.mso, demo.apps, demo.world, demo.sent)
    summary["seconds"] = round(time.monotonic() - started, 1)
    summary["problems"] = problems(demo, summary)
    summary["ok"] = not summary["problems"]
    return summary


def traffic_of(world: World) -> list[Traffic]:
    """What every practice's EHR sends, good and bad."""
    cards = members()
    return [
        traffic
        for day, feeds in world.feeds()
        for traffic in generate(feeds, cards, seed=world.seed, base_date=day)
    ]


def _send_messages(demo: Demo) -> None:
    traffic = traffic_of(demo.world)
    total = sum(len(one.messages) for one in traffic)
    done = 0
    host = demo.hub.settings.mllp_host
    with (demo.hub.settings.data_dir / "vendors" / "ehr-acknowledged.log").open("a") as journal:

        def on_sent(sent: Sent) -> None:
            nonlocal done
            done += 1
            if sent.outcome.code == "AA":
                journal.write(f"{control_id(sent.message.content)}\n")
                journal.flush()
            if done % 25 == 0 or done == total:
                demo.report("ehr", f"{done} of {total} HL7 messages sent and answered")

        demo.sent = send_all(host, demo.service.mllp_port, traffic, on_sent=on_sent, timeout=30.0)
    demo.wait_until_idle()
    demo.report("ehr", f"{total} HL7 messages sent, what was accepted is applied")


def control_id(content: bytes) -> str:
    """MSH-10 of a message the simulated EHR wrote."""
    return content.split(b"|", 10)[9].decode()


def _sync_vendors(demo: Demo) -> None:
    wanted = ("payroll", *SUPPLY)
    for row in demo.mso.all("connections", "id connectorId name"):
        if row["connectorId"] in {"payroll_rest", *SUPPLY}:
            demo.mso.mutate("syncConnection", "job { id }", {"connectionId": row["id"]})
    demo.wait_until_idle()
    demo.report("sync", f"{len(wanted)} vendors read: payroll, catalogues, offers")


def _check_eligibility(demo: Demo) -> None:
    """Run tonight's schedule now."""
    now = demo.hub.now()

    def work(session: ScopedSession) -> None:
        queue.add(session, Job.PLAN_ELIGIBILITY, {}, now=now, unique_key="eligibility.nightly@demo")
        session.after_commit.append(demo.hub.database.bell.set)

    demo.hub.database.transaction(_SCOPE, work)
    demo.wait_until_idle()
    demo.report("payer", "payers asked about the coming days' appointments")


OUTCOMES = purchasing.ORDERED | {"solved", "infeasible"}


def _purchase(demo: Demo) -> None:
    row = purchasing.open_round(demo.mso, demo.world)
    round_id = row["id"]

    def status() -> str:
        found = purchasing.find_round(demo.mso, demo.world)
        return str(found["status"]).lower() if found else ""

    if status() == "open":
        lines = purchasing.submit_requisitions(demo.apps, demo.mso, demo.world, round_id)
        demo.report("purchasing", f"{lines} lines of {len(demo.world.practices)} practices pooled")
        demo.mso.mutate("lockPurchasingRound", "round { id }", {"roundId": round_id})
    if status() in {"locked", "bidding"}:
        _collect_bids(demo, round_id)
        demo.wait_until(lambda: status() == "locked", "the bids were opened")
        demo.mso.mutate("runPurchasingRound", "job { id }", {"roundId": round_id})
    demo.wait_until(lambda: status() in OUTCOMES, "the round was solved")
    if status() == "infeasible":
        raise DemoFailed("The purchasing round has no feasible plan.")
    plan = purchasing.find_round(demo.mso, demo.world)
    if plan is not None and str(plan["status"]).lower() == "solved":
        demo.report("purchasing", "solved with a proven bound; practices approve their lines")
        purchasing.approve(demo.apps, demo.mso, demo.world, plan)
    demo.wait_until(lambda: status() in purchasing.ORDERED, "the orders were released")
    demo.wait_until(
        lambda: _all_invoiced(demo, round_id) and not demo.vendors.events_waiting(),
        "the vendors' events had all come in",
    )
    demo.wait_until_idle()
    demo.report(
        "purchasing", "orders placed, confirmed, shipped, invoiced, one credited by webhook"
    )


def _collect_bids(demo: Demo, round_id: str) -> None:
    """Invite both vendors; one bids, sealed until the deadline. An earlier run may have done so."""
    purchasing.invite_bids(demo.mso, round_id, demo.hub.now() + BIDDING)
    for invitation in purchasing.invitations(demo.mso, round_id):
        bids = invitation["supplier"]["name"] == seed.SUPPLIER_NAMES[BIDDER]
        if bids and invitation["state"] == "INVITED":
            lines = demo.vendors.send_bid(invitation["id"])
            demo.report("purchasing", f"a sealed bid with {lines} lines is on its way")


def _all_invoiced(demo: Demo, round_id: str) -> bool:
    where = f'round: {{eq: "{round_id}"}}'
    orders = list(demo.mso.all("purchaseOrders", "status", where))
    invoiced = sum(order["status"].lower() == "invoiced" for order in orders)
    demo.report("purchasing", f"{invoiced} of {len(orders)} orders invoiced")
    return bool(orders) and invoiced == len(orders)


def problems(demo: Demo, summary: dict[str, Any]) -> list[str]:
    """What did not happen as it should, in sentences; empty when all of it worked."""
    messages, eligibility = summary["messages"], summary["eligibility"]
    payroll, bought, seen = summary["payroll"], summary["purchasing"], summary["access"]
    orders = demo.vendors.orders_held()
    checks = {
        "Not every practice is there.": summary["practices"] == len(demo.world.practices),
        "A message got another answer than it deserved.": _answered(demo.sent),
        "An accepted message was not processed.": messages["waiting"] == 0
        and messages["processed"] == _accepted(demo.sent),
        "No duplicate, quarantined or refused message was seen.": min(
            messages["duplicates"], messages["quarantined"], messages["refused"]
        )
        > 0,
        "A kind of clinical record is missing.": min(summary["records"].values()) > 0,
        "An eligibility outcome is missing.": {"active", "inactive", "rejected", "payer_down"}
        <= set(eligibility),
        "Payroll was not synchronised.": min(
            payroll["workers"], payroll["payroll_runs"], payroll["pay_statements"]
        )
        > 0,
        "The round has no proof.": bought.get("lower_bound") is not None,
        "An order was not invoiced.": bought["orders"] > 0
        and bought["invoiced"] == bought["orders"],
        "No supplier gave back what it had asked too much.": Decimal(bought.get("credited", 0)) > 0,
        "The vendors hold other orders than the hub placed, or one twice.": len(orders)
        >= bought["orders"]
        and set(orders.values()) == {1},
        "A practice's app sees more than its own practice.": seen["own_practices_seen"] == 1,
        "A foreign id is not answered like a missing one.": seen["foreign_answers_like_missing"],
        "GraphQL answered with errors.": summary["graphql"]["errors"] == 0,
    }
    return [sentence for sentence, holds in checks.items() if not holds]


def _answered(sent: Sequence[Sent]) -> bool:
    return all(item.as_expected for item in sent)


def _accepted(sent: Sequence[Sent]) -> int:
    """Messages accepted once: duplicates are answered again and stored once."""
    return len({item.message.content for item in sent if item.message.expected == "AA"})
