"""The shares that decide together whether a figure across practices is shown.

They are every practice's, whoever asks. On PostgreSQL a function gives them, because row-level
security shows a practice its own only; elsewhere they are read where they lie.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, TableValuedAlias, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from hub.storage.reads.parts import SmallGroup
from hub.storage.tables.row_security import SHARES, group_function


def shares_of_group(group: SmallGroup, row_id: ColumnElement[Any]) -> TableValuedAlias:
    """Practice and weight of each share that belongs to a row."""
    shares = getattr(func, group_function(group.table.__tablename__))
    found: TableValuedAlias = shares(row_id).table_valued("practice_id", "weight")
    return found


def _read_on_sqlite(table: str, column: str) -> None:
    made = type(table, (GenericFunction,), {"name": group_function(table), "inherit_cache": True})

    @compiles(made, "sqlite")
    def _shares(element: Any, compiler: Any, **options: Any) -> str:
        wanted = compiler.process(element.clauses, **options)
        return (
            "(SELECT practice_id, standalone_cost AS weight "  # noqa: S608 - names of columns
            f"FROM {table} WHERE {column} = {wanted})"
        )


for _table, _column in SHARES.items():
    _read_on_sqlite(_table, _column)
