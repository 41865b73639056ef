"""Rows inserted together, with columns that are the same in all of them and without."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.storage import bulk
from hub.storage.lanes import JOBS
from hub.storage.session import Database, ScopedSession

SCOPE = unrestricted_scope("test")


def rows(now: datetime, **first: Any) -> list[dict[str, Any]]:
    """Three jobs; `first` is what the first one has otherwise."""
    made: list[dict[str, Any]] = [
        {
            "practice_id": f"p{number}",
            "kind": "prune",
            "queue": "default",
            "lane": f'lane "{number}"\n',
            "lane2": None,
            "priority": 100,
            "run_at": now,
            "state": "ready",
            "attempt": 0,
            "max_attempts": 12,
            "args": {"number": number},
            "error_code": "",
            "error_text": "",
            "created_at": now,
        }
        for number in range(3)
    ]
    made[0] |= first
    return made


@pytest.mark.parametrize(
    "first", [{}, {"priority": 1}, {"lane2": "another"}, {"run_at": timedelta(hours=1)}]
)
def test_rows_are_stored_as_given_whatever_they_have_in_common(
    database: Database, now: datetime, first: dict[str, Any]
) -> None:
    if "run_at" in first:
        first = {"run_at": now + first["run_at"]}
    given = rows(now, **first)

    def work(session: ScopedSession) -> Any:
        bulk.insert_rows(session, JOBS, given)
        found = select(*(JOBS.c[name] for name in given[0])).order_by(JOBS.c.id)
        return [dict(row._mapping) for row in session.connection().execute(found)]

    assert database.transaction(SCOPE, work) == given


def test_postgresql_reads_once_what_all_rows_have_in_common(now: datetime) -> None:
    alike = bulk._same(JOBS, rows(now))
    assert {"kind", "state", "run_at"} <= set(alike)
    assert bulk._same(JOBS, rows(now, state="done")) == ()
    text = bulk.recordset(JOBS, tuple(rows(now)[0]), "", alike)
    assert "s.kind" in text
    assert "r.lane," in text
    assert text.count("kind text") == 1
