"""Whatever arrives: stored with the job that will read it, in one commit, before it is
acknowledged.

`Intake.receive` is the only door. A message that came before gets its stored answer again and no
second job; a control id reused for another body is refused and kept; what was refused once is
judged anew when it is sent again, because a setting may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.storage import inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import InboundMessage, new_id

State = Literal["received", "ignored", "quarantined", "refused"]

_SCOPE = unrestricted_scope("intake")

REUSED = Issue(
    "control_id_reused",
    "",
    "The control id was used for another message within seven days; send it under a new id.",
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message at the door.

    `source` names endpoint and sender; with `control_id` and the body it is the key of duplicates.
    `headers` holds no patient data. `lanes` are up to two plain order keys, stored as keyed
    digests. `answer` is what the sender gets once this is stored; `fault` says why it is not
    `received`.
    """

    kind: Literal["hl7v2", "webhook", "x12"]
    connection_id: str | None
    practice_id: str | None
    source: str
    control_id: str
    message_type: str
    content: bytes
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    state: State = "received"
    fault: Issue | None = None
    lanes: tuple[str, ...] = ()
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an arrival, after the commit."""

    inbox_id: str
    duplicate: bool
    conflict: bool
    answer: bytes


class Intake:
    """Receives into one database; many arrivals share one commit."""

    def __init__(self, database: Database, crypto: Crypto, now: Callable[[], datetime]) -> None:
        self._database = database
        self._crypto = crypto
        self._now = now

    def receive(self, arrival: Arrival) -> Future[Stored]:
        """Store an arrival; the future resolves when it is durable and fails if it is not
        stored."""
        digest = self._crypto.digest(arrival.content)
        future = self._database.submit(
            _SCOPE, lambda session: self._store(session, arrival, digest)
        )
        return future

    def _store(self, session: ScopedSession, arrival: Arrival, digest: str) -> Stored:
        now = self._now()
        same = inbox.find_same(session, arrival.source, arrival.control_id, digest)
        conflict = bool(arrival.control_id) and inbox.reused_control_id(
            session, arrival.source, arrival.control_id, other_than=digest, now=now
        )
        if same is None:
            row = self._row(arrival, digest, conflict, now)
            session.add(row)
            session.flush()
            if arrival.state == "received" and not conflict:
                self._add_job(session, row.id, arrival, now)
            return Stored(row.id, duplicate=False, conflict=conflict, answer=arrival.answer)
        if same.state == "refused" and arrival.state == "received" and not conflict:
            _judge_again(same, arrival)
            same.answer = self._crypto.encrypt(arrival.answer, inbox.answer_identity(same.id))
            self._add_job(session, same.id, arrival, now)
            return Stored(same.id, duplicate=False, conflict=False, answer=arrival.answer)
        same.duplicates += 1
        answer = self._crypto.decrypt(same.answer, inbox.answer_identity(same.id))
        repeats_conflict = conflict and same.fault_code == REUSED.code
        return Stored(same.id, duplicate=True, conflict=repeats_conflict, answer=answer)

    def _row(self, arrival: Arrival, digest: str, conflict: bool, now: datetime) -> InboundMessage:
        inbox_id = new_id()
        fault = REUSED if conflict else arrival.fault
        return InboundMessage(
            id=inbox_id,
            kind=arrival.kind,
            connection_id=arrival.connection_id,
            practice_id=arrival.practice_id,
            source=arrival.source,
            control_id=arrival.control_id,
            message_type=arrival.message_type,
            body_digest=digest,
            size=len(arrival.content),
            content_type=arrival.content_type,
            headers=dict(arrival.headers),
            raw=self._crypto.encrypt(arrival.content, inbox.raw_identity(inbox_id)),
            answer=self._crypto.encrypt(arrival.answer, inbox.answer_identity(inbox_id)),
            state="refused" if conflict else arrival.state,
            fault_code=fault.code if fault else "",
            fault_path=fault.path if fault else "",
            fault_text=fault.text if fault else "",
            received_at=now,
        )

    def _add_job(
        self, session: ScopedSession, inbox_id: str, arrival: Arrival, now: datetime
    ) -> None:
        queue.add(
            session,
            Job.PROCESS_MESSAGE,
            {"inbox_id": inbox_id},
            now=now,
            practice_id=arrival.practice_id,
            lanes=[self._crypto.digest(lane) for lane in arrival.lanes[:2]],
            unique_key=f"inbox:{inbox_id}",
        )
        session.after_commit.append(self._database.bell.set)


def _judge_again(row: InboundMessage, arrival: Arrival) -> None:
    row.state = "received"
    row.practice_id, row.connection_id = arrival.practice_id, arrival.connection_id
    row.fault_code = row.fault_path = row.fault_text = ""


def finish(
    session: ScopedSession,
    message: InboundMessage,
    *,
    state: Literal["processed", "ignored", "quarantined"],
    issue_count: int = 0,
    fault: Issue | None = None,
    now: datetime,
) -> None:
    """Record how reading a message ended, in the transaction of its effects."""
    message.state = state
    message.processed_at = now
    message.issue_count = issue_count
    message.fault_code = fault.code if fault else ""
    message.fault_path = fault.path if fault else ""
    message.fault_text = fault.text if fault else ""
    session.flush()


def replay(session: ScopedSession, *, inbox_ids: Sequence[str], now: datetime) -> int:
    """Read stored messages again, oldest first; returns how many got a job.

    Reading twice is harmless (effects are upserts), and a message refused at the door stays
    refused: whoever sent it was told so.
    """
    rows = session.scalars(
        select(InboundMessage)
        .where(
            InboundMessage.id.in_(list(inbox_ids)),
            InboundMessage.state.in_(("received", "processed", "ignored", "quarantined")),
        )
        .order_by(InboundMessage.received_at)
    ).all()
    for row in rows:
        queue.add(
            session,
            Job.PROCESS_MESSAGE,
            {"inbox_id": row.id},
            now=now,
            practice_id=row.practice_id,
            unique_key=f"inbox:{row.id}",
        )
    return len(rows)
