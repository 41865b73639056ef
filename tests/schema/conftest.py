"""A small synthetic world behind the HTTP application, and a client that posts GraphQL text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import local
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.domain.agreements import (
    Domain,
    PrincipalKind,
    Purpose,
    unrestricted_scope,
)
from hub.entrypoints.document_files import document_routes
from hub.entrypoints.exports import export_routes
from hub.entrypoints.purchasing_routes import purchasing_routes
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage import tables
from hub.storage.crypto import Crypto
from hub.storage.reads.write import global_id
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base
from schema.context import ConnectorEntry

SCOPE = unrestricted_scope("test")
PATIENCE_SECONDS = 240.0
"""An operation may take as long: the first one of a test is a third of a second of the processor's
time, which took five seconds where others had the processor first."""


@pytest.fixture(autouse=True)
def no_second_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds a connection waits for no other one: many at once would stop everybody."""
    held, enter, leave = local(), ScopedSession.__enter__, ScopedSession.__exit__

    def entered(self: ScopedSession) -> ScopedSession:
        mine = held.__dict__.setdefault("by_thread", [])
        is_keyring = self.scope.principal_name == "hub: keys"  # a key of another process: once
        assert is_keyring or all(one.get_bind() is self.get_bind() for one in mine)
        mine.append(self)
        return enter(self)

    def left(self: ScopedSession, *raised: Any) -> None:
        held.by_thread.remove(self)
        leave(self, *raised)

    monkeypatch.setattr(ScopedSession, "__enter__", entered)
    monkeypatch.setattr(ScopedSession, "__exit__", left)


@dataclass
class Api:
    """Posts documents with one key."""

    http: TestClient
    key: str

    def post(self, query: str, purpose: str | None = None, **variables: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"query": query, "variables": variables}
        if purpose is not None:
            body["extensions"] = {"purpose": purpose}
        answer: dict[str, Any] = self.raw(body).json()
        answer.pop("extensions", None)  # what is left of the query cost differs each time
        return answer

    def raw(self, body: dict[str, Any]) -> Any:
        return self.http.post("/graphql", json=body, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def data(self, query: str, purpose: str | None = None, **variables: Any) -> Any:
        answer = self.post(query, purpose, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def code(self, query: str, purpose: str | None = None, **variables: Any) -> str:
        answer = self.post(query, purpose, **variables)
        assert "data" not in answer
        return str(answer["errors"][0]["extensions"]["code"])


@dataclass
class World:
    """Adds synthetic rows and credentials to one database."""

    database: Database
    crypto: Crypto
    now: datetime
    http: TestClient
    practices: list[str] = field(default_factory=list)

    def add(self, *rows: Base) -> None:
        def work(session: Any) -> None:
            for row in rows:
                session.add(row)
                session.flush()

        self.database.transaction(SCOPE, work)

    def read(self, work: Callable[[Any], Any]) -> Any:
        with self.database.read(SCOPE) as session:
            return work(session)

    def practice(self, name: str) -> str:
        row = tables.Practice(
            id=tables.new_id(), name=name, zone="America/Chicago", created_at=self.now
        )
        self.add(row)
        self.practices.append(row.id)
        return row.id

    def agreement(
        self, practice_id: str, domain: Domain, granularity: str = "ROW", **more: Any
    ) -> None:
        facts: dict[str, Any] = {
            "purposes": ["OPERATIONS", "PURCHASING"],
            "starts_on": date(2026, 1, 1),
            **more,
        }
        self.add(
            tables.ServiceAgreement(
                practice_id=practice_id, domain=domain.value, granularity=granularity, **facts
            )
        )

    def mso(self, name: str = "mso", **options: Any) -> Api:
        return self._api(name, PrincipalKind.MSO_APP, None, options)

    def app(self, practice_id: str, name: str = "", **options: Any) -> Api:
        return self._api(
            name or f"app-{practice_id}", PrincipalKind.PRACTICE_APP, practice_id, options
        )

    def _api(
        self, name: str, kind: PrincipalKind, practice_id: str | None, options: dict[str, Any]
    ) -> Api:
        options = {"write": True, "approve": True, **options}
        options.setdefault("purposes", (Purpose.OPERATIONS, Purpose.PURCHASING))
        _, key = self.database.transaction(
            SCOPE,
            lambda s: create_client(s, name, kind, practice_id, now=self.now, **options),
        )
        return Api(self.http, key)

    def patients(self, practice_id: str, count: int, prefix: str = "Fam") -> list[str]:
        rows = [
            tables.Patient(
                id=tables.new_id(),
                practice_id=practice_id,
                family_name=f"{prefix}{number:04d}",
                given_name="Ada",
                birth_date=date(1980, 5, 17),
                sex="female",
                city="Springfield",
                received_at=self.now,
            )
            for number in range(count)
        ]
        self.add(*rows)
        return [row.id for row in rows]

    def visits(self, practice_id: str, patient_ids: list[str], each: int = 2) -> None:
        provider = tables.Provider(
            practice_id=practice_id,
            id=tables.new_id(),
            npi="1234567893",
            family_name="Healer",
            external_id=tables.new_id(),
        )
        self.add(provider)
        self.add(
            *(
                tables.Appointment(
                    practice_id=practice_id,
                    patient_id=patient_id,
                    provider_id=provider.id,
                    status="booked",
                    starts_at=self.now + timedelta(days=number),
                    external_id=tables.new_id(),
                )
                for patient_id in patient_ids
                for number in range(each)
            )
        )

    def payroll(self, practice_id: str) -> str:
        worker = tables.Worker(
            practice_id=practice_id, id=tables.new_id(), family_name="Payne", given_name="Pat"
        )
        period = tables.PayPeriod(
            practice_id=practice_id,
            id=tables.new_id(),
            starts_on=date(2026, 2, 1),
            ends_on=date(2026, 2, 14),
            check_date=date(2026, 2, 20),
        )
        self.add(worker, period)
        run = tables.PayrollRun(
            practice_id=practice_id,
            id=tables.new_id(),
            pay_period_id=period.id,
            kind="regular",
            status="paid",
            check_date=date(2026, 2, 20),
            gross=Decimal("1000.50"),
            net=Decimal("800.00"),
            employer_cost=Decimal("76.54"),
        )
        self.add(run)
        statement = tables.PayStatement(
            practice_id=practice_id,
            id=tables.new_id(),
            payroll_run_id=run.id,
            worker_id=worker.id,
            gross=Decimal("1000.50"),
            net=Decimal("800.00"),
        )
        self.add(statement)
        return run.id

    def round(self, name: str, shares: dict[str, str], **more: Any) -> str:
        """A solved round; `shares` are practice → stand-alone cost."""
        row = tables.PurchasingRound(
            id=tables.new_id(),
            name=name,
            status="solved",
            opened_at=self.now,
            plan_version=1,
            standalone_cost=Decimal("1000.00"),
            pooled_cost=Decimal("900.00"),
            **more,
        )
        self.add(row)
        self.add(
            *(
                tables.PurchasingShare(
                    practice_id=practice_id,
                    round_id=row.id,
                    standalone_cost=Decimal(cost),
                    pays=Decimal(cost),
                    saving=Decimal("0.00"),
                )
                for practice_id, cost in shares.items()
            )
        )
        return row.id


def gid(type_name: str, row_id: object) -> str:
    return global_id(type_name, row_id)


SOURCE: ConnectorEntry = {
    "id": "supply_rest",
    "name": "Supply",
    "kind": "test",
    "version": "1",
    "capabilities": ["source"],
}
"""The one connector there is; of a kind that nothing is expected of."""


@pytest.fixture
def world(database: Database, crypto: Crypto, now: datetime, tmp_path: Path) -> Iterator[World]:
    hub = SimpleNamespace(
        settings=Settings(
            _env_file=None,
            data_dir=tmp_path,
            graphql_cost_maximum=10**9,
            graphql_seconds=PATIENCE_SECONDS,
        ),
        database=database,
        crypto=crypto,
        now=lambda: now,
    )
    routes = [*export_routes(hub), *purchasing_routes(hub), *document_routes(hub)]
    app = create_app(hub, connectors=[SOURCE], routes=routes)
    with TestClient(app, base_url="http://localhost") as http:
        yield World(database, crypto, now, http)
