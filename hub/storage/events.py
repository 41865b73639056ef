"""Events in the order they became durable.

Triggers write them without a number (`tables/triggers.py`). A number is given afterwards, under a
lock and to committed rows only: a number handed out at the time of writing could become visible
after a higher one, and whoever reads on from the higher one would miss it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from hub.storage.session import ScopedSession
from hub.storage.tables import Event, EventHead
from hub.storage.upsert import insert_once

_HEAD = "events"
MOST_AT_ONCE = 5_000


def pending(session: ScopedSession) -> bool:
    """True if there are events without a number."""
    found = session.scalar(select(Event.id).where(*_unnumbered(session)).limit(1))
    return found is not None


def _unnumbered(session: ScopedSession) -> list[ColumnElement[bool]]:
    """SQLite commits events in the order of their ids, so that those without a number come after
    the last one that has one, and no index of them is written with each event. On PostgreSQL an
    event may become durable after others of higher ids."""
    waits = Event.sequence.is_(None)
    if session.bound.dialect.name == "postgresql":
        return [waits]
    numbered = select(Event.id).where(Event.sequence.is_not(None))
    last = numbered.order_by(Event.sequence.desc()).limit(1).scalar_subquery()
    return [waits, Event.id > func.coalesce(last, 0)]


def number(session: ScopedSession) -> int:
    """Number the events that have none, in the order they were written; returns the last number."""
    head = session.get(EventHead, _HEAD, with_for_update=True)
    if head is None:
        insert_once(session, EventHead, {"name": _HEAD, "sequence": 0, "pruned": 0})
        head = session.get_one(EventHead, _HEAD, with_for_update=True)
    rows = (
        select(Event.id, func.row_number().over(order_by=Event.id).label("place"))
        .where(*_unnumbered(session))
        .order_by(Event.id)
        .limit(MOST_AT_ONCE)
        .subquery()
    )
    numbered = session.execute(
        update(Event)
        .where(Event.id == rows.c.id)
        .values(sequence=head.sequence + rows.c.place)
        .returning(Event.sequence)
        .execution_options(synchronize_session=False)
    ).all()
    head.sequence += len(numbered)
    session.flush()
    return head.sequence


def head(session: ScopedSession) -> tuple[int, int]:
    """The last number given, and the last one whose event was deleted."""
    row = session.get(EventHead, _HEAD)
    return (0, 0) if row is None else (row.sequence, row.pruned)


def after(
    session: ScopedSession,
    topic: str,
    sequence: int,
    *,
    until: int,
    practices: Collection[str] | None,
    row_id: str | None = None,
    parent_id: str | None = None,
    limit: int = 100,
) -> Sequence[Event]:
    """Events of a topic after `sequence` up to `until`, of these practices or of none (None: all).

    `row_id` and `parent_id` narrow them to one row, or to the rows of one connection or round.
    """
    statement = select(Event).where(
        Event.topic == topic, Event.sequence > sequence, Event.sequence <= until
    )
    if practices is not None:
        mine = Event.practice_id.in_(sorted(practices))
        statement = statement.where(or_(Event.practice_id.is_(None), mine))
    if row_id is not None:
        statement = statement.where(Event.row_id == row_id)
    if parent_id is not None:
        statement = statement.where(Event.parent_id == parent_id)
    return session.scalars(statement.order_by(Event.sequence).limit(limit)).all()


def prune(session: ScopedSession, *, before: datetime) -> bool:
    """Delete some of the events older than `before`, those written first before others; resuming
    from before them is refused afterwards. True if there may be more."""
    row = session.get(EventHead, _HEAD, with_for_update=True)
    first = session.execute(
        select(Event.id, Event.recorded_at).order_by(Event.id).limit(MOST_AT_ONCE)
    ).all()
    ids = [event_id for event_id, recorded_at in first if recorded_at < before]
    last = session.scalar(select(func.max(Event.sequence)).where(Event.id.in_(ids)))
    session.execute(delete(Event).where(Event.id.in_(ids)))
    if row is not None and last is not None:
        row.pruned = max(row.pruned, last)
        session.flush()
    return bool(ids) and len(first) == MOST_AT_ONCE
