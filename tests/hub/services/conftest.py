"""Two practices and their connections, records applied as a job would, and a purchasing pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    PrincipalKind,
    Purpose,
    Scope,
    practice_scope,
    unrestricted_scope,
)
from hub.domain.purchasing.rounds import RoundTerms
from hub.domain.purchasing.solve import solve
from hub.domain.records import Issue, Record
from hub.services import approvals, plans, problems, requisitions, rounds
from hub.services.apply import ApplyContext, Outcome, apply
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    Connection,
    DataIssue,
    Item,
    Offer,
    OfferTier,
    Practice,
    PurchasingRound,
    Supplier,
)

T = TypeVar("T")
T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ALL = unrestricted_scope("test")
CRYPTO = Crypto(bytes(32))


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
        cleared: tuple[str, ...] = (),
        received_at: datetime | None = None,
    ) -> Outcome:
        """Apply one record stated at `minute` (None: the source does not say when)."""
        received_at = received_at or at(600)
        context = ApplyContext(practice, connection, None, None, received_at, UTC, CRYPTO)
        moment = None if minute is None else at(minute)
        record = Record(key, data, moment, op=op, issues=tuple(issues), cleared=cleared)
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


@dataclass
class Pool:
    """Six practices, two items, two suppliers with tiers; rounds solved in the test's process."""

    desk: Desk
    now: datetime = T0
    practices: tuple[str, ...] = ("p1", "p2", "p3", "p4", "p5", "p6")

    def work(self, work: Callable[[ScopedSession], T], scope: Scope = ALL) -> T:
        return self.desk.database.transaction(scope, work)

    def mso(self, *delegated: str) -> Scope:
        """The MSO's app, which sees every practice and decides for those named."""
        return Scope(
            principal_id="app",
            principal_name="mso",
            kind=PrincipalKind.MSO_APP,
            purpose=Purpose.OPERATIONS,
            classes=READABLE_CLASSES,
            rows=dict.fromkeys(Domain, frozenset(self.practices)),
            delegated_approval=frozenset(delegated),
        )

    def open(self, name: str = "March", **terms: Any) -> str:
        return self.work(
            lambda s: rounds.open_round(s, name=name, now=self.now, terms=RoundTerms(**terms))
        )

    def want(self, round_id: str, practice: str, **units: int) -> str:
        """State the demand of a practice: item id=base units."""
        return self.work(
            lambda s: requisitions.submit_requisition(
                s,
                practice_id=practice,
                round_id=round_id,
                lines=list(units.items()),
                by=practice,
                now=self.now,
            ),
            practice_scope(practice),
        )

    def plan(self, round_id: str) -> Any:
        """Lock and solve the round; its row afterwards."""
        self.work(lambda s: rounds.run_round(s, round_id=round_id, now=self.now))
        with self.desk.database.read(ALL) as session:
            problem = problems.load_problem(
                session, round_id=round_id, on=self.now.date(), seconds=10.0, gap=0
            )
        plan = solve(problem.instance)
        self.work(
            lambda s: plans.save_plan(
                s, round_id=round_id, plan=plan, problem=problem, now=self.now
            )
        )
        return self.desk.one(PurchasingRound, id=round_id)

    def approve(self, round_id: str, *practices: str, **named: Any) -> None:
        named.setdefault("plan_version", self.desk.one(PurchasingRound, id=round_id).plan_version)
        for practice in practices or self.practices:
            self.work(
                lambda s, practice=practice: approvals.approve_round(
                    s, round_id=round_id, by=practice, now=self.now, **named
                ),
                practice_scope(practice),
            )

    def release(self, round_id: str) -> int:
        return self.work(lambda s: plans.release_orders(s, round_id=round_id, now=self.now))


def _offer_of(supplier: str, item: str, price: str, **facts: Any) -> list[Any]:
    """An offer with its tiers: a price, or `tiers` as {packs: price}."""
    tiers = facts.pop("tiers", {0: price})
    key = facts.pop("id", f"{supplier}-{item}")
    values = {"pack_units": 10, "pack_unit_code": "BX", "multiple": 1, "updated_at": T0, **facts}
    row = Offer(
        id=key,
        supplier_id=supplier,
        item_id=item,
        external_id=key,
        vendor_part=f"{item}-part",
        **values,
    )
    return [
        row,
        *(OfferTier(offer_id=key, from_packs=n, price=Decimal(p)) for n, p in tiers.items()),
    ]


@pytest.fixture
def offer_of() -> Callable[..., list[Any]]:
    return _offer_of


@pytest.fixture
def pool(desk: Desk) -> Pool:
    made = Pool(desk)

    def seed(session: ScopedSession) -> None:
        for practice in made.practices:
            session.add(Practice(id=practice, name=practice, zone="UTC", created_at=T0))
        for item, gtin in (("gloves", "00012345678905"), ("gauze", "00036000291452")):
            session.add(Item(id=item, gtin=gtin, name=item.title(), category=item))
        for supplier, connection in (("acme", "vendor"), ("best", "rival")):
            session.add(Supplier(id=supplier, name=supplier, connection_id=connection, rebates={}))
        session.flush()
        for rows in (
            _offer_of("acme", "gloves", "", tiers={0: "10.00", 20: "8.00"}),
            _offer_of("best", "gloves", "9.00"),
            _offer_of("best", "gauze", "5.00"),
        ):
            for row in rows:
                session.add(row)
                session.flush()

    made.work(seed)
    return made
