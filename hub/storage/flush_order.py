"""The order in which a session writes its tables: whom a foreign key points to comes first.

Relationships would tell the session so; the tables here have none. With this, a transaction that
makes many patients with all that belongs to them writes each table once. SQLAlchemy has no public
name for it; `tests/hub/storage/test_flush_order.py` fails when a new version does it otherwise.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper, object_mapper, unitofwork
from sqlalchemy.orm.unitofwork import UOWTransaction

from hub.storage.tables import Base

_WRITING: Any = unitofwork._SaveUpdateAll


def follow_foreign_keys(sessions: type[Any]) -> None:
    """Have sessions of a class write in that order."""
    event.listen(sessions, "before_flush", _order)


def _order(session: Any, flush: UOWTransaction, _: object) -> None:
    mappers: set[Mapper[Any]] = {object_mapper(row) for row in session.new}
    if not mappers:
        return
    mappers |= {object_mapper(row) for row in session.dirty}
    places = _places()
    written = [
        _WRITING(flush, mapper)
        for mapper in sorted(mappers, key=lambda mapper: places[mapper.local_table])
    ]
    flush.dependencies.update(pairwise(written))


def _places() -> dict[Any, int]:
    if not _PLACES:
        _PLACES.update({table: place for place, table in enumerate(Base.metadata.sorted_tables)})
    return _PLACES


_PLACES: dict[Any, int] = {}
