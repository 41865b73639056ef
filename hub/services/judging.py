"""Messages that were refused at the door, judged again."""

from __future__ import annotations

from datetime import datetime

from hub.services.arrivals import NO_FAULT, Arrival, forwarded_of, issues_of, job_of, keys_of
from hub.storage import inbox, outbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage


def at_the_door(message: InboundMessage) -> bool:
    """Whether a message was stored and not let in."""
    return message.state in {"refused", "quarantined"} and message.processed_at is None


def may_be_judged(message: InboundMessage) -> bool:
    """Whether a message that was not let in could be by now: its bytes are all there, and it was
    not a signature that kept it out."""
    whole = "size" not in message.headers
    return message.kind == "hl7v2" and at_the_door(message) and whole


def judged(
    session: ScopedSession, crypto: Crypto, inbox_id: str, arrival: Arrival, *, now: datetime
) -> None:
    """What became of judging a stored message again: let in as `arrival`, or kept out by the fault
    that has."""
    message = session.get_one(InboundMessage, inbox_id, with_for_update=True)
    if not may_be_judged(message):  # it was sent again in the meantime
        return
    judge_anew(session, crypto, message, arrival, now)
    session.flush()


def judge_anew(
    session: ScopedSession, crypto: Crypto, row: InboundMessage, arrival: Arrival, now: datetime
) -> None:
    """Make a message that was not let in what it is judged to be by now: let in, not to be read, or
    kept out for what is wrong with it under the settings of now."""
    fault = arrival.fault or NO_FAULT
    row.state = arrival.state
    row.practice_id, row.connection_id = arrival.practice_id, arrival.connection_id
    row.headers = {**row.headers, **arrival.headers}
    row.fault_code, row.fault_path, row.fault_text = fault.code, fault.path, fault.text
    row.issue_count = len(arrival.further)
    for name, key in keys_of(crypto, arrival).items():
        setattr(row, name, key)
    identity = inbox.answer_identity(row.id)
    row.answer = crypto.encrypt(arrival.answer, identity, arrival.practice_id)
    inbox.drop_issues(session, row.id)
    inbox.save_issues(session, issues_of(arrival, row.id, now))
    if arrival.state == "received":
        queue.add_many(session, [job_of(row.id, arrival, (row.lane, row.lane2), now)], now=now)
    outbox.add_all(session, crypto, list(forwarded_of(row.id, arrival)), now=now)
