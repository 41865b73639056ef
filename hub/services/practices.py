"""Practices as operators name them."""

from __future__ import annotations

from sqlalchemy import or_, select

from hub.errors import NotFound
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice


def named(session: ScopedSession, practice: str) -> Practice:
    """The practice of an id or a unique name. Raises NotFound, also where several have the name."""
    found = session.scalars(
        select(Practice).where(or_(Practice.id == practice, Practice.name == practice))
    ).all()
    if len(found) != 1:
        raise NotFound(f'"{practice}" is neither the id nor the unique name of a practice.')
    return found[0]
