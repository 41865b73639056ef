"""How PostgreSQL gets the new objects of a session: all of a table as JSON in one statement.

SQLAlchemy would write a statement with a parameter for each value of each row, which the driver,
the parser and the planner then read anew for every number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Engine, Insert, Table, event

from hub.storage import bulk


def insert_as_json(engine: Engine) -> None:
    """Have an engine of PostgreSQL insert many rows so."""
    event.listen(engine, "do_executemany", _insert)


def _insert(
    cursor: Any, text: str, parameters: Sequence[Mapping[str, Any]], context: Any
) -> bool | None:
    """True if it was done; anything else than rows of plain values is left to the dialect."""
    table, columns = _plain_table(context.compiled), tuple(parameters[0])
    if table is None or not text.startswith(f"{bulk.into(table, columns)} VALUES (%({columns[0]})"):
        return None  # something else than a value for each column
    if not bulk.goes_as_json(table, columns):
        return None
    rows = orjson.dumps([dict(row) for row in parameters], default=_unwrapped).decode()
    cursor.execute(bulk.recordset(table, columns), (rows, b""))
    return True


def _plain_table(compiled: Any) -> Table | None:
    """The table of an INSERT without RETURNING and ON CONFLICT."""
    statement = getattr(compiled, "statement", None)
    if not isinstance(statement, Insert) or compiled.effective_returning:
        return None
    if statement._post_values_clause is not None or not isinstance(statement.table, Table):
        return None
    return statement.table


def _unwrapped(value: Any) -> Any:
    """What psycopg was to write as JSON."""
    return value.obj
