"""A small MSO with its simulated vendors, and jobs run one by one in the test's own thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from connectors.ehr_hl7v2.simulator import TrafficMessage, generate
from connectors.sdk.hl7v2.framing import Frame
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.demo import seed
from hub.entrypoints.demo.vendors import Vendors, start_vendors
from hub.entrypoints.demo.world import World, build_world, members
from hub.entrypoints.hl7_judging import judge
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Peer
from hub.entrypoints.hub import Hub
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage import claiming, queue
from hub.storage.crypto import Crypto
from hub.storage.key_encryption import HeldKeys, LocalKey
from hub.storage.keyring import Keyring
from hub.storage.session import Database
from hub.storage.tables import JobRow
from jobs.actors import ACTORS
from jobs.broker import TableBroker
from jobs.outcome import RowOutcome

ALL = unrestricted_scope("test")
STARTED = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRETS = {
    "supply_rest.endpoint": "rest-endpoint",
    "supply_rest.webhook": "whsec_c3VwcGx5LXJlc3QtdGVzdC1zZWNyZXQ=",
    "supply_x12.endpoint": "x12-endpoint",
    "supply_x12.webhook": "supply-x12-test-secret",
}


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = STARTED

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Office:
    """The hub under test, its vendors and its clock."""

    hub: Hub
    world: World
    vendors: Vendors
    clock: Clock
    broker: TableBroker

    def receive(self, message: TrafficMessage | bytes) -> str:
        """Store an HL7 message as the listener does; its inbox id."""
        content = message if isinstance(message, bytes) else message.content
        judgement = judge(Frame(content), Peer("127.0.0.1"), load_routes(self.hub.database))
        return self.hub.intake.receive(judgement.arrival).result().inbox_id

    def add(self, kind: Job, **args: Any) -> int:
        return self.hub.database.transaction(
            ALL, lambda s: queue.add(s, kind, args, now=self.clock())
        )

    def claim(self, name: str) -> list[queue.ClaimedJob]:
        """Lease the next due job of a queue."""
        return self.hub.database.transaction(
            ALL,
            lambda s: claiming.claim(
                s, limit=1, lease=timedelta(minutes=1), now=self.clock(), queue=name
            ),
        )

    def step(self) -> JobRow | None:
        """Run one due job to its end, as a worker would; its row afterwards."""
        claimed = self.claim(queue.DEFAULT_QUEUE) or self.claim(queue.SENDING_QUEUE)
        if not claimed:
            return None
        (job,) = claimed
        self.broker.hold(job)
        running = self.broker.held[job.token]
        outcome = RowOutcome(self.broker)
        error: BaseException | None = None
        try:
            ACTORS[job.kind].run(running)
        except Exception as caught:
            error = caught
        outcome.after_process_message(
            self.broker,
            _Message(job.token),
            exception=error,  # type: ignore[arg-type]
        )
        self.broker.drop(job.token)
        with self.hub.database.read(ALL) as session:
            return session.get_one(JobRow, job.id)

    def drain(self) -> list[JobRow]:
        """Run jobs until none is due; a job that waits for another lane is tried again."""
        done: list[JobRow] = []
        for _ in range(100):
            while (row := self.step()) is not None:
                done.append(row)
            self.clock.forward(milliseconds=200)
            with self.hub.database.read(ALL) as session:
                if queue.due_count(session, now=self.clock()) == 0:
                    return done
        raise AssertionError("jobs are due and none can be claimed")

    def all(self, table: type[Any]) -> list[Any]:
        with self.hub.database.read(ALL) as session:
            return list(session.scalars(select(table)))

    def faults(self, connector_id: str, *faults: dict[str, Any]) -> None:
        """Set a simulated vendor's fault plan."""
        url = f"{self.vendors.urls[connector_id]}/_control/faults"
        httpx2.post(url, json=list(faults)).raise_for_status()

    def connection(self, name: str) -> str:
        return self.world.id_of("connection", name)

    def traffic(self) -> list[TrafficMessage]:
        """The good messages of all practices, in order."""
        return [
            message
            for day, feeds in self.world.feeds()
            for one in generate(feeds, members(), seed=1, base_date=day, faults=False)
            for message in one.messages
        ]


@dataclass(frozen=True)
class _Message:
    token: str

    @property
    def args(self) -> tuple[str]:
        return (self.token,)


@pytest.fixture
def crypto(database: Database) -> Crypto:
    """With data keys in the database, as a running hub has them."""
    keys = HeldKeys([LocalKey(bytes(range(32)))])
    return Crypto(Keyring(keys, database, lambda: STARTED))


@pytest.fixture
def office(database: Database, crypto: Crypto, tmp_path: Path) -> Iterator[Office]:
    clock = Clock()
    settings = Settings(data_dir=tmp_path, worker_threads=1)
    hub = Hub(settings, database, crypto, Intake(database, crypto, clock), clock)
    world = build_world(seed=1, practices=3, started_at=STARTED)
    with ExitStack() as stack:
        vendors = start_vendors(stack, world, tmp_path)
        seed.seed(hub, world, vendors, SECRETS)
        yield Office(hub, world, vendors, clock, TableBroker(hub.job_context()))


@pytest.fixture
def bare_office(database: Database, crypto: Crypto, tmp_path: Path) -> Office:
    """A hub without practices, connections and vendors."""
    clock = Clock()
    settings = Settings(data_dir=tmp_path, worker_threads=1)
    hub = Hub(settings, database, crypto, Intake(database, crypto, clock), clock)
    nobody: Any = None
    return Office(hub, nobody, nobody, clock, TableBroker(hub.job_context()))
