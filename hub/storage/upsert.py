"""INSERT … ON CONFLICT on both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite

from hub.errors import Forbidden
from hub.storage.scoped_session import ScopedSession
from hub.storage.tables import PracticeOwned


def dialect_of(session: ScopedSession) -> str:
    return session.bound.dialect.name


def insert(dialect: str, table: type[Any] | Table) -> Any:
    """INSERT of a database that knows ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_once(session: ScopedSession, table: type[Any], values: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique key stands in the way; True if it was inserted."""
    _refuse_foreign(session, table, values)
    keys = [column.key for column in table.__table__.primary_key]
    statement = insert(dialect_of(session), table).values(**values).on_conflict_do_nothing()
    returning = [getattr(table, key) for key in keys]
    return session.execute(statement.returning(*returning)).first() is not None


def insert_or_update(
    session: ScopedSession,
    table: type[Any],
    values: Mapping[str, Any],
    *,
    key: Sequence[str],
    update: Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
) -> None:
    """Insert a row, or update the one with the same `key` (only where `where` holds)."""
    _refuse_foreign(session, table, values)
    statement = insert(dialect_of(session), table).values(**values)
    session.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=dict(update), where=where)
    )


def _refuse_foreign(session: ScopedSession, table: type[Any], values: Mapping[str, Any]) -> None:
    """What the flush guard does, for statements that no flush goes through."""
    scope = session.scope
    if scope.unrestricted or not issubclass(table, PracticeOwned):
        return
    if values.get("practice_id") not in scope.rows.get(table.domain, frozenset()):
        raise Forbidden("This work may not write rows of another practice.")
