"""A job added by itself, on the driver: stored as one of many is, and refused as by the layer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.lanes import JOBS
from hub.storage.session import Database, ScopedSession

SCOPE = unrestricted_scope("test")


def columns_but_id(session: ScopedSession) -> list[dict[str, Any]]:
    rows = session.connection().execute(select(JOBS).order_by(JOBS.c.id))
    return [{key: value for key, value in row._mapping.items() if key != "id"} for row in rows]


def test_a_job_by_itself_is_stored_like_one_of_many(database: Database, now: datetime) -> None:
    args = {"name": 'Zoë "the" \\n O\'Hara', "numbers": [1, 2.5, None, True]}
    options: dict[str, Any] = {"lanes": ("a", "ü"), "priority": 3, "practice_id": "p"}
    options |= {"run_at": now + timedelta(microseconds=1)}

    def work(session: ScopedSession) -> tuple[list[int], list[dict[str, Any]]]:
        ids = [queue.add(session, Job.PRUNE, args, now=now, **options)]
        queue.add_many(session, [queue.NewJob(Job.PRUNE, args, **options)], now=now)
        ids.append(queue.add(session, Job.PRUNE, args, now=now, **options))
        return ids, columns_but_id(session)

    (first, last), rows = database.transaction(SCOPE, work)
    assert last == first + 2
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["args"] == args


def test_what_cannot_be_stored_is_refused_and_the_next_job_is_not(
    database: Database, now: datetime
) -> None:
    if database.is_sqlite:
        return  # it stores U+0000

    def add(lane: str) -> int:
        return database.transaction(
            SCOPE, lambda session: queue.add(session, Job.PRUNE, {}, now=now, queue=lane)
        )

    for _ in range(3):
        with pytest.raises(DBAPIError):
            add("a\x00b")
        assert add("default") > 0


def test_an_error_of_the_database_is_the_layers(database: Database, now: datetime) -> None:
    if database.is_sqlite:
        return  # it holds nobody to a type

    def add(priority: Any) -> int:
        return database.transaction(
            SCOPE, lambda session: queue.add(session, Job.PRUNE, {}, now=now, priority=priority)
        )

    with pytest.raises(DBAPIError) as raised:
        add("high")
    assert getattr(raised.value.orig, "sqlstate", None) == "22P02"
    assert add(1) > 0
