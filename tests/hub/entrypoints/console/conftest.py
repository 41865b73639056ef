"""A hub with two practices and what happens in them, and people who sign in to its console."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.domain.agreements import DataClass, Domain, PrincipalKind, unrestricted_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.entrypoints.web import create_app
from hub.services.intake import Arrival, Intake
from hub.settings import Settings
from hub.storage import queue, tables
from hub.storage.crypto import Crypto
from hub.storage.reads.write import global_id
from hub.storage.session import Database

SCOPE = unrestricted_scope("test")
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FIXTURES = Path(__file__).parents[4] / "fixtures"
RAW = (FIXTURES / "ehr_hl7v2" / "adt_a04.hl7").read_bytes()
HOSTILE = "<script>alert(1)</script>\u202eevil\x1b[31m"
TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')
KEY = re.compile(r'name="key" value="([0-9a-z]+)"')


@dataclass
class Person:
    """A browser, and whoever sits at it."""

    http: TestClient
    token: str = ""

    def sign_in(self, key: str, **fields: str) -> Any:
        form = self.http.get("/console/sign-in")
        self.token = TOKEN.findall(form.text)[0]
        answer = self.post("/console/sign-in", key=key, **fields)
        if answer.status_code == 303:
            self.token = TOKEN.findall(self.get("/console").text)[0]
        return answer

    def get(self, path: str, **parameters: str) -> Any:
        return self.http.get(path, params=parameters or None, follow_redirects=False)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
        given = {"token": self.token, **fields}
        return self.http.post(path, data=given, headers=headers, follow_redirects=False)


@dataclass
class Place:
    """The hub, its clock, and what is in it."""

    database: Database
    crypto: Crypto
    app: Any
    settings: Settings
    moment: list[datetime]
    stack: ExitStack
    ids: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.moment[0]

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.database.transaction(SCOPE, work)

    def person(self, name: str = "", address: str = "10.0.0.9") -> Person:
        """A browser of its own, signed in if a credential is named."""
        base = "https://localhost" if self.settings.profile == "production" else "http://localhost"
        client = TestClient(self.app, base, client=(address, 1))
        someone = Person(self.stack.enter_context(client))
        if name:
            assert someone.sign_in(self.keys[name]).status_code == 303
        return someone

    def credential(self, name: str, practice: str | None = None, **options: Any) -> None:
        kind = PrincipalKind.MSO_APP if practice is None else PrincipalKind.PRACTICE_APP
        _, self.keys[name] = self.write(
            lambda s: create_client(s, name, kind, practice, now=START, **options)
        )

    def events(self, operation: str = "") -> list[tables.AuditEvent]:
        """The audit trail, of one operation or all."""
        with self.database.read(SCOPE) as session:
            found = session.scalars(select(tables.AuditEvent).order_by(tables.AuditEvent.sequence))
            return [one for one in found if operation in one.operation]


@contextmanager
def opened(folder: Path, database: Database, **settings: Any) -> Iterator[Place]:
    """A hub over a database that has its tables."""
    moment = [START]
    given = Settings(_env_file=None, data_dir=folder, graphql_cost_maximum=10**9, **settings)
    crypto = Crypto(bytes(range(32)))
    hub: Any = SimpleNamespace(
        settings=given, database=database, crypto=crypto, now=lambda: moment[0]
    )
    with ExitStack() as stack:
        yield Place(database, crypto, create_app(hub), given, moment, stack)


@pytest.fixture
def hub(database: Database, tmp_path: Path) -> Iterator[Place]:
    """An empty hub, on each database."""
    with opened(tmp_path, database) as found:
        yield found


@pytest.fixture
def production(database: Database, tmp_path: Path) -> Iterator[Place]:
    """An empty hub with the profile production."""
    with opened(tmp_path, database, profile="production") as found:
        yield found


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, sqlite_with_tables: Path) -> Iterator[Place]:
    """One hub for a module: practices A and B with a connection and messages each, a shared feed
    whose messages say hostile things, and a dead job."""
    folder = tmp_path_factory.mktemp("seeded")
    shutil.copyfile(sqlite_with_tables, folder / "hub.db")
    database = Database(f"sqlite:///{folder / 'hub.db'}")
    with opened(folder, database) as found:
        seed(found)
        yield found
    database.close()


@pytest.fixture
def empty(sqlite_with_tables: Path, tmp_path: Path) -> Iterator[Place]:
    """A hub with one practice that has nothing."""
    shutil.copyfile(sqlite_with_tables, tmp_path / "hub.db")
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with opened(tmp_path, database) as found:
        found.credential("reader")
        practice = tables.Practice(id="p1", name="Clinic", zone="UTC", created_at=START)
        found.write(lambda s: s.add(practice))
        found.credential("app", "p1")
        yield found
    database.close()


def add_connection(found: Place, name: str) -> None:
    row = tables.Connection(
        id=name, name=name, connector_id="ehr_hl7v2", config={}, created_at=START
    )
    found.write(lambda s: s.add(row))


def seed(found: Place) -> None:
    for letter in "AB":
        _practice(found, letter)
    feed = tables.Connection(
        id="feed", name=f"Feed {HOSTILE}", connector_id="ehr_hl7v2", config={}, created_at=START
    )
    found.write(lambda s: s.add(feed))
    found.ids["feed"] = global_id("Connection", "feed")
    fault = Issue("hl7_101", "MSH-9", f"MSH-9 is required. {HOSTILE}")
    found.ids["hostile"] = message(
        found, "feed", None, f"H{HOSTILE}", state="quarantined", fault=fault
    )
    found.ids["dead"] = dead_job(found)
    found.credential("reader")
    found.credential("operator", write=True)
    found.credential("blind", write=True, classes=frozenset({DataClass.OPERATIONAL}))


def _practice(found: Place, letter: str) -> None:
    practice = tables.Practice(
        id=f"p{letter}", name=f"Clinic {letter}", zone="America/Chicago", created_at=START
    )
    connection = tables.Connection(
        id=f"c{letter}", name=f"EHR of {letter}", connector_id="ehr_hl7v2", config={},
        practice_id=practice.id, created_at=START,
    )  # fmt: skip
    agreement = tables.ServiceAgreement(
        practice_id=practice.id, domain=Domain.CLINICAL.value, granularity="ROW",
        purposes=["OPERATIONS"], starts_on=date(2026, 1, 1),
    )  # fmt: skip
    for row in (practice, connection, agreement):
        found.write(lambda s, row=row: s.add(row))
    found.ids[f"connection {letter}"] = global_id("Connection", connection.id)
    found.ids[f"message {letter}"] = message(
        found,
        connection.id,
        practice.id,
        f"MSG-{letter}",
        patients=(f"7{letter}",),
        answer=b"MSH|^~\\&|\rMSA|AA|x",
    )
    found.credential(f"app {letter}", practice.id, write=True)


def message(
    found: Place, connection: str, practice: str | None, control_id: str, **facts: Any
) -> str:
    """The global id of a stored message."""
    intake = Intake(found.database, found.crypto, found.now)
    kind, raw = facts.pop("kind", "hl7v2"), facts.pop("raw", RAW)
    arrival = Arrival(kind, connection, practice, "s", control_id, "ADT^A04", raw, **facts)
    return global_id("InboundMessage", intake.receive(arrival).result(timeout=30).inbox_id)


def dead_job(found: Place) -> str:
    """The global id of a job that was given up."""

    def work(session: Any) -> int:
        job_id = queue.add(session, Job.SYNC_ALL, {}, now=START)
        row = session.get(tables.JobRow, job_id)
        row.state, row.error_code, row.error_text = "dead", "UPSTREAM", f"No answer. {HOSTILE}"
        return int(job_id)

    return global_id("Job", str(found.write(work)))
