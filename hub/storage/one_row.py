"""One row inserted, for its id: a job added by itself, in a transaction that does other work too.

On PostgreSQL the statement goes through libpq, prepared once for each connection, because a cursor
of psycopg costs twice what all else of it does.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from typing import cast as typed

import orjson
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from hub.storage import bulk
from hub.storage.driver_errors import driver_errors

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

    from hub.storage.scoped_session import ScopedSession

_PREPARED = "statements prepared through libpq"


def insert(
    session: ScopedSession, table: Table, row: bulk.Row, *, conflict: str = ""
) -> int | None:
    """Insert a row and return its id, or None where `conflict` (a constant) kept it out."""
    connection, columns = session.connection(), tuple(row)
    if connection.dialect.name == "postgresql":
        return _into_postgresql(connection, _inserting(table, columns, "$", conflict), row)
    values = bulk.flat(table, columns, connection.dialect, [row])
    found = bulk.run(session, _inserting(table, columns, "?", conflict), values).fetchone()
    return None if found is None else int(found[0])


@cache
def _inserting(table: Table, columns: tuple[str, ...], sign: str, conflict: str) -> str:
    places = range(1, len(columns) + 1)
    signs = ", ".join(f"${place}" if sign == "$" else sign for place in places)
    return f"{bulk.into(table, columns)} VALUES ({signs}) {conflict} RETURNING id"


def _into_postgresql(connection: Connection, statement: str, row: bulk.Row) -> int | None:
    driver = typed("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver_errors(connection):
        values = _as_texts(row)
        if driver.pgconn.transaction_status != TransactionStatus.INTRANS:
            driver.execute("SELECT 1")  # begins it, or says why nothing more can be done in it
        result = _answer(
            driver.pgconn, connection.info.setdefault(_PREPARED, {}), statement, values
        )
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result, encoding=driver.info.encoding)
    found = result.get_value(0, 0) if result.ntuples else None
    return None if found is None else int(found)


def _answer(
    libpq: PGconn, prepared: dict[str, bytes], statement: str, values: list[bytes | None]
) -> PGresult:
    name = prepared.get(statement)
    if name is None:
        name = b"hub_%d" % len(prepared)
        result = libpq.prepare(name, statement.encode())
        if result.status != ExecStatus.COMMAND_OK:
            return result
        prepared[statement] = name
    return libpq.exec_prepared(name, typed("list[bytes]", values))  # it takes None for NULL


def _as_texts(row: bulk.Row) -> list[bytes | None]:
    try:
        return [as_text(value) for value in row.values()]
    except ValueError as error:
        raise psycopg.DataError(*error.args) from error


def as_text(value: object) -> bytes | None:
    """A value as PostgreSQL reads it. Raises ValueError for text it cannot store."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.encode()
        if b"\x00" in text:
            raise ValueError("PostgreSQL stores no U+0000")
        return text
    if isinstance(value, datetime):
        return value.isoformat().encode()
    return orjson.dumps(value)
