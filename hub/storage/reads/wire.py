"""One connection to PostgreSQL, spoken to through libpq: a prepared statement out, one row back.

A cursor of psycopg costs four times what the exchange itself does, and offers nothing that is
needed where a statement answers with one row of text and the policy version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from hub.storage.reads.compile import CompiledPart
from hub.storage.running import CANCEL_SECONDS

KEPT_STATEMENTS = 256
_LOST = "The database closed the connection."


class Wire:
    """A connection of the running event loop, for one statement at a time; it is `closed` once the
    server is gone, or once it has prepared enough."""

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

    async def row(self, part: CompiledPart, parameters: Sequence[Any]) -> list[bytes]:
        """The one row of a part, as the server wrote it. Raises psycopg.Error; cancelled, it
        ends the statement, and the connection with it."""
        try:
            return await self._row(part, parameters)
        except asyncio.CancelledError:
            self._ignore()
            await self._connection.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise

    async def _row(self, part: CompiledPart, parameters: Sequence[Any]) -> list[bytes]:
        transformer = Transformer()
        values = transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        key = part.sql, transformer.types or ()
        name = self._statements.get(key)
        if name is None:
            name = b"read%d" % len(self._statements)
            self._libpq.send_prepare(name, part.sql.encode(), transformer.types)
            await self._answer(ExecStatus.COMMAND_OK)
            self._statements[key] = name
        self._libpq.send_query_prepared(name, values, transformer.formats)
        result = await self._answer(ExecStatus.TUPLES_OK)
        if len(self._statements) >= KEPT_STATEMENTS:
            self.close()
        return [result.get_value(0, column) or b"" for column in range(result.nfields)]

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

    async def _answer(self, expected: ExecStatus) -> PGresult:
        """What the statement just sent came to."""
        self._waiting = self._loop.create_future()
        self._send()
        result = await self._waiting
        if result is None or result.status != expected:
            raise OperationalError(_LOST) if result is None else error_from_result(result)
        return result

    def _send(self) -> None:
        if self._libpq.flush():
            self._loop.add_writer(self._socket, self._send)
        else:
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
