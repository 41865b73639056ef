"""Up to which moment the hub holds what each connection had to give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select

from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, ConnectionPractice, InboundMessage, StreamState
from hub.storage.upsert import insert_once, insert_or_update


@dataclass(frozen=True, slots=True)
class AsOf:
    """`moment` (aware): all the connection gave until then is in the hub; None if not all of it was
    ever read."""

    connection_id: str
    moment: datetime | None


def note_stream(session: ScopedSession, connection_id: str, stream: str) -> None:
    """A stream counts from its first run on, whole or not."""
    insert_once(session, StreamState, {"connection_id": connection_id, "stream": stream})


def note_complete(session: ScopedSession, connection_id: str, stream: str, until: datetime) -> None:
    """All of a stream up to `until` is in the hub."""
    insert_or_update(
        session,
        StreamState,
        {"connection_id": connection_id, "stream": stream, "complete_until": until},
        key=["connection_id", "stream"],
        update={"complete_until": until},
    )


def forget_stream(session: ScopedSession, connection_id: str, stream: str) -> None:
    """The vendor does not offer the stream, so nothing of it is missing."""
    session.execute(
        delete(StreamState).where(
            StreamState.connection_id == connection_id, StreamState.stream == stream
        )
    )


def as_of(
    session: ScopedSession, connector_ids: Collection[str], practices: Collection[str]
) -> list[AsOf]:
    """The connections of these connectors that serve one of the practices, or all of them alike,
    in a fixed order.

    A connection with streams is as complete as the one that is furthest behind. One that is sent to
    is complete up to its last arrival: whether the sender has more is not known here. A message
    that is stored and not read yet holds either back.
    """
    wanted = _serving(session, connector_ids, practices)
    streams: dict[str, list[datetime | None]] = defaultdict(list)
    for connection_id, moment in session.execute(
        select(StreamState.connection_id, StreamState.complete_until).where(
            StreamState.connection_id.in_(wanted)
        )
    ):
        streams[connection_id].append(moment)
    waiting = _waiting(session, wanted)
    return [
        AsOf(
            connection_id,
            _earliest(streams.get(connection_id, [arrived]), waiting.get(connection_id)),
        )
        for connection_id, arrived in wanted.items()
    ]


def _earliest(moments: Sequence[datetime | None], held: datetime | None) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    if len(known) < len(moments):
        return None
    return min([*known, *([held] if held is not None else [])])


def _serving(
    session: ScopedSession, connector_ids: Collection[str], practices: Collection[str]
) -> dict[str, datetime | None]:
    """The connections asked about, each with its last arrival (one index probe)."""
    last = (
        select(func.max(InboundMessage.received_at))
        .where(InboundMessage.connection_id == Connection.id)
        .scalar_subquery()
    )
    routes = select(ConnectionPractice.connection_id)
    served = or_(
        Connection.practice_id.in_(practices),
        Connection.id.in_(routes.where(ConnectionPractice.practice_id.in_(practices))),
        and_(Connection.practice_id.is_(None), Connection.id.not_in(routes)),
    )
    rows = session.execute(
        select(Connection.id, last)
        .where(Connection.connector_id.in_(connector_ids), served)
        .order_by(Connection.id)
    )
    return {connection_id: moment for connection_id, moment in rows}  # noqa: C416 - rows are no tuples to mypy


def _waiting(session: ScopedSession, wanted: Collection[str]) -> dict[str, datetime]:
    """Since when the oldest message waits that is stored and not read."""
    rows = session.execute(
        select(InboundMessage.connection_id, func.min(InboundMessage.received_at))
        .where(InboundMessage.state == "received", InboundMessage.connection_id.in_(wanted))
        .group_by(InboundMessage.connection_id)
    )
    return {str(connection_id): since for connection_id, since in rows}
