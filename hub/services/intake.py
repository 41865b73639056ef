"""Whatever arrives: stored with the job that will read it, in one commit, before it is
acknowledged.

`Intake.receive` is the only door. A message that came before gets its stored answer again and no
second job; a control id reused for another body is refused and kept; what was refused once is
judged anew when it is sent again, because a setting may have changed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub import log, tracing
from hub.domain.agreements import operations_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.errors import Halted, HubError
from hub.services.arrivals import REUSED, Arrival, Numbered, State
from hub.services.judging import may_be_judged
from hub.services.storing import Keyed, Stored, store
from hub.storage import inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import InboundMessage

__all__ = ["REUSED", "Arrival", "Busy", "Intake", "Numbered", "State", "Stored", "finish", "replay"]

_SCOPE = operations_scope("intake")
_log = log.get(__name__)

BATCH_LIMIT = 256
BATCH_BYTES = 8 * 1024 * 1024
MOST_WAITING = 4096
MOST_BYTES = 64 * 1024 * 1024
NOT_READ = Issue("not_read", "", "The message is kept, but could not be processed here.")
"""A fault that is none of the message: the job that should have read it is over."""


class Busy(HubError):
    """More is waiting to be stored than the hub will hold: not stored, to be sent again."""

    code = "BUSY"
    http_status = 503
    retryable = True


Told = Callable[[Stored | None, BaseException | None], None]
"""Called once with what became of an arrival, or with what kept it from being stored."""


@dataclass(slots=True)
class _Waiting(Keyed):
    """`begins` says whether who handed it in still wants it stored."""

    told: Told
    begins: Callable[[], bool] | None = None

    def tell(self, stored: Stored | None, error: BaseException | None = None) -> None:
        """What one of many does with it must not keep the others from hearing."""
        try:
            self.told(stored, error)
        except Exception as failure:
            _log.error("told_of_an_arrival", error_type=type(failure).__name__)


class Intake:
    """Receives into one database. Whatever arrives while a commit runs is stored by the next one,
    with a handful of statements for all of it."""

    def __init__(self, database: Database, crypto: Crypto, now: Callable[[], datetime]) -> None:
        self._database = database
        self._crypto = crypto
        self._now = now
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._storing = False

    def receive(self, arrival: Arrival) -> Future[Stored]:
        """Store an arrival; the future resolves when it is durable and fails if it is not
        stored (Busy where too much is waiting already). Cancelled in time, it is not stored."""
        future: Future[Stored] = Future()
        told = partial(_settle, future)
        self._add(arrival, told, future.set_running_or_notify_cancel)
        return future

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        """`receive` for many a second: `told` is called with the outcome by whichever thread comes
        to know it, and must not take long."""
        self._add(arrival, told, None)

    def _add(self, arrival: Arrival, told: Told, begins: Callable[[], bool] | None) -> None:
        entry = _Waiting(arrival, self._keyed(arrival).digest, told, begins)
        with self._lock:
            refused = len(self._waiting) >= MOST_WAITING or self._bytes > MOST_BYTES
            if not refused:
                self._waiting.append(entry)
                self._bytes += len(arrival.content)
            begin = not self._storing and not refused
            self._storing = self._storing or begin
        if refused:
            entry.tell(None, Busy("Too much is waiting to be stored; send it again."))
        elif begin:
            self._store_next()

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        """Store arrivals in one commit of their own: all of them or none."""
        entries = [self._keyed(arrival) for arrival in arrivals]

        def work(session: ScopedSession) -> list[Stored]:
            now = self._now()
            return [
                stored
                for part in _without_repetitions(entries)
                for stored in store(session, self._crypto, part, now=now)
            ]

        result: Future[list[Stored]] = Future()

        def stored(future: Future[list[Stored]], *, again: bool = False) -> None:
            error = future.exception()
            if error is None:
                result.set_result(future.result())
            elif isinstance(error, IntegrityError) and not again:
                # Another process stored one of them at the same moment: now it is found.
                retry = self._database.submit(_SCOPE, work)
                retry.add_done_callback(lambda done: stored(done, again=True))
            else:
                result.set_exception(error)

        self._database.submit(_SCOPE, work).add_done_callback(stored)
        return result

    def _keyed(self, arrival: Arrival) -> Keyed:
        if tracing.is_on():
            arrival.trace = arrival.trace or tracing.carried()
        return Keyed(arrival, self._crypto.digest(arrival.identity or arrival.content))

    def _store_next(self) -> None:
        """Hand the next batch to the database, and the one after it when that is durable."""
        batch: list[_Waiting] = []

        def work(session: ScopedSession) -> list[Stored]:
            if not batch:  # filled as late as possible, once: the work may be run again
                batch.extend(self._take())
            return store(session, self._crypto, batch, now=self._now(), last=True)

        def stored(future: Future[list[Stored]]) -> None:
            error = future.exception()
            if error is None:
                for entry, outcome in zip(batch, future.result(), strict=True):
                    entry.tell(outcome)
            else:
                self._store_singly(batch, error)
                if not batch:  # not even begun: the database is away
                    _fail(self._take(), error)
            with self._lock:
                self._storing = bool(self._waiting)
            if self._storing:
                self._store_next()

        try:
            self._database.submit(_SCOPE, work).add_done_callback(stored)
        except RuntimeError as error:  # the database is closed
            while rest := self._take():
                _fail(rest, error)
            with self._lock:
                self._storing = False

    def _take(self) -> list[_Waiting]:
        """The next batch: no two of it have the same key, for the second must see the first."""
        batch: dict[tuple[str, str], _Waiting] = {}
        size = 0
        with self._lock:
            while self._waiting and len(batch) < BATCH_LIMIT and size < BATCH_BYTES:
                if self._waiting[0].key in batch:
                    break
                entry = self._waiting.popleft()
                self._bytes -= len(entry.arrival.content)
                size += len(entry.arrival.content)
                if entry.begins is None or entry.begins():
                    batch[entry.key] = entry
        return list(batch.values())

    def _store_singly(self, batch: list[_Waiting], error: BaseException) -> None:
        """After a failed batch: one bad arrival must not keep its neighbours out, and one that
        another process stored at the same moment is found when looked for again."""
        if len(batch) < 2 and not isinstance(error, IntegrityError):
            _fail(batch, error)
            return
        for entry in batch:
            self._submit_one(entry)

    def _submit_one(self, entry: _Waiting) -> None:
        def stored(future: Future[list[Stored]]) -> None:
            error = future.exception()
            entry.tell(future.result()[0] if error is None else None, error)

        try:
            future = self._database.submit(
                _SCOPE,
                lambda session: store(session, self._crypto, [entry], now=self._now(), last=True),
            )
        except RuntimeError as error:
            entry.tell(None, error)
        else:
            future.add_done_callback(stored)


def _without_repetitions(entries: Sequence[Keyed]) -> Iterator[list[Keyed]]:
    """Entries in their order, cut so that no part has a key twice."""
    part: dict[tuple[str, str], Keyed] = {}
    for entry in entries:
        if entry.key in part or len(part) >= BATCH_LIMIT:
            yield list(part.values())
            part = {}
        part[entry.key] = entry
    if part:
        yield list(part.values())


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for entry in batch:
        entry.tell(None, error)


def _settle(future: Future[Stored], stored: Stored | None, error: BaseException | None) -> None:
    if stored is None:
        future.set_exception(error)
    else:
        future.set_result(stored)


def finish(
    session: ScopedSession,
    inbox_id: str,
    *,
    state: Literal["processed", "ignored", "quarantined"],
    issue_count: int = 0,
    fault: Issue | None = None,
    now: datetime,
) -> None:
    """Record how reading a message ended, in the transaction of its effects."""
    session.flush()
    inbox.set_outcome(
        session,
        inbox_id,
        state=state,
        processed_at=now,
        issue_count=issue_count,
        fault_code=fault.code if fault else "",
        fault_path=fault.path if fault else "",
        fault_text=fault.text if fault else "",
    )


def give_up(session: ScopedSession, inbox_id: str, *, now: datetime) -> None:
    """The job that should read a message is over and has not (its row says why): the message goes
    to quarantine, and its sender is told if it wanted to hear how processing ends."""
    message = inbox.get(session, inbox_id)
    if message is None or message.state != "received":
        return
    finish(session, inbox_id, state="quarantined", fault=NOT_READ, now=now)
    if message.kind == "hl7v2":
        args = {"inbox_id": inbox_id}
        queue.add(session, Job.OWE_ACKNOWLEDGEMENT, args, now=now, practice_id=message.practice_id)


def replay(session: ScopedSession, *, inbox_ids: Sequence[str], now: datetime) -> int:
    """Read stored messages again in the order they came, each under its order keys; returns how
    many got a job.

    Reading twice is harmless (effects are upserts). A message of HL7 v2 that was refused at the
    door is judged again by the settings of now, and read if it may come in; where a control id was
    reused, an operator has looked at both bodies and releases the second. What a wrong signature
    kept out, and what is not stored whole, stays.
    """
    rows = session.scalars(
        select(InboundMessage)
        .where(InboundMessage.id.in_(list(inbox_ids)))
        .order_by(InboundMessage.received_at, InboundMessage.id)
    ).all()
    return sum(_again(session, row, now) for row in rows)


def _again(session: ScopedSession, row: InboundMessage, now: datetime) -> bool:
    """Add the job that reads or judges a message again; False where it stays refused."""
    job, lanes = Job.PROCESS_MESSAGE, [lane for lane in (row.lane, row.lane2) if lane is not None]
    if row.fault_code == REUSED.code:
        row.state = "received"
        row.fault_code = row.fault_path = row.fault_text = ""
    elif may_be_judged(row):
        job, lanes = Job.JUDGE_AGAIN, []
    elif row.state in {"refused", "expired"}:
        return False
    unique_key = f"{'inbox' if job is Job.PROCESS_MESSAGE else 'judge'}:{row.id}"
    queue.add(
        session,
        job,
        {"inbox_id": row.id},
        now=now,
        practice_id=row.practice_id,
        lanes=lanes,
        unique_key=unique_key,
    )
    if row.state == "quarantined":  # it may hold what follows it
        queue.hasten(session, unique_key, now=now, code=Halted.code)
    return True
