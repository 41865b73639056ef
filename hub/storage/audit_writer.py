"""Audit events of many requests, appended to the chain of PostgreSQL in one exchange.

One statement moves the head from the digest it had to the digest of the last event, and inserts the
events if it did; being alone in its transaction, it is durable when it is answered. Where somebody
else moved the head meanwhile nothing happens, and the events are appended once more under its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from psycopg import AsyncConnection, OperationalError
from sqlalchemy import bindparam, column, insert, select, true, update, values
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url

from hub import metrics
from hub.errors import HubError
from hub.storage.audit_chain import NO_EVENTS, PARTITION, Event, Head, chained
from hub.storage.audit_trails import Trail
from hub.storage.exchange import Exchange
from hub.storage.postgresql import NETWORK, options
from hub.storage.tables import AuditEvent, AuditHead

STATEMENT_SECONDS = 8.0
_EVENTS: Any = AuditEvent.__table__
_HEADS: Any = AuditHead.__table__
_DIALECT: Any = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_COLUMNS = tuple(each.key for each in _EVENTS.columns)


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str


_LOCK_HEAD = _Statement("SELECT digest, count FROM audit_heads WHERE partition = $1 FOR UPDATE")
_BEGIN_CHAIN = _Statement(
    "INSERT INTO audit_heads (partition, digest, count) VALUES ($1, $2, $3::int) "
    "ON CONFLICT DO NOTHING"
)
_DIGEST_AT = _Statement("SELECT digest FROM audit_events WHERE sequence = $1::bigint")
_BEGIN, _COMMIT = _Statement("BEGIN"), _Statement("COMMIT")


class PostgresqlTrail(Trail):
    """The connection of one event loop."""

    away = (OperationalError,)

    def __init__(self, url: str, under_way: Callable[[], int]) -> None:
        super().__init__(under_way)
        address = make_url(url).set(drivername="postgresql")
        self._address = address.render_as_string(hide_password=False)
        self._wire: Exchange | None = None
        self._left: Head | None = None
        """The head as this connection left it, or may have; `alone` if nobody else seems to move
        it."""
        self._alone = False

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    async def _write(self, events: Sequence[Event]) -> None:
        with metrics.commit_seconds.time():
            await self._durable(events)
        metrics.commit_works.observe(len(events))

    async def _durable(self, events: Sequence[Event]) -> None:
        """Append events; once more if the connection was lost and they with it."""
        before = self._left
        wire = await self._connected()
        try:
            if self._alone and before is not None and await self._move(wire, events, before):
                return
            await self._append_locked(wire, events)
        except OperationalError:
            if not wire.closed:
                raise
            sent = None if self._left == before else self._left
            await self._append_locked(await self._connected(), events, sent)

    async def _append_locked(
        self, wire: Exchange, events: Sequence[Event], sent: Head | None = None
    ) -> None:
        """Append events while nobody else can, unless those `sent` before its answer was lost are
        there."""
        try:
            await wire.answer(_BEGIN)
            head = await self._locked_head(wire)
            self._alone = head == self._left
            there = sent is not None and await self._is_written(wire, sent)
            if not there and not await self._move(wire, events, head):
                raise HubError("The head of the audit trail moved under its lock.")
            await wire.answer(_COMMIT)
        except BaseException:
            wire.close()  # whatever its transaction holds is given up
            raise

    async def _move(self, wire: Exchange, events: Sequence[Event], head: Head) -> bool:
        """Append events after `head`; False, and nothing is done, if that is the head no more."""
        rows, left = chained(events, head)
        texts = [_text(row[column]) for row in rows for column in _COLUMNS]
        self._left = left
        moved = [_text(value) for value in (left.digest, left.sequence, PARTITION, head.digest)]
        result = await wire.answer(_appending(len(rows)), [*moved, *texts])
        return result.command_tuples == len(rows)

    @staticmethod
    async def _is_written(wire: Exchange, head: Head) -> bool:
        result = await wire.answer(_DIGEST_AT, [_text(head.sequence)])
        return result.ntuples == 1 and result.get_value(0, 0) == head.digest.encode()

    @staticmethod
    async def _locked_head(wire: Exchange) -> Head:
        result = await wire.answer(_LOCK_HEAD, [_text(PARTITION)])
        if result.ntuples == 0:  # perhaps another process begins the chain at this moment
            await wire.answer(_BEGIN_CHAIN, [_text(PARTITION), *map(_text, NO_EVENTS)])
            result = await wire.answer(_LOCK_HEAD, [_text(PARTITION)])
        digest, count = (result.get_value(0, place) or b"" for place in range(2))
        return Head(digest.decode(), int(count))

    async def _connected(self) -> Exchange:
        if self._wire is None or self._wire.closed:
            connection = await AsyncConnection[Any].connect(
                self._address,
                autocommit=True,
                options=options(STATEMENT_SECONDS),
                client_encoding="utf8",
                **NETWORK,
            )
            self._wire = Exchange(connection)
        return self._wire


def _text(value: object) -> bytes:
    """A value as PostgreSQL reads it."""
    if isinstance(value, str):
        text = value.encode()
        if b"\x00" in text:
            raise ValueError("PostgreSQL stores no U+0000")
        return text
    if isinstance(value, datetime):
        return value.isoformat().encode()
    return orjson.dumps(value)


@cache
def _appending(count: int) -> _Statement:
    """Moves the head from a digest and appends so many events; its parameters are the new digest
    and count, the partition and the digest before, then the columns of each event."""
    moved = (
        update(_HEADS)
        .where(_HEADS.c.partition == bindparam("partition"), _HEADS.c.digest == bindparam("before"))
        .values(digest=bindparam("digest"), count=bindparam("count"))
        .returning(_HEADS.c.partition)
        .cte("moved")
    )
    given = values(*(column(each.key, each.type) for each in _EVENTS.c), name="given").data(
        [
            tuple(bindparam(f"{each.key}_{place}", type_=each.type) for each in _EVENTS.c)
            for place in range(count)
        ]
    )
    rows = select(*given.c).select_from(moved.join(given, true()))
    statement = insert(_EVENTS).from_select(_COLUMNS, rows)
    return _Statement(str(statement.compile(dialect=_DIALECT)))
