"""Runs compiled parts on the database driver itself: the one place that touches its cursor.

SQLAlchemy costs more per statement than the statement does, so reads whose answer is text go past
it. Nothing but a `CompiledPart` is accepted, values are always bound, the connections can only
read, and no text leaves before policy version and marks were checked.
"""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from psycopg import AsyncConnection, Error, OperationalError
from sqlalchemy.engine import make_url

from hub.domain.agreements import Scope
from hub.storage.per_loop import PerLoop
from hub.storage.postgresql import NETWORK, options
from hub.storage.reads.compile import CompiledPart
from hub.storage.reads.marks import Marks
from hub.storage.reads.reading import PolicyChanged, Reading
from hub.storage.reads.scoping import Sets
from hub.storage.reads.shared import SharedReads
from hub.storage.reads.text import Postgresql, Sqlite, Writer
from hub.storage.reads.threads import Threads
from hub.storage.reads.turns import Turns
from hub.storage.reads.wire import Wire
from hub.storage.reads.write import with_global_ids
from hub.storage.running import STATEMENT_SECONDS, Running, refuse_slow

CONNECTIONS = 8
AT_ONCE, LONG_SECONDS = 4, 0.01
"""Short reads of PostgreSQL that an event loop has under way, and when a read is none any more. One
more than keeps its processors busy makes the others slower: what each connection has in the
processors' caches drives out that of the rest."""
SMALL = 1_000
"""Characters of a statement for PostgreSQL that reads a row or two, and need not wait for that."""
SQLITE_AT_ONCE, SQLITE_LONG_SECONDS = 2, 0.02
"""The same of SQLite, which runs them in threads of this process."""
PREPARED = 64
"""Statements SQLite keeps prepared on each connection; one takes some 60 kB."""
MAP_THE_FILE = "PRAGMA mmap_size=268435456"  # bytes
_OPTIONS = f"{options(STATEMENT_SECONDS, reads_only=True)} -c datestyle=ISO -c jit=off"
Row = Sequence[Any]
"""The texts of a part and the policy version."""


class Texts(NamedTuple):
    """The JSON text of each root, what was read, and the rows of each root page by its number."""

    texts: Sequence[str]
    reading: Reading
    root_rows: dict[int, int]


class TextReads(ABC):
    """Runs compiled parts; shared by all event loops of the process."""

    writer: Writer
    under_way = 0
    """How many reads are."""

    def __init__(self) -> None:
        self._shared: PerLoop[SharedReads[Texts]] = PerLoop(SharedReads)

    async def run(
        self,
        scope: Scope,
        sets: Sets,
        part: CompiledPart,
        values: Sequence[Any],
        *,
        policy: int | None,
        running: Running | None = None,
    ) -> Texts:
        """The texts of a part for one scope, as one statement in one snapshot.

        `policy` is the version under which the scope was looked up; None where it is nobody's.
        Raises PolicyChanged if another one holds by now, OutOfScope if a row of another practice
        came back, NotFound for an unknown cursor, TooSlow if the statement took too long or
        `running` was stopped. Cancelling the task ends the statement.
        """
        parameters = [fill(values, sets, scope) for fill in part.fills]
        self.under_way += 1
        try:
            row = await self._execute(part, parameters, running or Running())
        finally:
            self.under_way -= 1
        if policy is not None and row[-1] != policy:
            raise PolicyChanged("The rights of the credential changed meanwhile.")
        marks = Marks(part.marks, scope)
        texts = [marks.release(text) for text in row[:-1]]
        return Texts(texts, marks.reading, marks.root_rows)

    async def shared(
        self,
        scope: Scope,
        sets: Sets,
        part: CompiledPart,
        values: Sequence[Hashable],
        *,
        policy: int | None,
    ) -> Texts:
        """As `run`, of a part that reads the same in every scope: one statement for all who ask for
        it at the same time, begun after each of them asked."""
        return await self._shared.get().get(
            (part, *values, policy), lambda: self.run(scope, sets, part, values, policy=policy)
        )

    @abstractmethod
    def close(self) -> None:
        """Close every connection; one that is in use when its read is over."""

    @abstractmethod
    async def _execute(
        self, part: CompiledPart, parameters: list[Any], running: Running
    ) -> Row: ...


class _Connections:
    """The connections of one event loop: made at need, kept, never more than `CONNECTIONS`."""

    def __init__(self) -> None:
        self.turns = Turns(AT_ONCE, LONG_SECONDS, CONNECTIONS)
        self.idle: list[Wire] = []

    def close(self) -> None:
        for wire in self.idle:
            wire.close()
        self.idle.clear()


class PostgresqlReads(TextReads):
    """Autocommit, read-only, prepared statements. A list of idle connections instead of psycopg's
    pool, which costs a quarter of a small read."""

    writer = Postgresql()

    def __init__(self, url: str) -> None:
        super().__init__()
        address = make_url(url).set(drivername="postgresql")
        self._address = address.render_as_string(hide_password=False)
        self._connections = PerLoop(_Connections, _Connections.close)
        self._closed = False

    async def _execute(self, part: CompiledPart, parameters: list[Any], running: Running) -> Row:
        connections = self._connections.get()
        turn = await connections.turns.take(small=len(part.sql) <= SMALL)
        try:
            while connections.idle:
                wire = connections.idle.pop()
                try:
                    return await self._on(wire, connections, part, parameters)
                except OperationalError:
                    if not wire.closed:
                        raise
                    # The server ended it while it was idle; a read may be asked again.
            return await self._on(await self._connect(), connections, part, parameters)
        finally:
            connections.turns.give_back(turn)

    async def _on(
        self, wire: Wire, connections: _Connections, part: CompiledPart, parameters: list[Any]
    ) -> Row:
        try:
            *texts, version = await wire.row(part, parameters)
        except Error as error:
            refuse_slow(error)
            raise
        finally:
            if self._closed:
                wire.close()
            elif not wire.closed:
                connections.idle.append(wire)
        return *(text.decode() for text in texts), int(version)

    async def _connect(self) -> Wire:
        connection = await AsyncConnection[Row].connect(
            self._address,
            autocommit=True,
            options=_OPTIONS,
            client_encoding="utf8",
            **NETWORK,
        )
        return Wire(connection)

    def close(self) -> None:
        self._closed = True
        for connections in self._connections.values():
            connections.close()


class SqliteReads(TextReads):
    """Threads with a connection each; one hop for a request. More than a few at once spend their
    time waiting for SQLite's allocator and the interpreter; others begin as soon as one of them
    turns out to be long."""

    writer = Sqlite()

    def __init__(self, url: str) -> None:
        super().__init__()
        self._address = f"file:{quote(str(make_url(url).database))}?mode=ro"
        self._threads = Threads("reads", CONNECTIONS, self._connect)
        self._turns = PerLoop(lambda: Turns(SQLITE_AT_ONCE, SQLITE_LONG_SECONDS, CONNECTIONS))

    async def _execute(self, part: CompiledPart, parameters: list[Any], running: Running) -> Row:
        turns = self._turns.get()
        turn = await turns.take()
        try:
            return await self._threads.run(
                lambda connection: self._read(connection, part, parameters, running)
            )
        except asyncio.CancelledError:
            running.stop()
            raise
        finally:
            turns.give_back(turn)

    @staticmethod
    def _read(
        connection: sqlite3.Connection,
        part: CompiledPart,
        parameters: list[Any],
        running: Running,
    ) -> Row:
        with running.on(connection):
            *texts, version = connection.execute(part.sql, parameters).fetchone()
        return *map(with_global_ids, texts), version

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            uri=True,
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=PREPARED,
        )
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(MAP_THE_FILE)
        return connection

    def close(self) -> None:
        self._threads.close()


def text_reads(url: str) -> TextReads:
    """The reads of the database at a SQLAlchemy URL; connects at the first one."""
    if make_url(url).get_backend_name() == "sqlite":
        return SqliteReads(url)
    return PostgresqlReads(url)
