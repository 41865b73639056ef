"""Events: written by the database with every change, numbered once they are durable."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text, update

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.services import housekeeping
from hub.storage import events, migrate, queue
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    Base,
    Connection,
    Event,
    Item,
    Offer,
    Practice,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    Supplier,
    SyncRun,
    new_id,
)
from hub.storage.tables.epochs import COUNTED

SCOPE = unrestricted_scope("test")


def do(database: Database, work: Any) -> Any:
    return database.transaction(SCOPE, work)


def seen(database: Database) -> list[tuple[str, str | None]]:
    with database.read(SCOPE) as session:
        rows = session.scalars(select(Event).order_by(Event.id)).all()
        return [(row.topic, row.parent_id) for row in rows]


@pytest.fixture
def connection(database, now) -> str:
    row = Connection(
        id=new_id(), name="c", connector_id="payroll_rest", config={}, routing={}, created_at=now
    )
    do(database, lambda session: session.add(row))
    return row.id


def test_a_run_is_an_event_when_it_starts_turns_a_page_or_ends(database, connection, now):
    run = new_id()
    do(
        database,
        lambda s: s.add(SyncRun(id=run, connection_id=connection, stream="w", started_at=now)),
    )
    do(database, lambda s: s.execute(update(SyncRun).values(pages=1)))
    do(database, lambda s: s.execute(update(SyncRun).values(read=10)))  # nobody waits for that
    do(database, lambda s: s.execute(update(SyncRun).values(state="done")))
    assert seen(database) == [("sync_run", connection)] * 3


def test_reading_a_message_is_no_event_of_a_job(database, now):
    do(database, lambda s: queue.add(s, Job.PROCESS_MESSAGE, {"inbox_id": "x"}, now=now))
    assert seen(database) == []
    do(database, lambda s: queue.add(s, Job.SYNC_ALL, {}, now=now))
    assert seen(database) == [("job", None)]


def test_a_placed_order_is_an_event_and_so_is_each_change_of_its_state(database, connection, now):
    practice, round_id, supplier, order = (new_id() for _ in range(4))
    do(
        database,
        lambda s: s.add_all(
            [
                Practice(id=practice, name="P", zone="UTC", created_at=now),
                PurchasingRound(id=round_id, name="R", opened_at=now),
                Supplier(id=supplier, name="S", connection_id=connection),
            ]
        ),
    )
    facts = {name: Decimal(1) for name in ("goods", "shipping", "total")}
    do(
        database,
        lambda s: s.add(
            PurchaseOrder(
                practice_id=practice,
                id=order,
                round_id=round_id,
                supplier_id=supplier,
                number="1",
                ordered_on=date(2026, 3, 2),
                created_at=now,
                **facts,
            )
        ),
    )
    assert seen(database) == [("purchase_order", round_id)]
    do(database, lambda s: s.execute(update(PurchaseOrder).values(total=Decimal(2))))
    do(database, lambda s: s.execute(update(PurchaseOrder).values(send_state="sent")))
    assert seen(database) == [("purchase_order", round_id)] * 2
    item, offer = new_id(), new_id()
    do(database, lambda s: s.add(Item(id=item, gtin="00000000000001", name="Gauze")))
    do(
        database,
        lambda s: s.add(
            Offer(
                id=offer,
                supplier_id=supplier,
                item_id=item,
                external_id="1",
                vendor_part="1",
                pack_units=1,
                pack_unit_code="BX",
                updated_at=now,
            )
        ),
    )
    do(
        database,
        lambda s: s.add(
            PurchaseOrderLine(
                practice_id=practice,
                order_id=order,
                number=1,
                item_id=item,
                offer_id=offer,
                vendor_part="1",
                packs=1,
                units=1,
                price=Decimal(1),
                amount=Decimal(1),
            )
        ),
    )
    assert len(seen(database)) == 2  # its order was one
    do(database, lambda s: s.execute(update(PurchaseOrderLine).values(shipped=1)))
    assert seen(database)[2:] == [("purchase_order", round_id)]


def test_what_is_rolled_back_is_no_event(database, connection, now):
    def fail(session: Any) -> None:
        session.add(SyncRun(id=new_id(), connection_id=connection, stream="w", started_at=now))
        session.flush()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        do(database, fail)
    assert seen(database) == []


def test_numbers_follow_the_order_of_durability_without_gap(database, connection, now):
    def start(session: Any) -> None:
        session.add(SyncRun(id=new_id(), connection_id=connection, stream="w", started_at=now))

    numbers = []
    for _ in range(3):
        do(database, start)
        do(database, start)
        numbers.append(do(database, events.number))
    assert numbers == [2, 4, 6]
    assert do(database, events.number) == 6
    with database.read(SCOPE) as session:
        assert not events.pending(session)
        rows = events.after(session, "sync_run", 2, until=5, practices=frozenset())
        assert [row.sequence for row in rows] == [3, 4, 5]
        assert events.after(session, "job", 0, until=6, practices=None) == []
        assert events.after(session, "sync_run", 0, until=6, practices=None, parent_id="x") == []
        assert events.head(session) == (6, 0)
    do(database, lambda s: housekeeping.prune(s, now=now + timedelta(days=3650)))
    with database.read(SCOPE) as session:
        assert events.head(session) == (6, 6)


def test_numbers_go_on_part_by_part_and_when_all_before_were_deleted(
    database: Database, connection: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_AT_ONCE", 2)

    def start(session: ScopedSession) -> None:
        session.add(SyncRun(id=new_id(), connection_id=connection, stream="w", started_at=now))

    def numbers() -> list[int | None]:
        with database.read(SCOPE) as session:
            return list(session.scalars(select(Event.sequence).order_by(Event.id)))

    for _ in range(5):
        do(database, start)
    assert [do(database, events.number) for _ in range(4)] == [2, 4, 5, 5]
    assert numbers() == [1, 2, 3, 4, 5]
    while do(database, lambda s: events.prune(s, before=now + timedelta(days=3650))):
        pass
    assert numbers() == []
    do(database, start)
    assert numbers() == [None]
    with database.read(SCOPE) as session:
        assert events.pending(session)
    assert do(database, events.number) == 6
    do(database, start)
    assert do(database, events.number) == 7
    assert numbers() == [6, 7]


def test_migrations_make_the_triggers_that_tests_have(database_url):
    migrate.upgrade(database_url)
    engine = create_engine(database_url)
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }[engine.dialect.name]
    with engine.begin() as connection:
        migrated = set(connection.execute(text(query)).scalars())
        Base.metadata.create_all(connection)
        assert set(connection.execute(text(query)).scalars()) == migrated
    engine.dispose()
    of_events, of_policies = 11, 16
    assert len(migrated) == of_events + 3 * len(COUNTED) + of_policies
