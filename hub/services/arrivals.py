"""What arrives, and a batch of it stored: rows and jobs in the caller's transaction.

A message that came before gets its stored answer again and no second job; a control id reused for
another body is refused and kept; what was refused once is judged anew when it is sent again,
because a setting may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.services import sequences
from hub.storage import audit, bulk, inbox, outbox, queue
from hub.storage.crypto import Crypto
from hub.storage.inbox import Key
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage
from hub.storage.tables.base import new_ordered_id

State = Literal["received", "ignored", "quarantined", "refused"]

REUSED = Issue(
    "control_id_reused",
    "",
    "The control id was used for another message within seven days; send it under a new id.",
)


OUT_OF_ORDER = Issue(
    "sequence_number", "MSH-13", "The sequence number is not the next one; send those missing."
)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A message with a sequence number. `answer` writes what its sender gets, from whether the
    number is in order and which is expected next."""

    number: int
    answer: Callable[[bool, int], bytes]


@dataclass(slots=True)
class Arrival:
    """One message at the door. Not frozen, which would make it ten times as dear.

    `source` names endpoint and sender; with `control_id` and the body it is the key of duplicates.
    `headers` holds no patient data. `lanes` are up to two plain order keys, stored as keyed
    digests. `answer` is what the sender gets once this is stored; `fault` says why it is not
    `received`. `destinations` are the connections an accepted message is forwarded to, as it
    is, to those in `parked` once a person says so; `patients` the record numbers of whom it speaks,
    at most two, by which it is found later.
    `denied` is a fixed text for the audit trail where the sender claims to be another.
    `identity` stands for the content where repetitions are told by less than all of it;
    `accepts_reuse` takes a control id used for another body before, and marks it; `wait` is how
    long the message is left unread, for one whose rest is still to come; `numbered` refuses it
    where its number is not the next one; `trace` is the one its job belongs to.
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
    destinations: tuple[str, ...] = ()
    parked: frozenset[str] = frozenset()
    patients: tuple[str, ...] = ()
    denied: str = ""
    identity: bytes = b""
    accepts_reuse: bool = False
    wait: timedelta = timedelta(0)
    numbered: Numbered | None = None
    trace: str = ""


@dataclass(slots=True)
class Stored:
    """What became of an arrival, after the commit."""

    inbox_id: str
    duplicate: bool
    conflict: bool
    answer: bytes


@dataclass(slots=True)
class Keyed:
    """An arrival with the keyed digest of its body."""

    arrival: Arrival
    digest: str

    @property
    def key(self) -> Key:
        return inbox.key_of(self.arrival.source, self.arrival.control_id, self.digest)


def store(
    session: ScopedSession,
    crypto: Crypto,
    batch: Sequence[Keyed],
    *,
    now: datetime,
    last: bool = False,
) -> list[Stored]:
    """Store a batch in which no key comes twice; the outcomes are in its order. `last` says that
    the transaction ends with it."""
    if not batch:
        return []
    outcomes: dict[int, Stored] = {}
    new: list[tuple[Keyed, str, bool]] = []
    same, blocked = _known(session, batch, now)
    for number, entry in enumerate(batch):
        conflict = number in blocked and not entry.arrival.accepts_reuse
        if number in same:
            outcomes[number] = _again(session, crypto, same[number], entry.arrival, conflict, now)
            continue
        if number in blocked and not conflict:
            marked = {**entry.arrival.headers, "control-id": "reused"}
            entry = Keyed(replace(entry.arrival, headers=marked), entry.digest)
        if not conflict:
            entry = Keyed(_in_order(session, entry.arrival, now), entry.digest)
        inbox_id = new_ordered_id(now)
        new.append((entry, inbox_id, conflict))
        answer = entry.arrival.answer
        outcomes[number] = Stored(inbox_id, duplicate=False, conflict=conflict, answer=answer)
    _insert(session, crypto, new, now, last=last)
    return [outcomes[number] for number in range(len(batch))]


def _known(
    session: ScopedSession, batch: Sequence[Keyed], now: datetime
) -> tuple[dict[int, str], set[int]]:
    """Which places of a batch came before (with the inbox id), and which reuse a control id."""
    wanted = [(e.arrival.source, e.arrival.control_id, e.digest) for e in batch]
    found = inbox.earlier(session, wanted, now=now)
    same = {row.number: row.same_id for row in found if row.same_id is not None}
    return same, {row.number for row in found if row.same_id is None}


def _insert(
    session: ScopedSession,
    crypto: Crypto,
    new: Sequence[tuple[Keyed, str, bool]],
    now: datetime,
    *,
    last: bool,
) -> None:
    """Rows and jobs. Another process that stores the same message at this moment makes this fail
    with IntegrityError; tried again, the arrival finds it there."""
    if not new:
        return
    # A microsecond apart, so that messages stored together keep the order they came in.
    rows = [
        _row(crypto, entry, inbox_id, clash, now + timedelta(microseconds=place))
        for place, (entry, inbox_id, clash) in enumerate(new)
    ]
    jobs = [
        _job(inbox_id, entry.arrival, (row["lane"], row["lane2"]), now)
        for row, (entry, inbox_id, conflict) in zip(rows, new, strict=True)
        if entry.arrival.state == "received" and not conflict
    ]
    forwarded = [
        outgoing
        for entry, inbox_id, conflict in new
        if not conflict
        for outgoing in _forwarded(inbox_id, entry.arrival)
    ]
    denied = [entry.arrival for entry, _, _ in new if entry.arrival.denied]
    envelope = queue.envelope_of(session)
    with bulk.ending(session) if last and not forwarded and not denied else bulk.pipelined(session):
        inbox.insert_all(session, rows)
        queue.add_many(session, jobs, now=now, envelope=envelope)
    outbox.add_all(session, crypto, forwarded, now=now)
    for arrival in denied:
        _audit_denied(session, arrival, now)


def _forwarded(inbox_id: str, arrival: Arrival) -> Iterator[Outgoing]:
    """An accepted message on its way to each destination, in the commit of its arrival: what goes
    out has the order of what came in."""
    for connection_id in arrival.destinations:
        yield Outgoing(
            connection_id,
            arrival.practice_id,
            arrival.message_type,
            arrival.control_id,
            len(arrival.content),
            inbox_id=inbox_id,
            parked=connection_id in arrival.parked,
        )


def _audit_denied(session: ScopedSession, arrival: Arrival, now: datetime) -> None:
    """Somebody at the door said to be who they are not."""
    audit.append(
        session,
        now=now,
        principal_id=arrival.connection_id or "",
        principal_name="a sender of messages",
        purpose="",
        action="write",
        outcome="denied",
        operation="receive",
        entities={"InboundMessage": 1},
        reason=arrival.denied,
    )


def _in_order(session: ScopedSession, arrival: Arrival, now: datetime) -> Arrival:
    """The arrival with the answer that names the number to come next; refused where its own is not
    that."""
    if arrival.numbered is None or arrival.connection_id is None:
        return arrival
    fits, expected = sequences.take(
        session,
        connection_id=arrival.connection_id,
        source=arrival.source,
        number=arrival.numbered.number,
        now=now,
    )
    answer = arrival.numbered.answer(fits, expected)
    if fits:
        return replace(arrival, answer=answer)
    return replace(
        arrival,
        answer=answer,
        state="refused",
        fault=OUT_OF_ORDER,
        lanes=(),
        destinations=(),
        patients=(),
    )


def _again(
    session: ScopedSession,
    crypto: Crypto,
    inbox_id: str,
    arrival: Arrival,
    conflict: bool,
    now: datetime,
) -> Stored:
    """A message that came before."""
    same = session.get_one(InboundMessage, inbox_id, with_for_update=True)
    if at_the_door(same) and arrival.state == "received" and not conflict:
        arrival = _in_order(session, arrival, now)
        if arrival.state != "received":
            same.duplicates += 1
            return Stored(same.id, duplicate=True, conflict=False, answer=arrival.answer)
        let_in(session, crypto, same, arrival, now)
        return Stored(same.id, duplicate=False, conflict=False, answer=arrival.answer)
    same.duplicates += 1
    answer = crypto.decrypt(same.answer, inbox.answer_identity(same.id))
    repeats_conflict = conflict and same.fault_code == REUSED.code
    return Stored(same.id, duplicate=True, conflict=repeats_conflict, answer=answer)


def at_the_door(message: InboundMessage) -> bool:
    """Whether a message was stored and not let in."""
    return message.state in {"refused", "quarantined"} and message.processed_at is None


def let_in(
    session: ScopedSession, crypto: Crypto, row: InboundMessage, arrival: Arrival, now: datetime
) -> None:
    """Take a message that was refused as what it is judged to be by now."""
    _judge_again(crypto, row, arrival)
    identity = inbox.answer_identity(row.id)
    row.answer = crypto.encrypt(arrival.answer, identity, arrival.practice_id)
    queue.add_many(session, [_job(row.id, arrival, (row.lane, row.lane2), now)], now=now)
    outbox.add_all(session, crypto, list(_forwarded(row.id, arrival)), now=now)


def _row(
    crypto: Crypto, entry: Keyed, inbox_id: str, conflict: bool, now: datetime
) -> dict[str, Any]:
    arrival = entry.arrival
    fault = REUSED if conflict else arrival.fault
    return {
        "id": inbox_id,
        "kind": arrival.kind,
        "connection_id": arrival.connection_id,
        "practice_id": arrival.practice_id,
        "source": arrival.source,
        "control_id": arrival.control_id,
        "message_type": arrival.message_type,
        "body_digest": entry.digest,
        "size": len(arrival.content),
        "content_type": arrival.content_type,
        "headers": arrival.headers,
        "raw": crypto.encrypt(arrival.content, inbox.raw_identity(inbox_id), arrival.practice_id),
        "answer": crypto.encrypt(
            arrival.answer, inbox.answer_identity(inbox_id), arrival.practice_id
        ),
        "state": "refused" if conflict else arrival.state,
        "fault_code": fault.code if fault else "",
        "fault_path": fault.path if fault else "",
        "fault_text": fault.text if fault else "",
        "issue_count": 0,
        "duplicates": 0,
        "received_at": now,
        **_keys(crypto, arrival),
    }


def _keys(crypto: Crypto, arrival: Arrival) -> dict[str, str | None]:
    lanes = [crypto.digest(lane) for lane in arrival.lanes[:2]]
    patients = [inbox.patient_key(crypto, patient) for patient in arrival.patients[:2]]
    first, second, *_ = *lanes, None, None
    patient, prior, *_ = *patients, None, None
    return {"lane": first, "lane2": second, "patient_key": patient, "prior_patient_key": prior}


def _job(
    inbox_id: str, arrival: Arrival, lanes: Sequence[str | None], now: datetime
) -> queue.NewJob:
    return queue.NewJob(
        Job.PROCESS_MESSAGE,
        {"inbox_id": inbox_id},
        practice_id=arrival.practice_id,
        lanes=[lane for lane in lanes if lane is not None],
        run_at=now + arrival.wait if arrival.wait else None,
        unique_key=f"inbox:{inbox_id}",
        trace=arrival.trace,
    )


def _judge_again(crypto: Crypto, row: InboundMessage, arrival: Arrival) -> None:
    row.state = "received"
    row.practice_id, row.connection_id = arrival.practice_id, arrival.connection_id
    row.fault_code = row.fault_path = row.fault_text = ""
    for name, key in _keys(crypto, arrival).items():
        setattr(row, name, key)
