"""Messages that came in several parts: read once, by the job of the first, when all are there.

The first part waits in its patient's lane for the others, so that order is kept; the last one
calls it up. What is not complete in time ends in quarantine, part by part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.continuation import CONTINUED_BY, CONTINUES, assemble
from hub.domain.agreements import operations_scope
from hub.errors import Held, Rejected
from hub.storage import inbox, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage
from jobs.calling import connector_of, stored_connection
from jobs.context import RunningJob

_SCOPE = operations_scope("continuation")
_LOOK_AGAIN = timedelta(seconds=2)


def is_part(message: InboundMessage) -> bool:
    """Whether a stored message goes on in another, or goes on from one."""
    return message.kind == "hl7v2" and bool({CONTINUES, CONTINUED_BY} & set(message.headers))


def parts_of(job: RunningJob, message: InboundMessage) -> Sequence[InboundMessage]:
    """All parts of the message that `message` begins, in their order.

    Empty where it is a later part: the job of the first was called up, if that still waits, and
    this one has nothing to do. Raises Held while a part is missing, and Rejected when the time for
    it is over.
    """
    with job.context.database.read(_SCOPE) as session:
        near = inbox.received_near(session, message, _span(job, message))
    parts, complete = _chain(message, near)
    is_first = parts[0].id == message.id
    if not is_first and message.state != "received":
        return ()
    if complete and is_first:
        return parts
    if complete and parts[0].state != "quarantined":
        first = parts[0]
        job.transaction(_SCOPE, lambda session: _call_up(session, first, job.context.now()))
        return ()
    _wait(job, message, until=message.received_at + _span(job, message))
    raise Rejected(
        "The other parts of the message did not come in time; send all of it again.",
        reason="hl7_207",
        path="MSH-14" if CONTINUES in message.headers else "DSC-1",
    )


def assembled(job: RunningJob, parts: Sequence[InboundMessage]) -> bytes:
    """One message of its parts."""
    return assemble([inbox.raw(part, job.context.crypto) for part in parts])


def _chain(
    message: InboundMessage, near: Sequence[InboundMessage]
) -> tuple[list[InboundMessage], bool]:
    """The parts known, from the first found, and whether none is missing."""
    chain = [message]
    before = {row.headers[CONTINUED_BY]: row for row in near if CONTINUED_BY in row.headers}
    after = {row.headers[CONTINUES]: row for row in near if CONTINUES in row.headers}
    while pointer := chain[0].headers.get(CONTINUES):
        if pointer not in before or before[pointer] in chain:
            return chain, False
        chain.insert(0, before[pointer])
    while pointer := chain[-1].headers.get(CONTINUED_BY):
        if pointer not in after or after[pointer] in chain:
            return chain, False
        chain.append(after[pointer])
    return chain, True


def _call_up(session: ScopedSession, first: InboundMessage, now: datetime) -> None:
    queue.hasten(session, f"inbox:{first.id}", now=now)


def _wait(job: RunningJob, message: InboundMessage, until: datetime) -> None:
    now = job.context.now()
    if now < until:
        again = until if CONTINUED_BY in message.headers else min(until, now + _LOOK_AGAIN)
        raise Held("The message waits for its other parts.", retry_at=again)


def _span(job: RunningJob, message: InboundMessage) -> timedelta:
    if message.connection_id is None:
        return timedelta(0)
    _, config = connector_of(stored_connection(job.context, message.connection_id))
    seconds = config.receiving.continuation_seconds if isinstance(config, Config) else 0
    return timedelta(seconds=seconds)
