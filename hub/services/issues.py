"""How often what went wrong with messages: by day, connection and code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, func, literal, select

from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, DataIssue, InboundMessage


@dataclass(frozen=True, slots=True)
class IssueCount:
    """`kind` is fault (why a message was not read), issue (what of a message was not understood) or
    framing (what was tolerated around it); `day` is of UTC, ISO 8601."""

    day: str
    connection_id: str
    connection: str
    kind: str
    code: str
    count: int


def counts(
    session: ScopedSession, *, since: datetime, connection: str | None = None
) -> list[IssueCount]:
    """Counts since a moment (aware), newest day first; `connection` is a name or an id."""
    issues = _by_day(DataIssue.recorded_at, "issue", DataIssue.code).join(
        InboundMessage, InboundMessage.id == DataIssue.inbox_id
    )
    faults = _by_day(InboundMessage.received_at, "fault", InboundMessage.fault_code).select_from(
        InboundMessage
    )
    found: list[IssueCount] = []
    for statement, moment, code in (
        (issues, DataIssue.recorded_at, DataIssue.code),
        (faults, InboundMessage.received_at, InboundMessage.fault_code),
    ):
        narrowed = statement.outerjoin(
            Connection, Connection.id == InboundMessage.connection_id
        ).where(moment >= since, code.not_in(("", "ignored")))
        if connection is not None:
            named = (Connection.name == connection) | (Connection.id == connection)
            narrowed = narrowed.where(named)
        found += [
            IssueCount(day, connection_id or "", name or "", kind, of, count)
            for day, kind, of, connection_id, name, count in session.execute(narrowed)
        ]
    found += _framing(session, since, connection)
    return sorted(found, key=_newest_first)


def _framing(session: ScopedSession, since: datetime, connection: str | None) -> list[IssueCount]:
    """What was tolerated in the framing of messages: a message may show several such things."""
    noted = InboundMessage.headers["framing"].as_string()
    wanted = (
        _by_day(InboundMessage.received_at, "framing", noted)
        .select_from(InboundMessage)
        .outerjoin(Connection, Connection.id == InboundMessage.connection_id)
        .where(InboundMessage.received_at >= since, noted.is_not(None))
    )
    if connection is not None:
        wanted = wanted.where((Connection.name == connection) | (Connection.id == connection))
    summed: Counter[tuple[str, str, str, str]] = Counter()
    for day, _, warnings, connection_id, name, count in session.execute(wanted):
        for code in warnings.split(","):
            summed[day, connection_id or "", name or "", code] += count
    return [
        IssueCount(day, connection_id, name, "framing", code, count)
        for (day, connection_id, name, code), count in summed.items()
    ]


def _by_day(moment: Any, kind: str, code: Any) -> Any:
    day = cast(func.date(moment), String)
    columns = (day, literal(kind), code, Connection.id, Connection.name)
    return select(*columns, func.count()).group_by(day, code, Connection.id, Connection.name)


def _newest_first(found: IssueCount) -> tuple[Any, ...]:
    return (tuple(-ord(c) for c in found.day), found.connection, -found.count, found.code)


def totals(found: Sequence[IssueCount]) -> dict[str, int]:
    """Code -> how often, over all days and connections."""
    summed: dict[str, int] = {}
    for one in found:
        summed[one.code] = summed.get(one.code, 0) + one.count
    return summed
