"""Application acknowledgements (HL7 v2.5.1 §2.9): owed with the end of processing, in one
transaction, and sent on the sender's connection by the listener that holds it, or over a
connection of ours where one is agreed."""

from __future__ import annotations

from datetime import datetime

from connectors.ehr_hl7v2.master_files import MASTER_FILE, acknowledge, is_not_posted
from connectors.sdk.hl7v2.acknowledging import Processed, application_code
from hub import log
from hub.domain.agreements import operations_scope, practice_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.errors import NotFound, NotSupported, Rejected
from hub.services import intake, outbound
from hub.storage import connections, inbox, outbox, queue
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage
from jobs.context import RunningJob

logger = log.get(__name__)
_SCOPE = operations_scope("acknowledging")

LISTENER_QUEUE = "mllp"
"""Jobs in it are taken by processes with open connections (`hub.entrypoints.mllp_replies`), never
by a worker."""


def processed(session: ScopedSession, row: InboundMessage) -> Processed | None:
    """What is stored of a message's processing; None while it waits for it."""
    if row.processed_at is None or row.state == "received":
        return None
    return Processed(
        row.id,
        row.state,
        row.fault_code,
        row.fault_path,
        row.fault_text,
        row.processed_at,
        _unapplied(session, row),
    )


def _unapplied(session: ScopedSession, row: InboundMessage) -> tuple[Issue, ...]:
    """What of a master file was not applied, as its issues say."""
    if not row.message_type.startswith(MASTER_FILE):
        return ()
    found = inbox.issues_of(session, row.id)
    return tuple(sorted((i for i in found if is_not_posted(i.code, i.path)), key=_by_place))


def _by_place(issue: Issue) -> tuple[int, str]:
    return len(issue.path), issue.path


def owe(
    job: RunningJob,
    session: ScopedSession,
    message: InboundMessage,
    *,
    state: str,
    fault: Issue | None,
    now: datetime,
) -> None:
    """Queue the acknowledgement that `message` asked for, in the transaction that ends it and after
    its issues are written.

    `message` is as it was before: read again to the same end, it is not acknowledged again.
    """
    if message.kind != "hl7v2":
        return
    at = (fault.code, fault.path, fault.text) if fault else ("", "", "")
    was = (message.state, message.fault_code) if message.processed_at is not None else None
    if was == (state, at[0]):
        return
    ended = Processed(message.id, state, *at, now, _unapplied(session, message))
    _queue(job, session, message, ended)


def owe_after_end(job: RunningJob) -> None:
    """Tell the sender of a message whose job ended without having read it."""
    context, inbox_id = job.context, str(job.args["inbox_id"])

    def effects(session: ScopedSession) -> None:
        message = inbox.get(session, inbox_id)
        if message is None or message.fault_code != intake.NOT_READ.code:  # read in the meantime
            return
        ended = processed(session, message)
        if ended is not None:
            _queue(job, session, message, ended)

    with context.database.read(_SCOPE) as session:
        message = inbox.get(session, inbox_id)
    practice_id = message.practice_id if message is not None else None
    job.finish(practice_scope(practice_id) if practice_id else _SCOPE, effects)


def _queue(
    job: RunningJob, session: ScopedSession, message: InboundMessage, ended: Processed
) -> None:
    now = job.context.now()
    wishes = message.headers.get("msh-15", ""), message.headers.get("msh-16", "")
    code = application_code(*wishes, ended.ending)
    if code is None:
        return
    destination = _return_connection(session, message)
    if destination is not None:
        content = inbox.raw(message, job.context.crypto)
        ack = acknowledge(content, ended, code, accept="AL")
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
