"""Shared fixtures: a real database per test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import Base

POSTGRESQL = os.environ.get(
    "HUB_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)
IN_CI = bool(os.environ.get("CI"))


def _postgresql_answers() -> bool:
    engine = create_engine(POSTGRESQL, connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return True
    except Exception:
        if IN_CI:
            raise
        return False
    finally:
        engine.dispose()


HAS_POSTGRESQL = _postgresql_answers()
BACKENDS = ["sqlite", "postgresql"] if HAS_POSTGRESQL else ["sqlite"]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    name = f"hub_test_{uuid.uuid4().hex}"
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield POSTGRESQL.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables."""
    opened = Database(database_url)
    with opened.write_engine.begin() as connection:
        Base.metadata.create_all(connection)
    yield opened
    opened.close()


@pytest.fixture
def crypto() -> Crypto:
    return Crypto(bytes(range(32)))


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not HAS_POSTGRESQL:
        terminalreporter.write_line(
            "NOT COVERED: no PostgreSQL answered at HUB_TEST_POSTGRESQL_URL, so every database "
            "test ran on SQLite only."
        )
