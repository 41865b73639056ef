"""Application acknowledgements (HL7 v2.5.1 §2.9): owed with the end of processing, in one
transaction, and sent on the sender's connection by the listener that holds it, or over a
connection of ours where one is agreed."""

from __future__ import annotations

from datetime import datetime

from connectors.sdk.hl7v2.acknowledging import Processed, application_ack, application_code
from hub import log
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.errors import NotFound, NotSupported, Rejected
from hub.services import outbound
from hub.storage import connections, inbox, outbox, queue
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage
from jobs.context import RunningJob

logger = log.get(__name__)

LISTENER_QUEUE = "mllp"
"""Jobs in it are taken by processes with open connections (`hub.entrypoints.mllp_replies`), never
by a worker."""


def processed(row: InboundMessage) -> Processed | None:
    """What a row says of its processing; None while it waits for it."""
    if row.processed_at is None or row.state == "received":
        return None
    return Processed(
        row.id, row.state, row.fault_code, row.fault_path, row.fault_text, row.processed_at
    )


def owe(
    job: RunningJob,
    session: ScopedSession,
    message: InboundMessage,
    *,
    state: str,
    fault: Issue | None,
    now: datetime,
) -> None:
    """Queue the acknowledgement that `message` asked for, in the transaction that ends it.

    `message` is as it was before: read again to the same end, it is not acknowledged again.
    """
    if message.kind != "hl7v2":
        return
    at = (fault.code, fault.path, fault.text) if fault else ("", "", "")
    before, ended = processed(message), Processed(message.id, state, *at, now)
    if before is not None and (before.state, before.fault_code) == (state, ended.fault_code):
        return
    wishes = message.headers.get("msh-15", ""), message.headers.get("msh-16", "")
    code = application_code(*wishes, ended.ending)
    if code is None:
        return
    destination = _return_connection(session, message)
    if destination is not None:
        content = inbox.raw(message, job.context.crypto)
        ack = application_ack(content, ended, code, accept="AL")
        outgoing = Outgoing(
            destination.id, message.practice_id, "ACK", ended.control_id, len(ack), content=ack
        )
        outbox.add_all(session, job.context.crypto, [outgoing], now=now)
    elif not message.headers.get("transport"):
        queue.add(
            session,
            Job.SEND_ACKNOWLEDGEMENT,
            {"inbox_id": message.id},
            now=now,
            unique_key=f"acknowledgement:{message.id}",
            queue=LISTENER_QUEUE,
        )


def _return_connection(session: ScopedSession, message: InboundMessage) -> Connection | None:
    """The destination that takes this sender's acknowledgements, if one is agreed and exists."""
    sender = connections.get(session, message.connection_id or "")
    name = (sender.config.get("receiving") or {}).get("return_connection") if sender else None
    if not name:
        return None
    try:
        return outbound.destination(session, name)
    except (NotFound, Rejected):
        logger.error("return connection is missing", connection_id=message.connection_id)
        return None


def send(_: RunningJob) -> None:
    """A worker holds no connection of a sender."""
    raise NotSupported("Acknowledgements are sent by the listener.", feature="mllp")
