"""Two practices, their connections, and a way to apply records as a job would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.records import Issue, Record
from hub.services.apply import ApplyContext, Outcome, apply
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Connection, DataIssue, Practice

T = TypeVar("T")
T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ALL = unrestricted_scope("test")


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


@dataclass
class Desk:
    """Applies each record in a transaction of its own and reads what is stored."""

    database: Database
    issues: list[Issue] = field(default_factory=list)

    def work(self, work: Callable[[ScopedSession], T]) -> T:
        return self.database.transaction(ALL, work)

    def put(
        self,
        data: object,
        key: str = "K1",
        minute: int | None = None,
        *,
        practice: str | None = "north",
        connection: str = "ehr",
        op: Any = "upsert",
        issues: Sequence[Issue] = (),
        unrestricted: bool = False,
    ) -> Outcome:
        """Apply one record stated at `minute` (None: the source does not say when)."""
        context = ApplyContext(practice, connection, None, None, at(600), UTC)
        moment = None if minute is None else at(minute)
        record = Record(key, data, moment, op=op, issues=tuple(issues))
        scope = practice_scope(practice) if practice and not unrestricted else ALL
        outcome = self.database.transaction(scope, lambda session: apply(session, context, record))
        self.issues = context.issues
        return outcome

    def rows(self, table: type[Any], **where: Any) -> list[Any]:
        with self.database.read(ALL) as session:
            return list(session.scalars(select(table).filter_by(**where)))

    def one(self, table: type[Any], **where: Any) -> Any:
        (row,) = self.rows(table, **where)
        return row

    @property
    def codes(self) -> list[str]:
        """Codes of the issues of the last record."""
        return [issue.code for issue in self.issues]

    def stored_issues(self) -> list[str]:
        return sorted(issue.code for issue in self.rows(DataIssue))


@pytest.fixture
def desk(database: Database) -> Desk:
    def seed(session: ScopedSession) -> None:
        for practice in ("north", "south"):
            session.add(Practice(id=practice, name=practice, zone="UTC", created_at=T0))
        session.flush()
        for name in ("ehr", "lab", "payroll", "vendor", "rival"):
            session.add(
                Connection(id=name, name=name, connector_id="test", config={}, created_at=T0)
            )

    database.transaction(ALL, seed)
    return Desk(database)
