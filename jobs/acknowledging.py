"""Application acknowledgements (HL7 v2.5.1 §2.9): owed with the end of processing, in one
transaction, and sent by the listener that holds the sender's connection."""

from __future__ import annotations

from datetime import datetime

from connectors.sdk.hl7v2.acknowledging import Processed, application_code
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.errors import NotSupported
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage
from jobs.context import RunningJob

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
    if message.kind != "hl7v2" or message.headers.get("transport"):
        return
    at = (fault.code, fault.path, fault.text) if fault else ("", "", "")
    before = processed(message)
    if before is not None and (before.state, before.fault_code) == (state, at[0]):
        return
    ending = Processed(message.id, state, *at, now).ending
    wishes = message.headers.get("msh-15", ""), message.headers.get("msh-16", "")
    if application_code(*wishes, ending) is None:
        return
    queue.add(
        session,
        Job.SEND_ACKNOWLEDGEMENT,
        {"inbox_id": message.id},
        now=now,
        unique_key=f"acknowledgement:{message.id}",
        queue=LISTENER_QUEUE,
    )


def send(_: RunningJob) -> None:
    """A worker holds no connection of a sender."""
    raise NotSupported("Acknowledgements are sent by the listener.", feature="mllp")
