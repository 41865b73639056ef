"""Shared fixtures: a real database per test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from hub.storage import migrate
from hub.storage.crypto import Crypto
from hub.storage.roles import grants
from hub.storage.session import Database
from hub.storage.tables import Base
from tests.authorities import Authority

POSTGRESQL = os.environ.get(
    "HUB_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)
REDIS = os.environ.get("HUB_TEST_REDIS_URL", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("HUB_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")
IN_CI = bool(os.environ.get("CI"))
ROLE = "mso_hub_test"
"""The role the hub is tested as: no superuser, and owner of no table unless it made it itself."""
_MAKE_ROLE = f"""
DO $$ BEGIN
    CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{ROLE}';
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""


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


def _answers(url: str) -> bool:
    """Whether something listens there."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        if IN_CI:
            raise
        return False
    return True


HAS_POSTGRESQL = _postgresql_answers()
BACKENDS = ["sqlite", "postgresql"] if HAS_POSTGRESQL else ["sqlite"]
BROKERS = {"redis": REDIS, "rabbitmq": RABBITMQ}
POINTERS = [name for name, url in BROKERS.items() if _answers(url)]


def as_role(url: str) -> str:
    """The same database, reached as the role the hub is tested as."""
    address = make_url(url).set(username=ROLE, password=ROLE)
    return address.render_as_string(hide_password=False)


def _create_database(owner: str = "", like: str = "template1") -> str:
    """A PostgreSQL database, empty or as another one is, and its URL."""
    name = f"hub_test_{uuid.uuid4().hex}"
    _on_server(_MAKE_ROLE)
    owned = f" OWNER {owner}" if owner else ""
    _on_server(f"CREATE DATABASE {name} TEMPLATE {like}{owned}")
    return POSTGRESQL.rsplit("/", 1)[0] + f"/{name}"


def _drop_database(url: str) -> None:
    _on_server(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")


def _on_server(statement: str) -> None:
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(statement))
    server.dispose()


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of its own, without tables; on PostgreSQL one role owns it and
    runs the hub."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    url = _create_database(ROLE)
    yield as_role(url)
    _drop_database(url)


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[str]:
    """The name of a PostgreSQL database that the migrations made, to be copied: nothing connects
    to it."""
    url = _create_database(ROLE)
    migrate.upgrade(as_role(url))
    yield url.rsplit("/", 1)[1]
    _drop_database(url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations made, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "hub.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def data_dir(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A data directory of its own, whose database is migrated."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    return tmp_path


@pytest.fixture(params=BACKENDS)
def migrated_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """As `database_url`, and migrated."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('data_dir') / 'hub.db'}"
        return
    url = _create_database(ROLE, like=request.getfixturevalue("migrated_postgresql"))
    yield as_role(url)
    _drop_database(url)


@pytest.fixture(scope="session")
def postgresql_with_tables() -> Iterator[str]:
    """One PostgreSQL database with all tables for the whole run, as its owner; tests empty it
    behind them."""
    url = _create_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for statement in grants(ROLE):
            connection.exec_driver_sql(statement)
    engine.dispose()
    yield url
    _drop_database(url)


@pytest.fixture(scope="session")
def empty_postgresql(postgresql_with_tables: str) -> Iterator[Callable[[], None]]:
    """Deletes every row of that database.

    A test writes to a few of the hundred tables: a function looks which, and deletes only there.
    """
    steps = "\n".join(
        f"IF EXISTS (SELECT FROM {table.name}) THEN DELETE FROM {table.name}; END IF;"
        for table in reversed(Base.metadata.sorted_tables)
    )
    engine = create_engine(postgresql_with_tables, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION delete_all_rows() RETURNS void LANGUAGE plpgsql AS "
            f"$$ BEGIN {steps} END $$"
        )

    def empty() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT delete_all_rows()")

    yield empty
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "hub.db"
    made = Database(f"sqlite:///{path}")
    with made.write_engine.begin() as connection:
        Base.metadata.create_all(connection)
    made.close()
    return path


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with all tables and no rows; on PostgreSQL another role owns them."""
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        shutil.copyfile(request.getfixturevalue("sqlite_with_tables"), path)
        opened = Database(f"sqlite:///{path}")
        yield opened
        opened.close()
        return
    empty = request.getfixturevalue("empty_postgresql")
    opened = Database(as_role(request.getfixturevalue("postgresql_with_tables")))
    yield opened
    opened.close()
    empty()


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a transport runs by the table on each database, and by each pointer."""
    if "transport" in metafunc.fixturenames:
        pairs = [(backend, "table") for backend in BACKENDS]
        pairs += [(BACKENDS[-1], name) for name in POINTERS]
        metafunc.definition.add_marker(
            pytest.mark.parametrize(("database", "transport"), pairs, indirect=True)
        )
    elif "pointers" in metafunc.fixturenames:
        pairs = [(BACKENDS[-1], name) for name in POINTERS]
        metafunc.definition.add_marker(
            pytest.mark.parametrize(("database", "pointers"), pairs, indirect=True)
        )
    elif "cluster" in metafunc.fixturenames:
        names = ["table", *POINTERS] if HAS_POSTGRESQL else []
        metafunc.definition.add_marker(pytest.mark.parametrize("cluster", names, indirect=True))


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """The settings of a transport of its own, whose queues are deleted behind the test."""
    with _transport(request.param) as settings:
        yield settings


@pytest.fixture
def cluster(request: pytest.FixtureRequest, migrated_postgresql: str) -> Iterator[dict[str, Any]]:
    """The settings of several processes: a migrated PostgreSQL database and a transport."""
    url = _create_database(ROLE, like=migrated_postgresql)
    with _transport(request.param) as settings:
        yield {"database_url": as_role(url), **settings}
    _drop_database(url)


@contextmanager
def _transport(name: str) -> Iterator[dict[str, Any]]:
    if name == "table":
        yield {}
        return
    url, namespace = BROKERS[name], f"hub-test-{uuid.uuid4().hex}"
    yield {"broker_url": url, "broker_namespace": namespace}
    if name == "redis":
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(f"{namespace}*", count=1000):
                client.delete(key)
    else:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            for queue in ("default", "sending"):
                connection.channel().queue_delete(f"{namespace}.{queue}")


pointers = transport


@pytest.fixture
def crypto() -> Crypto:
    return Crypto(bytes(range(32)))


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], Authority]:
    """Founds an authority of a name."""
    return lambda name: Authority(tmp_path, name)


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not HAS_POSTGRESQL:
        terminalreporter.write_line(
            "NOT COVERED: no PostgreSQL answered at HUB_TEST_POSTGRESQL_URL, so every database "
            "test ran on SQLite only."
        )
    for name in BROKERS.keys() - set(POINTERS):
        terminalreporter.write_line(
            f"NOT COVERED: no {name} answered, so no job was sent through it; set "
            "HUB_TEST_REDIS_URL and HUB_TEST_AMQP_URL."
        )
    if not (os.environ.get("HUB_TEST_HAPROXY") or shutil.which("haproxy")):
        terminalreporter.write_line(
            "NOT COVERED: HAProxy is missing, so no real proxy stood before the listener; set "
            "HUB_TEST_HAPROXY."
        )
    if not (shutil.which("node") and shutil.which("npm")):
        terminalreporter.write_line(
            "NOT COVERED: node and npm are missing, so the audits of GraphQL over HTTP and the "
            "clients on Node did not run."
        )
