"""What arrives, and a batch of it stored: rows and jobs in the caller's transaction.

A message that came before gets its stored answer again and no second job; a control id reused for
another body is refused and kept; what was refused once is judged anew when it is sent again,
because a setting may have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hub.services import sequences
from hub.services.arrivals import (
    OUT_OF_ORDER,
    REUSED,
    Arrival,
    forwarded_of,
    issues_of,
    job_of,
    keys_of,
)
from hub.services.judging import at_the_door, judge_anew
from hub.storage import audit, bulk, inbox, outbox, queue
from hub.storage.crypto import Crypto
from hub.storage.inbox import Key
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage
from hub.storage.tables.base import new_ordered_id


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
        job_of(inbox_id, entry.arrival, (row["lane"], row["lane2"]), now)
        for row, (entry, inbox_id, conflict) in zip(rows, new, strict=True)
        if entry.arrival.state == "received" and not conflict
    ]
    forwarded = [
        outgoing
        for entry, inbox_id, conflict in new
        if not conflict
        for outgoing in forwarded_of(inbox_id, entry.arrival)
    ]
    denied = [entry.arrival for entry, _, _ in new if entry.arrival.denied]
    envelope = queue.envelope_of(session)
    wrong = [
        issue
        for row, (entry, inbox_id, conflict) in zip(rows, new, strict=True)
        if entry.arrival.further and not conflict
        for issue in issues_of(entry.arrival, inbox_id, row["received_at"])
    ]
    alone = not (forwarded or denied or wrong)
    with bulk.ending(session) if last and alone else bulk.pipelined(session):
        inbox.insert_all(session, rows)
        queue.add_many(session, jobs, now=now, envelope=envelope)
    inbox.save_issues(session, wrong)
    outbox.add_all(session, crypto, forwarded, now=now)
    for arrival in denied:
        _audit_denied(session, arrival, now)


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
    if at_the_door(same) and not conflict:
        if arrival.state == "received":
            arrival = _in_order(session, arrival, now)
        if arrival.state in {"received", "ignored"}:
            judge_anew(session, crypto, same, arrival, now)
            return Stored(same.id, duplicate=False, conflict=False, answer=arrival.answer)
        if _is_kept_out_otherwise(same, arrival):
            judge_anew(session, crypto, same, arrival, now)
    same.duplicates += 1
    answer = crypto.decrypt(same.answer, inbox.answer_identity(same.id))
    repeats_conflict = conflict and same.fault_code == REUSED.code
    return Stored(same.id, duplicate=True, conflict=repeats_conflict, answer=answer)


def _is_kept_out_otherwise(row: InboundMessage, arrival: Arrival) -> bool:
    """Whether a message is refused for other reasons than before. A number that is not in order has
    its answer from `_in_order` each time, as another one is expected by then."""
    fault = arrival.fault
    stated = (fault.code, fault.path) if fault else ("", "")
    known = (row.fault_code, row.fault_path, row.issue_count)
    return known != (*stated, len(arrival.further)) or fault is OUT_OF_ORDER


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
        "issue_count": 0 if conflict else len(arrival.further),
        "duplicates": 0,
        "received_at": now,
        **keys_of(crypto, arrival),
    }
