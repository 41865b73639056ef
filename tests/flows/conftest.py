"""A small hub on real sockets: two practices, an EHR, a payroll vendor and a supplier by X12."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from connectors.payroll_rest import simulator as payroll
from connectors.sdk.hl7v2.client import MllpClient, Outcome
from connectors.sdk.simulator import FaultPlan, SimulatorServer
from hub.auth.credentials import create_client
from hub.domain.agreements import Domain, PrincipalKind, unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.entrypoints.service import Service
from hub.services import connections
from hub.settings import Settings
from hub.storage import inbox, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    InboundMessage,
    Practice,
    PurchaseOrder,
    PurchasingRound,
    Supplier,
)
from tests.flows.hl7_desk import Desk, opened
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")
NOBODY = "http://127.0.0.1:9"
SIGNING_KEY = "a key of the tests"
ENDPOINT = "endpoint-token-of-the-tests"


@dataclass
class Flow:
    """A running hub and what a sender, a vendor or an operator does to it."""

    hub: Hub
    service: Service
    faults: FaultPlan
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.http_port}"

    def send(self, content: bytes) -> Outcome:
        with MllpClient("127.0.0.1", self.service.mllp_port, attempts=1) as client:
            return client.send(content)

    def post(self, path: str, content: bytes, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx2.Client(trust_env=False, timeout=30) as client:
            return client.post(self.url + path, content=content, headers=named)

    def push(self, content: bytes, key: str = SIGNING_KEY) -> httpx2.Response:
        """What the supplier does: a signed X12 document."""
        signature = hmac.new(key.encode(), content, hashlib.sha256).hexdigest()
        return self.post(
            f"/webhooks/supply_x12/{ENDPOINT}",
            content,
            content_type="application/edi-x12",
            x_hub_signature_256=f"sha256={signature}",
        )

    def graphql(self, query: str, client: str = "desk") -> dict[str, Any]:
        key = self.keys[client]
        with httpx2.Client(trust_env=False, timeout=30) as http:
            headers = {"authorization": f"Bearer {key}"}
            answer = http.post(f"{self.url}/graphql", json={"query": query}, headers=headers)
        found: dict[str, Any] = answer.json()
        found.pop("extensions", None)  # the cost bucket fills with time
        return found

    def rows(self, table: type[Any], **where: Any) -> list[Any]:
        with self.hub.database.read(SCOPE) as session:
            return list(session.scalars(select(table).filter_by(**where)))

    def raw(self, message: InboundMessage) -> bytes:
        return inbox.raw(message, self.hub.crypto)

    def work(self, work: Callable[[ScopedSession], Any]) -> Any:
        return self.hub.database.transaction(SCOPE, work)

    def wait_until_idle(self) -> None:
        def idle() -> bool:
            with self.hub.database.read(SCOPE) as session:
                return queue.due_count(session, now=self.hub.now()) == 0

        wait_until(idle)


def adt(number: int | str, *, facility: str = "NORTH", birth: str = "19790412") -> bytes:
    """A registration of a patient of its own; `birth` is PID-7 as sent."""
    return (
        f"MSH|^~\\&|DESKEHR|{facility}|HUB|HUB|20260302091500-0600||ADT^A04^ADT_A01|C{number}|P|2.5.1\r"
        "EVN|A04|20260302091400-0600\r"
        f"PID|1||M{number}^^^NORTH^MR||Testperson^Number{number}||{birth}|F\r"
        "PV1|1|O\r"
    ).encode()


def seed(hub: Hub, payroll_url: str) -> dict[str, str]:
    """Write the set-up; returns the keys of the credentials by name."""
    now = datetime.now(UTC)

    def work(session: ScopedSession) -> dict[str, str]:
        for name in ("north", "south"):
            session.add(Practice(id=name, name=name, zone="America/Chicago", created_at=now))
        session.flush()
        connections.add(
            session, hub.crypto, connection_id="ehr", name="EHR", connector_id="ehr_hl7v2",
            config={"zone": "America/Chicago"}, routing={"sending_application": "DESKEHR"},
            practices={"NORTH": "north", "SOUTH": "south"}, now=now,
        )  # fmt: skip
        connections.add(
            session, hub.crypto, connection_id="payroll", name="Payroll",
            connector_id="payroll_rest", practices={"cmp_north": "north"}, now=now,
            config={
                "base_url": payroll_url, "client_id": payroll.CLIENT_ID,
                "client_secret": "secret://conn/payroll/client_secret",
            },
            secrets={"client_secret": payroll.CLIENT_SECRET},
        )  # fmt: skip
        connections.add(
            session, hub.crypto, connection_id="supply", name="Stonebridge",
            connector_id="supply_x12", practices={"ACCT1": "north"}, now=now,
            config={
                "base_url": NOBODY, "api_key": "secret://conn/supply/api_key",
                "webhook_secrets": ["secret://conn/supply/webhook"],
            },
            secrets={"api_key": "k", "webhook": SIGNING_KEY}, endpoint_token=ENDPOINT,
        )  # fmt: skip
        _order(session, now)
        grants = {
            "desk": (PrincipalKind.MSO_APP, None, tuple(Domain)),
            "north": (PrincipalKind.PRACTICE_APP, "north", tuple(Domain)),
            "buyer": (PrincipalKind.MSO_APP, None, (Domain.SUPPLY,)),
        }
        return {
            name: create_client(
                session, name, kind, practice, now=now, domains=domains, write=True
            )[1]
            for name, (kind, practice, domains) in grants.items()
        }

    return hub.database.transaction(SCOPE, work)


def _order(session: ScopedSession, now: datetime) -> None:
    """The order that the fixture acknowledgement_855 speaks of."""
    session.add(Supplier(id="supplier", name="Stonebridge", connection_id="supply"))
    session.add(PurchasingRound(id="round", name="March", status="ordered", opened_at=now))
    session.flush()
    session.add(
        PurchaseOrder(
            id="order", practice_id="north", round_id="round", supplier_id="supplier",
            number="PO-2026-0002", send_state="sent", ordered_on=date(2026, 3, 2), goods=Decimal(0),
            shipping=Decimal(0), total=Decimal(0), created_at=now,
        )
    )  # fmt: skip


@pytest.fixture
def flow(data_dir: Path) -> Iterator[Flow]:
    settings = Settings(data_dir=data_dir, http_port=0, mllp_port=0, log_level="error")
    faults = FaultPlan()
    entities = [payroll.Entity("cmp_north", "North")]
    vendor = payroll.build(seed=1, today=date(2026, 3, 2), entities=entities, plan=faults)
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        with SimulatorServer(vendor) as server:
            keys = seed(hub, server.url)
            with Service(hub) as service:
                yield Flow(hub, service, faults, keys)
    finally:
        hub.close()


@pytest.fixture
def desk(migrated_url: str, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Starts a hub with one EHR connection on each database (`hl7_desk.opened`)."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(opened(migrated_url, tmp_path, **options))


@pytest.fixture
def seeded(data_dir: Path) -> Path:
    """A data directory with the set-up and no hub running on it."""
    hub = open_hub(Settings(data_dir=data_dir), exclusive=True, migrate=True)
    try:
        seed(hub, NOBODY)
    finally:
        hub.close()
    return data_dir


@pytest.fixture
def message() -> Callable[..., bytes]:
    """Writes an ADT^A04 message under a control id of its own."""
    return adt


@pytest.fixture
def seed_hub() -> Callable[[Hub, str], dict[str, str]]:
    """Writes the set-up into any hub."""
    return seed
