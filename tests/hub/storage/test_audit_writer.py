"""Events of requests appended in one exchange: one chain whoever else writes to it, each event once
whatever happens to the connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from hub.domain.agreements import unrestricted_scope
from hub.storage import audit, audit_trails
from hub.storage.session import Database
from hub.storage.tables import AuditEvent

SCOPE = unrestricted_scope("test")
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def event(name: str) -> audit.Event:
    return audit.Event(
        now=NOW,
        principal_id="p",
        principal_name=name,
        purpose="OPERATIONS",
        action="read",
        outcome="success",
        entities={"Patient": 1},
        practice_ids={"b", "a"},
        subjects=["d", "c"],
    )


@pytest.fixture
def postgresql(postgresql_with_tables: str, empty_postgresql: Any) -> Iterator[Database]:
    opened = Database(postgresql_with_tables)
    yield opened
    opened.close()
    empty_postgresql()


def names(database: Database) -> list[str]:
    """Who wrote, in the order of a chain that is intact."""
    with database.read(SCOPE) as session:
        assert audit.verify(session).intact
        return [
            row.principal_name for row in session.query(AuditEvent).order_by(AuditEvent.sequence)
        ]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def admin(database: Database, statement: str) -> Any:
    with database.write_engine.connect() as connection:
        return connection.execute(text(statement)).scalar()


def test_events_of_many_requests_and_of_transactions_make_one_unbroken_chain(database):
    other = Database(database.url)

    async def requests(source: Database, name: str) -> None:
        for turn in range(3):
            await asyncio.gather(*(audit.note(source, event(f"{name} {turn}")) for _ in range(7)))
            await asyncio.to_thread(
                source.transaction, SCOPE, lambda s: audit.append_all(s, [event("writer")])
            )

    async def both() -> None:
        await asyncio.gather(requests(database, "one"), requests(other, "two"))

    run(both())
    found = names(database)
    assert len(found) == 48
    assert found.count("writer") == 6
    assert found.count("one 2") == found.count("two 0") == 7
    other.close()


def test_what_is_stored_is_what_was_noted(database):
    run(audit.note(database, event("Nadja é “quoted” \\ and {braced}")))
    with database.read(SCOPE) as session:
        row = session.query(AuditEvent).one()
    assert row.principal_name == "Nadja é “quoted” \\ and {braced}"
    assert (row.recorded_at, row.entities) == (NOW, {"Patient": 1})
    assert (row.practice_ids, row.subjects) == (["a", "b"], ["c", "d"])
    assert names(database) == [row.principal_name]


def test_more_events_than_one_statement_takes_are_all_written(database):
    async def many() -> None:
        await asyncio.gather(*(audit.note(database, event(str(n))) for n in range(75)))

    run(many())
    assert names(database) == [str(number) for number in range(75)]


def transactions(database: Database) -> int:
    """How many of them wrote the events."""
    return int(admin(database, "SELECT count(DISTINCT xmin::text) FROM audit_events"))


def test_events_wait_for_those_of_reads_under_way_and_no_longer(postgresql, monkeypatch):
    monkeypatch.setattr(audit_trails, "COMMIT_DELAY_SECONDS", 60.0)

    async def five() -> None:
        await audit.note(postgresql, event("before"))
        monkeypatch.setattr(postgresql.text_reads, "under_way", 5)
        noted = []
        for turn in range(5):
            assert not any(each.done() for each in noted)
            noted.append(asyncio.create_task(audit.note(postgresql, event(str(turn)))))
            await asyncio.sleep(0.01)
        await asyncio.wait_for(asyncio.gather(*noted), 5)

    run(five())
    assert names(postgresql) == ["before", *"01234"]
    assert transactions(postgresql) == 2


def test_events_of_slow_reads_are_not_waited_for_beyond_the_delay(postgresql, monkeypatch):
    monkeypatch.setattr(postgresql.text_reads, "under_way", 8)
    run(asyncio.wait_for(audit.note(postgresql, event("alone")), 5))
    assert names(postgresql) == ["alone"]


def test_an_event_that_cannot_be_written_fails_alone(postgresql):

    async def three() -> list[Any]:
        noted = [audit.note(postgresql, event(name)) for name in ("a", "b\x00", "c")]
        return await asyncio.gather(*noted, return_exceptions=True)

    found = asyncio.run(three())
    assert (found[0], type(found[1]), found[2]) == (None, ValueError, None)
    assert names(postgresql) == ["a", "c"]


def test_an_event_is_written_though_its_request_was_given_up(database):
    async def given_up() -> None:
        task = asyncio.create_task(audit.note(database, event("gone")))
        await asyncio.sleep(0)
        task.cancel()
        await audit.note(database, event("stays"))

    run(given_up())
    assert names(database) == ["gone", "stays"]


def test_connections_the_server_ended_are_replaced_unnoticed(postgresql):

    async def twice() -> None:
        for name in ("a", "b", "c"):
            await audit.note(postgresql, event(name))
            ended = f"SELECT count(pg_terminate_backend(pid)) {_OTHERS}"
            assert await asyncio.to_thread(admin, postgresql, ended) >= 1
        await audit.note(postgresql, event("d"))

    run(twice())
    assert names(postgresql) == ["a", "b", "c", "d"]


def test_a_statement_whose_answer_was_lost_is_not_written_twice(postgresql, monkeypatch):
    """The server committed, and the connection broke before it could say so."""

    async def lost() -> None:
        for name in ("a", "b"):  # from now on the head is this connection's alone
            await audit.note(postgresql, event(name))
        (trail,) = postgresql.audit_writer._trails.values()
        wire = trail._wire
        monkeypatch.setattr(wire, "_read", lambda: None)
        loop = asyncio.get_running_loop()
        loop.remove_reader(wire._socket)
        noted = asyncio.create_task(audit.note(postgresql, event("c")))
        until = time.monotonic() + 5
        while await asyncio.to_thread(admin, postgresql, "SELECT count(*) FROM audit_events") < 3:
            assert time.monotonic() < until
        assert not noted.done()
        wire.close()
        wire._resolve(None)
        await noted
        await audit.note(postgresql, event("d"))

    run(lost())
    assert names(postgresql) == ["a", "b", "c", "d"]


def test_a_writer_that_loses_the_race_for_the_head_tries_again_under_its_lock(postgresql):

    async def raced() -> None:
        for name in ("a", "b"):
            await audit.note(postgresql, event(name))
        with postgresql.write_engine.connect() as held:
            held.execute(text("SELECT 1 FROM audit_heads FOR UPDATE"))
            noted = asyncio.create_task(audit.note(postgresql, event("d")))
            waits = f"SELECT count(*) {_OTHERS} AND wait_event_type = 'Lock'"
            until = time.monotonic() + 5
            while not await asyncio.to_thread(admin, postgresql, waits):
                assert time.monotonic() < until
            with postgresql.write_engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM audit_events")).scalar() == 2
            held.rollback()
        await noted
        postgresql.transaction(SCOPE, lambda s: audit.append_all(s, [event("e")]))
        await audit.note(postgresql, event("f"))

    run(raced())
    assert names(postgresql) == ["a", "b", "d", "e", "f"]


def test_nothing_is_noted_while_the_database_is_away():
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Exception, match="refused"):
        run(audit.note(database, event("a")))
    database.close()
