"""Sending a message to its destination: the same bytes until an answer settles it.

One lane for each destination keeps the order, so that only the oldest message knocks while nobody
opens: that is the circuit breaker. A message may arrive twice (a lost answer, a worker killed
between send and answer), always under the same control id.
"""

from __future__ import annotations

import json

from connectors.sdk.base import Acknowledgement, Link, MessageSender
from hub import log
from hub.domain.agreements import unrestricted_scope
from hub.errors import DataError, NotFound, NotSupported, Transient, Unreachable, VendorRefused
from hub.services import connections as connection_service
from hub.services import outbound
from hub.services.outbound import State
from hub.storage import outbox
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection
from jobs.calling import opened, require_running, stored_connection
from jobs.context import RunningJob

logger = log.get(__name__)
_SCOPE = unrestricted_scope("sending")
CONNECT_SECONDS = 60.0
_REFUSED = "The receiver refused the message."
_NOT_NOW = "The receiver could not take the message."


def send_message(job: RunningJob) -> None:
    """Send one message once; accepted ends the job, refused ends it dead, all else tries again."""
    context, outbound_id = job.context, str(job.args["outbound_id"])
    with context.database.read(_SCOPE) as session:
        message = outbox.get(session, outbound_id)
        content = outbox.raw(session, context.crypto, message) if message is not None else b""
    if message is None:
        raise NotFound("The message is no longer stored.")
    if message.state == "accepted":
        return
    connection = stored_connection(context, message.connection_id)
    require_running(context, connection)
    settings = json.dumps(connection.config, sort_keys=True)
    try:
        with context.links.borrow(
            connection.id, settings, lambda: _connect(job, connection)
        ) as link:
            answer = link.exchange(content)
    except Unreachable as error:
        raise _noted(job, connection, error) from error
    except Transient as error:
        _give_up_or_not(job, connection, outbound_id, None, str(error))
        raise
    context.links.pause_after(connection.id, reached=True)
    if answer.verdict == "accepted":
        _accepted(job, connection, outbound_id, answer)
        return
    if answer.verdict == "again":
        _give_up_or_not(job, connection, outbound_id, answer, _NOT_NOW)
        raise Transient(f"{_NOT_NOW} It answered {answer.code or 'without a code'}.")
    _park(job, connection, outbound_id, answer, _REFUSED)
    raise DataError(_REFUSED, reason="refused", path=answer.path)


def _connect(job: RunningJob, connection: Connection) -> Link:
    """Open a link. Settings that cannot be used keep the message waiting, as a closed door does."""
    context = job.context
    with opened(context, connection, CONNECT_SECONDS, lambda: job.cancel_asked) as (sender, ctx):
        if not isinstance(sender, MessageSender):
            raise NotSupported("This connector sends no messages.", feature="message_sender")
        try:
            return sender.open(ctx)
        except VendorRefused as error:
            raise Unreachable(str(error)) from error


def _noted(job: RunningJob, connection: Connection, error: Unreachable) -> Unreachable:
    """The connection shows that nobody is reached and when the hub knocks again."""
    context = job.context
    retry_at = context.now() + context.links.pause_after(connection.id, reached=False)
    context.database.transaction(
        _SCOPE,
        lambda session: connection_service.note_unreachable(
            session, connection.id, str(error), retry_at=retry_at
        ),
    )
    return Unreachable(str(error), retry_at=retry_at)


def _accepted(
    job: RunningJob, connection: Connection, outbound_id: str, answer: Acknowledgement
) -> None:
    def effects(session: ScopedSession) -> None:
        _note(session, job, outbound_id, "accepted", answer, "")
        if connection.status != "ok":
            connection_service.note_success(session, connection.id)

    job.finish(_SCOPE, effects)


def _give_up_or_not(
    job: RunningJob,
    connection: Connection,
    outbound_id: str,
    answer: Acknowledgement | None,
    text: str,
) -> None:
    """After a send that settled nothing: queued still, or parked when this was the last attempt."""
    if job.claimed.attempt >= job.claimed.max_attempts:
        _park(job, connection, outbound_id, answer, text)
        return
    job.transaction(
        _SCOPE, lambda session: _note(session, job, outbound_id, "queued", answer, text)
    )


def _park(
    job: RunningJob,
    connection: Connection,
    outbound_id: str,
    answer: Acknowledgement | None,
    text: str,
) -> None:
    """A person must look: the queue goes on behind the message, or is paused where so set."""
    pauses = bool(connection.config.get("pause_when_refused"))

    def effects(session: ScopedSession) -> None:
        _note(session, job, outbound_id, "parked", answer, text)
        if pauses:
            connection_service.pause(session, connection.id)

    job.transaction(_SCOPE, effects)
    code = answer.code if answer is not None else outbound.NO_ANSWER
    logger.error("message parked", job_id=job.claimed.id, connection_id=connection.id, code=code)


def _note(
    session: ScopedSession,
    job: RunningJob,
    outbound_id: str,
    state: State,
    answer: Acknowledgement | None,
    text: str,
) -> None:
    code, path = (answer.reason, answer.path) if answer is not None else (outbound.NO_ANSWER, "")
    outbound.note_attempt(
        session,
        job.context.crypto,
        outbound_id,
        state=state,
        answer_code=answer.code if answer is not None else "",
        answer=answer.raw if answer is not None else None,
        fault=(code, path, text) if text else ("", "", ""),
        now=job.context.now(),
    )
