"""Application acknowledgements on the connections that their messages came on.

Each is a job of the queue `jobs.acknowledging.LISTENER_QUEUE`. It stays until it was written to a
connection of the sender and, where it asks for that, answered; every attempt sends the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.master_files import acknowledge
from connectors.sdk.hl7v2.acknowledging import application_code
from connectors.sdk.hl7v2.acks import read_ack
from hub import log
from hub.domain.agreements import operations_scope
from hub.entrypoints.hl7_routes import Routes
from hub.storage import claiming, finishing, inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.queue import ClaimedJob
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow
from jobs.acknowledging import LISTENER_QUEUE, processed

LOOK_SECONDS = 0.5
ANSWER_SECONDS = 10.0
NOT_CONNECTED, NO_ANSWER, NOT_ACCEPTED = "NOT_CONNECTED", "NO_ANSWER", "NOT_ACCEPTED"
_LEASE = timedelta(minutes=2)
_AT_ONCE = 32
_KEPT = timedelta(days=1)
_SOONEST, _LATEST = timedelta(seconds=2), timedelta(minutes=5)
_SCOPE = operations_scope("acknowledgements")

_log = log.get("mllp")


class Channel(Protocol):
    """An open connection to a sender."""

    async def send(self, content: bytes) -> None:
        """Write one frame; raises OSError or TimeoutError where that failed."""
        ...


@dataclass(frozen=True, slots=True)
class _Due:
    """An acknowledgement ready to be sent to whoever sent as `source`."""

    source: str
    content: bytes
    control_id: str
    wants_answer: bool
    ended_at: datetime


class Replies:
    """Sends what is owed to the senders connected to this process, until stopped."""

    def __init__(
        self,
        database: Database,
        crypto: Crypto,
        routes: Callable[[], Routes],
        now: Callable[[], datetime],
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._database = database
        self._crypto = crypto
        self._routes = routes
        self._now = now
        self._answer_seconds = answer_seconds
        self._channels: dict[str, Channel] = {}
        self._awaited: dict[tuple[Channel, str], asyncio.Future[str]] = {}
        self._new_sender = False
        self._stop = asyncio.Event()

    def heard(self, source: str, channel: Channel) -> None:
        """A message of `source` came on this connection: answers to it go the same way."""
        if self._channels.get(source) is not channel:
            self._channels[source] = channel
            self._new_sender = True

    def gone(self, channel: Channel) -> None:
        """The connection is closed."""
        for source in [one for one, held in self._channels.items() if held is channel]:
            del self._channels[source]
        for (held, _), awaited in self._awaited.items():
            if held is channel and not awaited.done():
                awaited.set_exception(ConnectionError("the sender closed the connection"))

    def answered(self, content: bytes, channel: Channel) -> None:
        """What the sender says to an acknowledgement of ours, if this is that."""
        read = read_ack(content) if self._awaited else None
        if read is not None:
            awaited = self._awaited.get((channel, read[1].decode("ascii", "replace")))
            if awaited is not None and not awaited.done():
                awaited.set_result(read[0])

    async def run(self) -> None:
        """Look for what is due, again and again."""
        while not self._stop.is_set():
            if self._channels:
                try:
                    await self._round()
                except Exception as error:
                    _log.error("mllp_replies_failed", error_type=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK_SECONDS)

    def stop(self) -> None:
        """Take no more; `run` ends with what it has in hand."""
        self._stop.set()

    async def _round(self) -> None:
        woken, self._new_sender = self._new_sender, False
        jobs = await asyncio.to_thread(self._claim, woken)
        by_source: dict[str, list[tuple[ClaimedJob, _Due]]] = {}
        for job in sorted(jobs, key=lambda job: job.id):
            due = await asyncio.to_thread(self._load, job)
            if due is None:
                await self._settle(job, None, "")
            else:
                by_source.setdefault(due.source, []).append((job, due))
        await asyncio.gather(*(self._send_all(owed) for owed in by_source.values()))

    def _claim(self, new_sender: bool) -> list[ClaimedJob]:
        now = self._now()
        with self._database.read(_SCOPE) as session:
            waiting = select(JobRow.run_at).where(
                JobRow.queue == LISTENER_QUEUE, JobRow.state == "ready"
            )
            earliest = session.scalar(waiting.order_by(JobRow.run_at).limit(1))
        if earliest is None or (earliest > now and not new_sender):
            return []

        def work(session: ScopedSession) -> list[ClaimedJob]:
            if new_sender:
                queue.wake(session, NOT_CONNECTED, now=now)
            return claiming.claim(
                session, limit=_AT_ONCE, lease=_LEASE, now=now, queue=LISTENER_QUEUE
            )

        return self._database.transaction(_SCOPE, work)

    def _load(self, job: ClaimedJob) -> _Due | None:
        """The acknowledgement of a job; None where the message asks for none any more."""
        with self._database.read(_SCOPE) as session:
            row = inbox.get(session, str(job.args["inbox_id"]))
            ended = processed(session, row) if row is not None else None
        if row is None or ended is None:
            return None
        wishes = row.headers.get("msh-15", ""), row.headers.get("msh-16", "")
        code = application_code(*wishes, ended.ending)
        if code is None:
            return None
        wants_answer = self._dialect(row.connection_id).receiving.acknowledge_acks
        accept = "AL" if wants_answer else "NE"
        content = acknowledge(inbox.raw(row, self._crypto), ended, code, accept=accept)
        return _Due(row.source, content, ended.control_id, wants_answer, ended.ended_at)

    def _dialect(self, connection_id: str | None) -> Config:
        found = [one for one in self._routes().connections if one.connection_id == connection_id]
        return found[0].config if found else Config()

    async def _send_all(self, owed: list[tuple[ClaimedJob, _Due]]) -> None:
        for job, due in owed:
            await self._settle(job, due, await self._send(due))

    async def _send(self, due: _Due) -> str:
        """An error code, empty where the acknowledgement is delivered."""
        channel = self._channels.get(due.source)
        if channel is None:
            return NOT_CONNECTED
        key = (channel, due.control_id)
        if due.wants_answer:
            self._awaited[key] = asyncio.get_running_loop().create_future()
        try:
            await channel.send(due.content)
            if not due.wants_answer:
                return ""
            answer = await asyncio.wait_for(self._awaited[key], self._answer_seconds)
        except (OSError, TimeoutError):
            return NO_ANSWER
        finally:
            self._awaited.pop(key, None)
        return "" if answer in {"AA", "CA"} else NOT_ACCEPTED

    async def _settle(self, job: ClaimedJob, due: _Due | None, code: str) -> None:
        """Record how an attempt ended; `code` is empty where nothing is left to be done."""
        now = self._now()

        def work(session: ScopedSession) -> None:
            if not code or due is None:
                finishing.finish(session, job, now=now)
                return
            finishing.fail(
                session,
                job,
                code=code,
                text=_TEXTS[code],
                now=now,
                retry_at=_again_at(job, due, code, now),
                counts=code != NOT_CONNECTED,
            )

        await asyncio.to_thread(self._database.transaction, _SCOPE, work)


def _again_at(job: ClaimedJob, due: _Due, code: str, now: datetime) -> datetime | None:
    """When to try again. Waiting for the sender to connect costs no attempt and gets more seldom;
    a new connection ends it at once."""
    if code == NOT_ACCEPTED:
        return None
    if code == NO_ANSWER:
        return finishing.retry_at(job.attempt, now)
    age = now - due.ended_at
    return None if age > _KEPT else now + max(_SOONEST, min(age / 4, _LATEST))


_TEXTS = {
    NOT_CONNECTED: "The sender of the message is not connected to take its acknowledgement.",
    NO_ANSWER: "The sender did not confirm the acknowledgement.",
    NOT_ACCEPTED: "The sender refused the acknowledgement.",
}
