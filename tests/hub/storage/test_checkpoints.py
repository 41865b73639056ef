"""SQLite's log is copied between commits, by the connection that writes."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert

from hub.domain.agreements import unrestricted_scope
from hub.storage.checkpoints import CHANGED_ROWS, Checkpoints
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base, Lane

SCOPE = unrestricted_scope("test")
COPY = "PRAGMA wal_checkpoint(PASSIVE)"


def opened(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with database.write_engine.begin() as connection:
        Base.metadata.create_all(connection)
    return database


def test_the_log_is_copied_once_there_is_enough_and_those_who_waited_were_told(
    tmp_path: Path,
) -> None:
    database = opened(tmp_path)
    seen: list[tuple[str, bool]] = []
    futures: list[Any] = []
    lock = threading.Lock()

    def submit(work: Any) -> None:
        with lock:
            futures.append(database.submit(SCOPE, work))
        futures[-1].result()

    def write(first: int, count: int) -> None:
        rows = [{"key": f"k{n}", "queue": "q"} for n in range(first, first + count)]

        def work(session: ScopedSession) -> None:
            session.connection().execute(insert(Lane.__table__), rows)  # type: ignore[arg-type]

        submit(work)

    def note(statement: str) -> None:
        with lock:
            committed = max(1, [each for each, _ in seen].count("COMMIT"))
            seen.append((statement, futures[committed - 1].done()))

    writer = database.submit(SCOPE, lambda s: s.connection().connection.driver_connection).result()
    assert writer is not None
    submit(lambda _: writer.set_trace_callback(note))
    write(0, CHANGED_ROWS - 1)
    write(CHANGED_ROWS, 1)
    write(CHANGED_ROWS + 1, 1)
    database.close()
    copies = [number for number, (statement, _) in enumerate(seen) if statement == COPY]
    assert len(copies) == 1
    assert seen[copies[0]] == (COPY, True)
    assert seen[copies[0] - 1][0] == "COMMIT"
    assert [statement for statement, _ in seen].count("COMMIT") == 4


def test_a_copy_that_fails_is_made_by_a_later_one(caplog: Any) -> None:
    asked: list[str] = []

    def execute(statement: str) -> Any:
        asked.append(statement)
        raise sqlite3.OperationalError("disk I/O error")

    checkpoints, connection = Checkpoints(), SimpleNamespace(total_changes=0, execute=execute)
    for rows in (CHANGED_ROWS, CHANGED_ROWS + 1, 2 * CHANGED_ROWS, 0):
        connection.total_changes = rows  # at last, those of a new connection
        checkpoints.after_commit(connection)  # type: ignore[arg-type]
    assert asked == [COPY] * 3
