"""Small writes gathered into one transaction: all durable, one chain, and each on its own terms."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.storage import audit
from hub.storage.session import Database

SCOPE = unrestricted_scope("test")


def event(now: Any, name: str) -> audit.Event:
    return audit.Event(
        now=now,
        principal_id="p",
        principal_name=name,
        purpose="OPERATIONS",
        action="read",
        outcome="success",
        entities={"Patient": 1},
        subjects=["b", "a"],
    )


def verdict(database: Database) -> audit.Verdict:
    with database.read(SCOPE) as session:
        return audit.verify(session)


def test_readers_that_gather_and_writers_on_their_own_make_one_unbroken_chain(database, now):
    def write(number: int) -> None:
        made = event(now, f"writer {number}")
        database.transaction(SCOPE, lambda session: audit.append_all(session, [made]))

    def read(number: int) -> None:
        for turn in range(10):
            database.gather(event(now, f"reader {number}.{turn}"), audit.append_all).result(30)

    with ThreadPoolExecutor(16) as pool:
        done = [pool.submit(work, n) for n in range(8) for work in (write, read)]
        assert [each.result() for each in done] == [None] * 16
    assert verdict(database) == audit.Verdict(88)


def test_what_waits_is_written_in_few_transactions(database):
    groups: list[list[int]] = []
    first, go_on = threading.Event(), threading.Event()

    def write(_: object, items: list[int]) -> None:
        groups.append(items)
        first.set()
        go_on.wait(10)

    done = [database.gather(0, write)]
    first.wait(10)
    done += [database.gather(number, write) for number in range(1, 20)]
    go_on.set()
    assert [each.result(10) for each in done] == [None] * 20
    assert groups == [[0], list(range(1, 20))]


def test_one_that_cannot_be_written_keeps_no_other_back(database):
    begun, go_on = threading.Event(), threading.Event()

    def write(_: object, items: list[int]) -> None:
        begun.set()
        go_on.wait(10)
        if 3 in items:
            raise ValueError(3)

    done = [database.gather(0, write)]
    begun.wait(10)
    done += [database.gather(number, write) for number in range(1, 6)]
    go_on.set()
    failed = [each.exception(10) is not None for each in done]
    assert failed == [False, False, False, True, False, False]


def test_once_the_database_is_closed_all_who_gather_are_told(database):
    def write(_: object, items: list[int]) -> None:
        return None

    database.close()
    for number in range(3):
        with pytest.raises(RuntimeError, match="closed"):
            database.gather(number, write).result(10)
    assert database.audit_waiting == 0


def test_after_a_failure_the_next_are_written(database, monkeypatch):
    def write(_: object, items: list[int]) -> None:
        return None

    engine = database._gatherer._engine

    def away() -> Any:
        raise OSError("the database is away")

    monkeypatch.setattr(engine, "connect", away)
    with pytest.raises(OSError, match="away"):
        database.gather(1, write).result(10)
    monkeypatch.undo()
    assert database.gather(2, write).result(10) is None
