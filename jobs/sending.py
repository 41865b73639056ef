"""Sending a message to its destination: the same bytes until an answer settles it.

One lane for each destination keeps the order, so that only the oldest message knocks while nobody
opens: that is the circuit breaker. A message may arrive twice (a lost answer, a worker killed
between send and answer), always under the same control id.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from connectors.sdk.base import Acknowledgement, Link, MessageSender
from hub import log
from hub.domain.agreements import operations_scope
from hub.errors import (
    DataError,
    HubError,
    NotFound,
    NotSupported,
    Transient,
    Unreachable,
    VendorRefused,
)
from hub.services import connections as connection_service
from hub.services import outbound
from hub.services.outbound import State
from hub.storage import finishing, outbox
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection
from jobs.calling import opened, require_running, stored_connection
from jobs.context import JobContext, RunningJob

logger = log.get(__name__)
_SCOPE = operations_scope("sending")
CONNECT_SECONDS = 60.0
LONGEST_ROUND = timedelta(seconds=60)
"""After it the messages behind wait for the next round: a job may run three minutes."""
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
    try:
        with _borrowed(job, connection) as link:
            answer = link.exchange(content)
    except (Transient, Unreachable) as error:
        raise _unanswered(job, connection, outbound_id, error) from error
    _answered(job, connection, outbound_id, answer)


def send_messages(jobs: Sequence[RunningJob]) -> Sequence[RunningJob]:
    """Send messages of one destination, each after the answer to the one before, and end those that
    were accepted in one transaction. Returns the first that was not, with how it failed, and those
    behind it, which were not sent. A worker that is killed here leaves all of them to be sent
    again."""
    context = jobs[0].context
    connection, waiting = _load(context, jobs)
    if connection is None:
        return jobs
    require_running(context, connection)
    accepted: list[tuple[_Waiting, Acknowledgement]] = []
    until = context.now() + LONGEST_ROUND
    answer: Acknowledgement | None = None
    failure: Transient | Unreachable | None = None
    try:
        with _borrowed(jobs[0], connection) as link:
            for each in waiting:
                answer = link.exchange(each.content)
                if answer.verdict != "accepted":
                    break
                accepted.append((each, answer))
                if context.now() > until or each.job.cancel_asked:
                    break
    except (Transient, Unreachable) as error:
        failure = error
    _end_accepted(context, connection, accepted)
    rest = jobs[len(accepted) :]
    if failure is not None:
        outbound_id = waiting[len(accepted)].outbound_id
        rest[0].failure = _unanswered(rest[0], connection, outbound_id, failure)
    elif rest and answer is not None and answer.verdict != "accepted":
        try:
            _answered(rest[0], connection, waiting[len(accepted)].outbound_id, answer)
        except HubError as error:
            rest[0].failure = error
    return rest


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: RunningJob
    outbound_id: str
    content: bytes


def _load(
    context: JobContext, jobs: Sequence[RunningJob]
) -> tuple[Connection | None, list[_Waiting]]:
    """The messages and their destination; none where one of them is out of the ordinary."""
    ids = [str(job.args["outbound_id"]) for job in jobs]
    with context.database.read(_SCOPE) as session:
        messages = outbox.get_all(session, ids)
        if len(messages) < len(ids) or any(m.state == "accepted" for m in messages.values()):
            return None, []
        waiting = [
            _Waiting(job, each, outbox.raw(session, context.crypto, messages[each]))
            for job, each in zip(jobs, ids, strict=True)
        ]
    return stored_connection(context, messages[ids[0]].connection_id), waiting


def _end_accepted(
    context: JobContext,
    connection: Connection,
    accepted: Sequence[tuple[_Waiting, Acknowledgement]],
) -> None:
    """Write what was accepted and end its jobs, fenced by the lease of each."""
    if not accepted:
        return
    context.links.pause_after(connection.id, reached=True)

    def effects(session: ScopedSession) -> None:
        answers = [(each.outbound_id, answer.code, answer.raw) for each, answer in accepted]
        outbound.note_accepted(session, context.crypto, answers, now=context.now())
        if connection.status != "ok":
            connection_service.note_success(session, connection.id)
        session.flush()
        finishing.finish_many(
            session, [each.job.claimed for each, _ in accepted], now=context.now()
        )

    context.database.transaction(_SCOPE, effects)
    for each, _ in accepted:
        each.job.finished = True


def _borrowed(job: RunningJob, connection: Connection) -> AbstractContextManager[Link]:
    settings = json.dumps(connection.config, sort_keys=True)
    return job.context.links.borrow(connection.id, settings, lambda: _connect(job, connection))


def _unanswered(
    job: RunningJob, connection: Connection, outbound_id: str, error: Transient | Unreachable
) -> Transient | Unreachable:
    """After a send without an answer, or none at all because nobody was reached."""
    if isinstance(error, Unreachable):
        return _noted(job, connection, error)
    _give_up_or_not(job, connection, outbound_id, None, str(error))
    return error


def _answered(
    job: RunningJob, connection: Connection, outbound_id: str, answer: Acknowledgement
) -> None:
    """Raises Transient or DataError for what was not accepted."""
    job.context.links.pause_after(connection.id, reached=True)
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
