"""Many rows in one statement, straight to the driver: for the few paths where the cost of the layer
counts (what arrives, jobs, lanes).

SQLite takes rows as values, at most 32 in a statement, so that the prepared texts stay few;
PostgreSQL takes them as JSON with all binary columns in one value, and expands them itself. Either
way the interpreter's lock is given up a few times for a batch and not for each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import JSON, Boolean, Column, Date, Integer, LargeBinary, String, Table

from hub.storage.driver_errors import driver_errors, raise_as_layer
from hub.storage.tables.base import ExactDecimal, Money, Timestamp

if TYPE_CHECKING:
    from hub.storage.scoped_session import ScopedSession

_TIMESTAMP = Timestamp()
OFTEN_SAME = "often the same"
"""In the `info` of a table: columns that mostly have the same values in rows inserted together. If
all do, PostgreSQL reads them once and not with each row."""
MOST_VALUES = 32
"""Rows of one SQLite statement at most."""

Row = Mapping[str, Any]


def insert_rows(
    session: ScopedSession, table: Table, rows: Sequence[Row], *, conflict: str = ""
) -> None:
    """Insert rows that all give the same columns, in their order; `conflict` is the ON CONFLICT
    clause, a constant."""
    if not rows:
        return
    dialect, columns = session.bound.dialect, tuple(rows[0])
    if dialect.name == "postgresql":
        same = _same(table, rows)
        statement = recordset(table, columns, conflict, same)
        run(session, statement, _as_json(_binary(table, columns), rows, same))
        return
    for part in _parts(rows):
        values = _flat(table, columns, dialect, part)
        run(session, _values(table, columns, len(part), conflict), values)


def insert_one(session: ScopedSession, table: Table, row: Row, *, conflict: str = "") -> Any:
    """Insert a row and return its id, or None where `conflict` kept it out."""
    dialect, columns = session.bound.dialect, tuple(row)
    statement = _inserting_one(table, columns, dialect.name, conflict)
    if dialect.name == "postgresql":
        values = [orjson.dumps(v).decode() if isinstance(v, dict) else v for v in row.values()]
    else:
        values = _flat(table, columns, dialect, [row])
    found = run(session, statement, values).fetchone()
    return None if found is None else found[0]


@cache
def _inserting_one(table: Table, columns: tuple[str, ...], dialect: str, conflict: str) -> str:
    signs = ", ".join([parameter(dialect)] * len(columns))
    return f"{into(table, columns)} VALUES ({signs}) {conflict} RETURNING id"


def parameter(dialect: str) -> str:
    """The sign of a parameter."""
    return "%s" if dialect == "postgresql" else "?"


def among(dialect: str) -> str:
    """What follows a column that must have one of the values of one parameter."""
    return "= ANY(%s)" if dialect == "postgresql" else "IN (SELECT value FROM json_each(?))"


def values(dialect: str, found: Sequence[Any]) -> Any:
    """The parameter of `among`."""
    return found if dialect == "postgresql" else orjson.dumps(found).decode()


def given(dialect: str, name: str, columns: Mapping[str, str]) -> str:
    """A table expression of one parameter, rows as JSON made by `as_json`: columns and their types
    (bigint, text, timestamptz)."""
    if dialect == "postgresql":
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        return f"json_to_recordset(%s::json) AS {name}({typed})"
    values = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
    return f"(SELECT {values} FROM json_each(?)) AS {name}"  # noqa: S608 - names of columns


def moment(session: ScopedSession, value: datetime) -> Any:
    """A moment as a parameter of `run`."""
    return _TIMESTAMP.process_bind_param(value, session.bound.dialect)


def as_json(session: ScopedSession, rows: Sequence[Row]) -> str:
    """Rows for `given`; moments in the form the database compares."""
    if session.bound.dialect.name == "postgresql":
        return orjson.dumps(rows).decode()

    return orjson.dumps(
        rows, default=lambda value: moment(session, value), option=orjson.OPT_PASSTHROUGH_DATETIME
    ).decode()


def run(session: ScopedSession, statement: str, parameters: Sequence[Any]) -> Any:
    """Run a statement on the driver's own connection, in the session's transaction; its cursor,
    or None in `ending`."""
    if session.ends and session.last is not None:
        session.last.append((statement, parameters))
        return None
    connection = session.under_way()
    driver: Any = connection.connection.driver_connection
    try:
        return driver.execute(statement, parameters)
    except Exception as error:
        raise_as_layer(connection, error)


def run_last(session: ScopedSession, statement: str, parameters: Sequence[Any]) -> None:
    """Run a statement whose answer nobody waits for: PostgreSQL gets it with the COMMIT, where the
    transaction is the session's own."""
    if session.last is None:
        run(session, statement, parameters)
    else:
        session.last.append((statement, parameters))


@contextmanager
def pipelined(session: ScopedSession) -> Iterator[None]:
    """Statements run inside by `run` go to PostgreSQL without waiting for each other's answer."""
    connection = session.under_way()
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "postgresql" or driver.pgconn.pipeline_status:
        yield  # a pipeline inside of another would wait for what was sent before
        return
    with driver_errors(connection), driver.pipeline():
        yield


@contextmanager
def ending(session: ScopedSession) -> Iterator[None]:
    """`pipelined` for the last statements of a transaction, whose answers nobody reads: where it is
    the session's own PostgreSQL gets them with the COMMIT."""
    if session.last is None:
        with pipelined(session):
            yield
        return
    session.ends = True
    try:
        yield
    finally:
        session.ends = False


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while part := list(islice(rest, MOST_VALUES)):
        yield part


@cache
def _values(table: Table, columns: tuple[str, ...], count: int, conflict: str) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"{into(table, columns)} VALUES {', '.join([row] * count)} {conflict}"


def _flat(table: Table, columns: tuple[str, ...], dialect: Any, rows: Sequence[Row]) -> list[Any]:
    """The values of rows one after another, as the driver takes them."""
    values_of, width = itemgetter(*columns), len(columns)
    values = [value for row in rows for value in values_of(row)]
    for place, encode in _encoders(table, columns, dialect):
        given, encoded = object(), None
        for at in range(place, len(values), width):
            if values[at] is not given:  # many rows hold the same moment
                given = values[at]
                encoded = encode(given)
            values[at] = encoded
    return values


@cache
def _encoders(table: Table, columns: tuple[str, ...], dialect: Any) -> list[tuple[int, Any]]:
    """Places of columns whose values the driver does not take as they are."""
    types = [table.c[name].type.dialect_impl(dialect) for name in columns]
    found = [kind.bind_processor(dialect) for kind in types]
    return [(place, encode) for place, encode in enumerate(found) if encode is not None]


def into(table: Table, columns: tuple[str, ...]) -> str:
    """How an INSERT begins."""
    return f"INSERT INTO {table.name} ({', '.join(columns)})"


def _same(table: Table, rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns that PostgreSQL is told once, for all rows."""
    columns: tuple[str, ...] = table.info.get(OFTEN_SAME, ())
    if len(rows) < 2 or not columns:
        return ()
    values_of = itemgetter(*columns)
    first = values_of(rows[0])
    return columns if all(values_of(row) == first for row in rows) else ()


@cache
def recordset(
    table: Table, columns: tuple[str, ...], conflict: str = "", same: tuple[str, ...] = ()
) -> str:
    """Two parameters: the rows as JSON, and the bytes their binary columns are parts of; a third
    for columns that are the same in all rows."""
    binary = _binary(table, columns)
    wanted = [
        f"substring(given.bytes FROM r.{name}_at FOR r.{name}_size)"
        if name in binary
        else f"{'s' if name in same else 'r'}.{name}"
        for name in columns
    ]
    typed = [
        f"{name}_at int, {name}_size int" if name in binary else f"{name} {_type(table, name)}"
        for name in columns
        if name not in same
    ]
    once = ", ".join(f"{name} {_type(table, name)}" for name in same)
    return (
        f"{into(table, columns)} SELECT {', '.join(wanted)} "  # noqa: S608 - names of columns
        "FROM (SELECT %s::json AS rows, %b::bytea AS bytes) AS given, "
        f"json_to_recordset(given.rows) AS r({', '.join(typed)})"
        f"{f', json_to_record(%s::json) AS s({once})' if same else ''} {conflict}"
    )


@cache
def _binary(table: Table, columns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for name in columns if isinstance(table.c[name].type, LargeBinary))


@cache
def _type(table: Table, name: str) -> str:
    kind = table.c[name].type
    for known, written in _TYPES.items():
        if isinstance(kind, known):
            return written
    raise TypeError(f"{table.name}.{name} is of a type that is not inserted so")


_TYPES = {
    JSON: "jsonb",
    String: "text",
    ExactDecimal: "text",
    Date: "date",
    Timestamp: "timestamptz",
    Boolean: "boolean",
    Integer: "bigint",
    Money: "bigint",
}


@cache
def goes_as_json(table: Table, columns: tuple[str, ...]) -> bool:
    """Whether JSON says all values of these columns as SQLAlchemy's parameters do."""
    return all(_is_plain(table.c[name]) for name in columns)


def _is_plain(column: Column[Any]) -> bool:
    if isinstance(column.type, JSON):
        return not column.nullable  # a null of JSON is no null of SQL
    return isinstance(column.type, tuple(_TYPES))


def _as_json(
    binary: frozenset[str], rows: Sequence[Row], same: tuple[str, ...]
) -> tuple[str | bytes, ...]:
    """The parameters of `recordset`."""
    parts: list[bytes] = []
    at = 1  # PostgreSQL counts bytes from one
    records = []
    for row in rows:
        record = dict(row)
        for name in same:
            del record[name]
        for name in binary:
            part = record.pop(name)
            record[f"{name}_at"], record[f"{name}_size"] = at, len(part)
            parts.append(part)
            at += len(part)
        records.append(record)
    found = orjson.dumps(records).decode(), b"".join(parts)
    if not same:
        return found
    return *found, orjson.dumps({name: rows[0][name] for name in same}).decode()
