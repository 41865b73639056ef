"""Runs compiled parts on the database driver itself: the one place that touches its cursor.

SQLAlchemy costs more per statement than the statement does, so reads whose answer is text go past
it. Nothing but a `CompiledPart` is accepted, values are always bound, the connections can only
read, and no text leaves before its marks were checked against the scope.
"""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, RawCursor
from psycopg_pool import ConnectionPool
from sqlalchemy.engine import make_url

from hub.domain.agreements import Scope
from hub.storage.reads.compile import CompiledPart
from hub.storage.reads.marks import Marks
from hub.storage.reads.reading import Reading
from hub.storage.reads.scoping import Sets
from hub.storage.reads.text import SQLITE_NODE_ID, Postgresql, Sqlite, Writer
from hub.storage.reads.write import global_id
from hub.storage.running import STATEMENT_SECONDS, Running

POOL_SIZE = 8
KEPT_STATEMENTS = 256
MAP_THE_FILE = "PRAGMA mmap_size=268435456"  # bytes
_OPTIONS = (
    f"-c default_transaction_read_only=on -c statement_timeout={int(STATEMENT_SECONDS * 1000)} "
    "-c timezone=UTC "
    "-c datestyle=ISO -c jit=off"
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The JSON text of each root, what was read, and the rows of each root page by its number."""

    texts: tuple[str, ...]
    reading: Reading
    root_rows: dict[int, int]


class TextReads(ABC):
    """Runs compiled parts; shared by all threads."""

    writer: Writer

    def run(
        self,
        scope: Scope,
        sets: Sets,
        part: CompiledPart,
        values: Sequence[Any],
        running: Running | None = None,
    ) -> Texts:
        """The texts of a part for one scope, as one statement in one snapshot. Blocking.

        Raises OutOfScope if a row of another practice came back, NotFound for an unknown cursor,
        TooSlow if `running` was stopped or the statement took too long.
        """
        parameters = [fill(values, sets, scope) for fill in part.fills]
        found = self._execute(part, parameters, running or Running())
        marks = Marks(part.marks, scope)
        texts = tuple(marks.release(text) for text in found)
        return Texts(texts, marks.reading, marks.root_rows)

    @abstractmethod
    def close(self) -> None:
        """Close every connection."""

    @abstractmethod
    def _execute(
        self, part: CompiledPart, parameters: list[Any], running: Running
    ) -> Sequence[str]: ...


class PostgresqlReads(TextReads):
    """A pool of its own: autocommit, read-only, prepared statements."""

    writer = Postgresql()

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="postgresql")
        self._pool = ConnectionPool[Connection[tuple[str, ...]]](
            address.render_as_string(hide_password=False),
            min_size=0,
            max_size=POOL_SIZE,
            open=False,
            kwargs={"autocommit": True, "options": _OPTIONS, "connect_timeout": 5},
        )
        self._lock = threading.Lock()
        self._closed = False

    def _execute(
        self, part: CompiledPart, parameters: list[Any], running: Running
    ) -> Sequence[str]:
        if self._pool.closed:
            self._open()
        connection = self._pool.getconn()
        try:
            with running.on(connection):
                cursor = RawCursor(connection)
                row = cursor.execute(part.sql.encode(), parameters, prepare=True).fetchone()
        finally:
            if running.stopped:
                connection.close()
            self._pool.putconn(connection)
        return row or ()

    def _open(self) -> None:
        """At the first read: who never reads text needs no connections."""
        with self._lock:
            if self._pool.closed and not self._closed:
                self._pool.open()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._pool.close()


class SqliteReads(TextReads):
    """Connections that are made at need and kept."""

    writer = Sqlite()

    def __init__(self, url: str) -> None:
        self._path = str(make_url(url).database)
        self._idle: deque[sqlite3.Connection] = deque()

    def _execute(
        self, part: CompiledPart, parameters: list[Any], running: Running
    ) -> Sequence[str]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            with running.on(connection):
                row: Sequence[str] = connection.execute(part.sql, parameters).fetchone()
        finally:
            if running.stopped:
                connection.close()
            else:
                self._idle.append(connection)
        return row

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=KEPT_STATEMENTS,
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(MAP_THE_FILE)
        connection.create_function(SQLITE_NODE_ID, 2, global_id, deterministic=True)
        return connection

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def text_reads(url: str) -> TextReads:
    """The reads of the database at a SQLAlchemy URL; connects at the first one."""
    if make_url(url).get_backend_name() == "sqlite":
        return SqliteReads(url)
    return PostgresqlReads(url)
