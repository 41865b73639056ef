"""Subscriptions whatever they are carried by: events in order, each read under the rights of the
moment it is delivered.

A subscriber holds no queue: it remembers the number of its last event and reads on from there, so
that a slow one costs no memory and a new connection goes on where the old one ended.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphql import OperationType
from starlette.concurrency import run_in_threadpool

from hub import log
from hub.domain.agreements import operations_scope
from hub.entrypoints.graphql_operations import Opened, Operations
from hub.entrypoints.graphql_request import Question
from hub.entrypoints.open_streams import OpenStreams
from hub.errors import Conflict, Rejected
from hub.storage import events
from hub.storage.session import Database
from schema.subscriptions import Change, Wanted, wanted

logger = log.get(__name__)
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.02
RECHECK_SECONDS = 15.0
_SCOPE = operations_scope("events")


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as its subscriber gets it; `sequence` None says only that the stream is alive."""

    sequence: int | None
    content: dict[str, Any]


ALIVE = Notice(None, {})


class Relay:
    """Numbers new events and wakes the subscribers of this process.

    It looks after each commit made here, and once a second for those of other processes; without
    subscribers it rests.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be something new."""
        wake = asyncio.Event()
        with self._lock:
            self._watchers[wake] = asyncio.get_running_loop()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        try:
            yield wake
        finally:
            with self._lock:
                del self._watchers[wake]

    def advance(self) -> int:
        """Number what has no number yet; returns the last number given. Blocking."""
        with self._database.read(_SCOPE) as session:
            if not events.pending(session):
                return events.head(session)[0]
        return self._database.transaction(_SCOPE, events.number)

    def _run(self) -> None:
        told = -1
        while True:
            self._database.committed.wait(POLL_SECONDS)
            self._database.committed.clear()
            time.sleep(GATHER_SECONDS)
            if not self._has_watchers():  # the database may be closed by now
                return
            try:
                head = self.advance()
            except Exception as error:
                logger.error("events not numbered", error_type=type(error).__name__)
                time.sleep(POLL_SECONDS)
                continue
            if head != told:
                told = head
                self._wake_all()

    def _has_watchers(self) -> bool:
        with self._lock:
            if not self._watchers:
                self._thread = None
            return bool(self._watchers)

    def _wake_all(self) -> None:
        with self._lock:
            for wake, loop in self._watchers.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(wake.set)


class Subscriptions:
    """The subscriptions of one process."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._database = operations.hub.database
        self._relay = Relay(self._database)
        self.open = OpenStreams()

    async def notices(
        self, question: Question, authorization: str | None, last_event_id: str | None = None
    ) -> AsyncGenerator[Notice, None]:
        """Events from now on, or after the one named; with signs of life in between.

        Raises what `Operations.open` raises, at the start and at any later event: a credential that
        was revoked, a document that was taken away, query cost that is used up. Raises Throttled if
        the credential holds too many streams.
        """
        with self._relay.watching() as wake:
            opened = await run_in_threadpool(self._opened, question, authorization)
            with self.open.held(opened.context.principal.id):
                wish, position = await run_in_threadpool(self._begin, opened, last_event_id)
                while True:
                    wake.clear()
                    changes, position = await run_in_threadpool(
                        self._changes, question, authorization, wish, position
                    )
                    for change in changes:
                        data = await run_in_threadpool(self._read, question, authorization, change)
                        if data is not None:
                            yield Notice(change.sequence, {"data": data})
                    if not changes:
                        try:
                            await asyncio.wait_for(wake.wait(), RECHECK_SECONDS)
                        except TimeoutError:
                            yield ALIVE

    def _begin(self, opened: Opened, last_event_id: str | None) -> tuple[Wanted, int]:
        self._operations.reserve(opened)
        wish = wanted(opened.prepared.operation)
        head = self._relay.advance()
        after = wish.after
        if after is None and last_event_id is not None:
            if not (last_event_id.isascii() and last_event_id.isdigit()):
                raise Rejected("Last-Event-ID must be the id of an event.")
            after = int(last_event_id[:18])
        if after is None:
            return wish, head
        with self._database.read(_SCOPE) as session:
            _, pruned = events.head(session)
        if not pruned <= after <= head:
            raise Conflict(
                "Events after that one are not kept; read the rows again, then subscribe from now."
            )
        return wish, after

    def _opened(self, question: Question, authorization: str | None) -> Opened:
        opened = self._operations.open(question, authorization)
        if opened.kind is not OperationType.SUBSCRIPTION:
            raise Rejected("Only a subscription can be streamed; send queries and mutations alone.")
        return opened

    def _changes(
        self, question: Question, authorization: str | None, wish: Wanted, position: int
    ) -> tuple[list[Change], int]:
        """The next events that may concern the caller, and how far that has been read."""
        scope = self._opened(question, authorization).context.scope
        with self._database.read(_SCOPE) as session:
            until, _ = events.head(session)
            rows = events.after(
                session,
                wish.topic,
                position,
                until=until,
                practices=None if scope.is_mso else scope.all_practices(),
                row_id=wish.row_id,
                parent_id=wish.parent_id,
            )
            changes = [
                Change(row.sequence, row.row_id, row.recorded_at)
                for row in rows
                if row.sequence is not None
            ]
        return changes, changes[-1].sequence if changes else max(position, until)

    def _read(
        self, question: Question, authorization: str | None, change: Change
    ) -> dict[str, Any] | None:
        opened = self._opened(question, authorization)
        data = self._operations.event(opened, change)
        if data is not None:
            self._operations.reserve(opened)
        return data
