"""Time: a request that takes too long or that nobody waits for ends in the database as well."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import func, literal, select
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from hub.domain.agreements import unrestricted_scope
from hub.errors import TooSlow
from hub.storage.running import Running
from hub.storage.session import Database
from hub.storage.tables import Practice

SCOPE = unrestricted_scope("test")


def endless(session) -> None:
    """A statement that would run for minutes on both databases."""
    numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 10**9))
    session.execute(select(func.count()).select_from(numbers)).scalar()


def test_a_stopped_request_ends_its_statement_and_gets_no_other(database):
    running = Running()
    timer = threading.Timer(0.2, running.stop)
    timer.start()
    started = time.monotonic()
    with pytest.raises(TooSlow), database.read(SCOPE, running) as session:
        endless(session)
    assert time.monotonic() - started < 4
    with pytest.raises(TooSlow), database.read(SCOPE, running) as session:
        session.scalars(select(Practice)).all()
    with database.read(SCOPE, Running()) as session:
        assert session.scalars(select(Practice)).all() == []


def test_a_statement_that_takes_too_long_is_ended(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with pytest.raises(TooSlow), database.read(SCOPE, Running(seconds=0.2)) as session:
        endless(session)
    database.close()


def test_what_a_request_reads_with_cannot_write(database, now):
    with database.read(SCOPE, Running()) as session:
        session.add(Practice(name="x", zone="UTC", created_at=now))
        with pytest.raises(DBAPIError):
            session.flush()
        session.rollback()


def test_an_operation_that_takes_too_long_is_answered_in_time(world, monkeypatch):
    release = threading.Event()

    async def slow(*_: object, **__: object) -> bytes:
        await run_in_threadpool(release.wait, 10)
        return b"{}"

    app = world.mso()
    endpoint = world.http.app.routes[0].endpoint.__self__
    object.__setattr__(
        endpoint, "_settings", endpoint._settings.model_copy(update={"graphql_seconds": 0.1})
    )
    monkeypatch.setattr("schema.execute.Engine.answer", slow)
    answer = app.raw({"query": "{ practices { nodes { id } } }"})
    release.set()
    assert answer.status_code == 504
    assert answer.json()["errors"][0]["extensions"]["code"] == "UPSTREAM"
