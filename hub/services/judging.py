"""Messages that were refused at the door, judged again."""

from __future__ import annotations

from datetime import datetime

from hub.domain.records import Issue
from hub.services.arrivals import Arrival, at_the_door, let_in
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage

_NO_FAULT = Issue("", "", "")


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
    if arrival.state == "received":
        let_in(session, crypto, message, arrival, now)
    else:
        fault = arrival.fault or _NO_FAULT
        message.state = arrival.state
        message.fault_code, message.fault_path = fault.code, fault.path
        message.fault_text = fault.text
    session.flush()
