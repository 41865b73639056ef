"""The driver's own promises: one version with the texts, statements that end, connections that are
good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection, DataError, OperationalError
from sqlalchemy import text

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.storage.policy import version
from hub.storage.reads.compile import CompiledPart, compile_roots
from hub.storage.reads.driver import PostgresqlReads, SqliteReads
from hub.storage.reads.reading import PolicyChanged
from hub.storage.reads.scoping import split
from hub.storage.reads.turns import Turns
from hub.storage.reads.wire import KEPT_STATEMENTS
from hub.storage.session import Database
from hub.storage.tables import Practice

SCOPE = practice_scope("p1")
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
    "SELECT count(*), 0 FROM n"
)


def read(database: Database, part: CompiledPart, policy: int | None = None) -> Any:
    return database.text_reads.run(SCOPE, split(SCOPE)[1], part, (), policy=policy)


def version_alone(database: Database) -> CompiledPart:
    return compile_roots((), split(SCOPE)[0], database.text_reads.writer)


def test_a_read_under_another_policy_version_is_thrown_away(database, now):
    def add(session: Any) -> int:
        session.add(Practice(id="p1", name="North", zone="UTC", created_at=now))
        session.flush()
        session.get(Practice, "p1").zone = "Europe/Berlin"
        session.flush()
        return version(session)

    async def both() -> None:
        part = version_alone(database)
        assert (await read(database, part, policy=0)).texts == []
        counted = await asyncio.to_thread(database.transaction, unrestricted_scope("test"), add)
        assert counted > 0
        assert (await read(database, part, policy=counted)).texts == []
        assert (await read(database, part)).texts == []
        with pytest.raises(PolicyChanged):
            await read(database, part, policy=counted - 1)

    asyncio.run(both())


def test_a_cancelled_read_ends_at_once_and_the_next_ones_are_answered(database):
    async def cancelled() -> float:
        part, reading = version_alone(database), []
        await read(database, part)
        for _ in range(3):
            task = asyncio.ensure_future(read(database, CompiledPart(ENDLESS, (), ())))
            reading.append(task)
        await asyncio.sleep(0.2)
        started = time.monotonic()
        for task in reading:
            task.cancel()
        done = await asyncio.gather(*reading, return_exceptions=True)
        assert {type(each) for each in done} == {asyncio.CancelledError}
        for _ in range(12):
            await read(database, part)
        return time.monotonic() - started

    assert asyncio.run(cancelled()) < 4


@pytest.fixture
def postgresql(postgresql_with_tables: str) -> Iterator[Database]:
    opened = Database(postgresql_with_tables)
    yield opened
    opened.close()


def test_a_connection_in_use_when_all_are_closed_is_closed_behind_its_read(postgresql):
    async def closed_meanwhile() -> None:
        reads = postgresql.text_reads
        await read(postgresql, version_alone(postgresql))
        (connections,) = reads._connections.values()
        (wire,) = connections.idle
        slow = CompiledPart("SELECT pg_sleep(0.5)::text, 0", (), ())
        task = asyncio.ensure_future(read(postgresql, slow))
        await asyncio.sleep(0)
        assert connections.idle == []
        reads.close()
        assert not wire.closed
        await task
        assert wire.closed

    asyncio.run(closed_meanwhile())


def test_a_connection_whose_statement_could_not_be_cancelled_is_not_used_again(
    postgresql, monkeypatch
):
    async def unreachable(*_: object, **__: object) -> None:
        raise OperationalError("the server does not answer")

    async def cancelled() -> None:
        task = asyncio.ensure_future(read(postgresql, CompiledPart(ENDLESS, (), ())))
        await asyncio.sleep(0.2)
        with monkeypatch.context() as patch:
            patch.setattr(AsyncConnection, "cancel_safe", unreachable)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await read(postgresql, version_alone(postgresql))).texts == []

    asyncio.run(cancelled())


def test_who_is_cancelled_again_while_a_statement_is_ended_leaves_no_broken_connection(
    postgresql, monkeypatch
):
    ending = asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        ending.set()
        await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.ensure_future(read(postgresql, CompiledPart(ENDLESS, (), ())))
        await asyncio.sleep(0.2)
        with monkeypatch.context() as patch:
            patch.setattr(AsyncConnection, "cancel_safe", slow)
            task.cancel()
            await asyncio.wait_for(ending.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await read(postgresql, version_alone(postgresql))).texts == []

    asyncio.run(cancelled())


def test_long_reads_do_not_keep_short_ones_waiting(database):
    async def beside() -> None:
        part = version_alone(database)
        long = [
            asyncio.ensure_future(read(database, CompiledPart(ENDLESS, (), ()))) for _ in range(5)
        ]
        await asyncio.wait_for(asyncio.gather(*(read(database, part) for _ in range(6))), 4)
        assert not any(task.done() for task in long)
        for task in long:
            task.cancel()
        await asyncio.gather(*long, return_exceptions=True)

    asyncio.run(beside())


def turns_of(database: Database) -> Turns:
    reads = database.text_reads
    if isinstance(reads, SqliteReads):
        (turns,) = reads._turns.values()
        return turns
    assert isinstance(reads, PostgresqlReads)
    (connections,) = reads._connections.values()
    return connections.turns


def test_the_turns_of_short_and_of_long_reads_are_given_back(database):
    async def many() -> None:
        part = version_alone(database)
        await asyncio.gather(*(read(database, part) for _ in range(20)))
        long = [
            asyncio.ensure_future(read(database, CompiledPart(ENDLESS, (), ()))) for _ in range(2)
        ]
        await asyncio.sleep(0.1)
        for task in long:
            task.cancel()
        await asyncio.gather(*long, return_exceptions=True)
        assert turns_of(database).under_way == 0

    asyncio.run(many())


def test_reads_cannot_write(database):
    writes = "DELETE FROM practices RETURNING id, 0"

    async def write() -> None:
        with pytest.raises(Exception, match=r"read-?only"):
            await read(database, CompiledPart(writes, (), ()))

    asyncio.run(write())


def test_each_event_loop_has_connections_of_its_own(database):
    for _ in range(3):
        asyncio.run(read(database, version_alone(database)))


def test_connections_the_server_ended_are_replaced_unnoticed(postgresql_with_tables):
    database = Database(postgresql_with_tables)
    ended = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def end_them() -> None:
        with database.write_engine.connect() as connection:
            connection.execute(ended)

    async def twice() -> None:
        part = version_alone(database)
        await asyncio.gather(*(read(database, part) for _ in range(4)))
        await asyncio.to_thread(end_them)
        assert (await read(database, part)).texts == []

    asyncio.run(twice())
    database.close()


def test_long_values_and_long_rows_come_through_whole(postgresql_with_tables):
    database = Database(postgresql_with_tables)
    long = "é" * 3_000_000
    part = CompiledPart("SELECT $1::text || $1, 0", (lambda *_: long,), ())
    assert asyncio.run(read(database, part)).texts == [long * 2]
    database.close()


def test_no_text_is_cut_at_a_character_that_ends_texts(postgresql_with_tables):
    database = Database(postgresql_with_tables)
    part = CompiledPart("SELECT $1::text, 0", (lambda *_: "a\0b",), ())
    with pytest.raises(DataError):
        asyncio.run(read(database, part))
    database.close()


def test_a_connection_that_prepared_enough_is_replaced(postgresql_with_tables):
    database = Database(postgresql_with_tables)

    async def many() -> None:
        for number in range(KEPT_STATEMENTS + 2):
            found = await read(database, CompiledPart(f"SELECT '{number}', 0", (), ()))
            assert found.texts == [str(number)]

    asyncio.run(many())
    database.close()
