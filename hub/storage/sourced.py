"""Finding a practice's row by the key its source gave it."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import select

from hub.storage import known
from hub.storage.session import ScopedSession

Row = TypeVar("Row")


def find(
    session: ScopedSession,
    table: type[Row],
    practice_id: str,
    connection_id: str | None,
    external_id: str,
) -> Row | None:
    """The row of a practice-owned, sourced `table`, or None."""
    owned: Any = table
    ahead = known.of(session, practice_id)
    if ahead is not None:
        row: Row | None
        answered, row = ahead.find(session, table, (connection_id, external_id))
        if answered:
            return row
    return session.scalars(
        select(table).where(
            owned.practice_id == practice_id,
            owned.connection_id == connection_id,
            owned.external_id == external_id,
        )
    ).first()


def id_of(
    session: ScopedSession,
    table: type[Any],
    practice_id: str,
    connection_id: str | None,
    external_id: str,
) -> str | None:
    """The id of that row."""
    found: str | None = session.scalar(
        select(table.id).where(
            table.practice_id == practice_id,
            table.connection_id == connection_id,
            table.external_id == external_id,
        )
    )
    return found
