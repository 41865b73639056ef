"""The write-ahead log of SQLite is copied beside the writer."""

from __future__ import annotations

import sqlite3
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from hub.domain.agreements import unrestricted_scope
from hub.storage.checkpoints import Checkpoints
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base, Practice
from tests.polling import wait_until

ALL = unrestricted_scope("test")


def holds(path: Path, text: bytes) -> bool:
    return text in path.read_bytes()


def test_what_is_committed_is_soon_in_the_database_file(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "hub.db"
    database = Database(f"sqlite:///{path}")
    try:
        with database.write_engine.begin() as connection:
            Base.metadata.create_all(connection)
        for name in ("first clinic", "second clinic"):
            row = Practice(id=name, name=name, zone="UTC", created_at=now)
            database.transaction(ALL, partial(ScopedSession.add, instance=row))
            wait_until(partial(holds, path, name.encode()))
    finally:
        database.close()


def test_a_copy_that_fails_is_tried_again_after_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    tried, copy = threading.Semaphore(0), Engine.raw_connection
    failing = [sqlite3.OperationalError("disk I/O error")]

    def opened(engine: Engine) -> Any:
        tried.release()
        if failing:
            raise failing.pop()
        return copy(engine)

    monkeypatch.setattr(Engine, "raw_connection", opened)
    checkpoints = Checkpoints(database.read_engine)
    try:
        for _ in range(2):
            checkpoints.due()
            assert tried.acquire(timeout=5)
    finally:
        checkpoints.close()
        database.close()
    assert not failing
