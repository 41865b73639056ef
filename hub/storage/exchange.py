"""One connection to PostgreSQL in an event loop, spoken to through libpq: a statement out, its
result back.

A cursor of psycopg costs four times what the exchange itself does, and offers nothing that is
needed where a statement is known beforehand and its answer is small.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import AsyncConnection, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import Buffer, PGresult

_LOST = "The database closed the connection."


class Statement(Protocol):
    """What may be sent: SQL that somebody vouches for."""

    @property
    def sql(self) -> str: ...


class Exchange:
    """A connection of the running event loop, for one statement at a time; it is `closed` once the
    server is gone. Statements are prepared when first sent."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.closed = False
        self._connection = connection
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._statements: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._result: PGresult | None = None
        self._waiting: asyncio.Future[PGresult | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    async def answer(
        self,
        part: Statement,
        values: Sequence[Buffer | None] = (),
        types: tuple[int, ...] = (),
        formats: Sequence[Format] | None = None,
    ) -> PGresult:
        """What a statement came to. Raises psycopg.Error; OperationalError with `closed` if the
        connection was lost, and nobody knows what became of the statement."""
        key = part.sql, types
        name = self._statements.get(key)
        if name is None:
            name = b"s%d" % len(self._statements)
            self._libpq.send_prepare(name, part.sql.encode(), types or None)
            await self._answer()
            self._statements[key] = name
        self._libpq.send_query_prepared(name, values, formats)
        return await self._answer()

    def close(self) -> None:
        """Take the connection down, from any thread."""
        if not self.closed:
            self._ignore()
            self.closed = True
            self._libpq.finish()

    def _ignore(self) -> None:
        """Listen to the server no more."""
        if not self.closed and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    async def _answer(self) -> PGresult:
        """What was just sent came to."""
        self._waiting = self._loop.create_future()
        if self._libpq.flush():
            self._loop.add_writer(self._socket, self._send)
        result = await self._waiting
        if result is None:
            raise OperationalError(_LOST)
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(result)
        return result

    def _send(self) -> None:
        """Send on what did not fit before."""
        if not self._libpq.flush():
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        """The server wrote something, or went away."""
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    self._resolve(self._result)
                    return
                self._result = result
        except OperationalError:
            self.close()
            self._resolve(None)

    def _resolve(self, result: PGresult | None) -> None:
        self._result = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(result)
