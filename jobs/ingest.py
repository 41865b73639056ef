"""Reading what arrived: bytes to records to rows, with the message's end, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.sdk.base import DocumentParser, ParsedDocument, RawDocument
from hub.domain.agreements import Scope, operations_scope, practice_scope, unrestricted_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.errors import Halted, NotFound, NotSupported, Rejected
from hub.services import intake
from hub.services.apply import apply
from hub.services.records import ApplyContext, Outcome
from hub.storage import finishing, inbox, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage, Practice
from jobs import acknowledging, continuation, halting
from jobs.calling import connector_of, require_running, stored_connection
from jobs.context import RunningJob

_SCOPE = operations_scope("ingest")
_OF_ANY_PRACTICE = unrestricted_scope("a shared feed")


def process_message(job: RunningJob) -> None:
    """Read one stored message and apply what it says.

    What cannot be read ends in quarantine with its fault in words; it stays stored and can be
    replayed.
    """
    message = _load(job)
    parts: Sequence[InboundMessage] = (message,)
    content: bytes | None = None
    try:
        if continuation.is_part(message):
            parts = continuation.parts_of(job, message)
            if not parts:
                job.finish(_SCOPE, lambda _: None)
                return
            content = continuation.assembled(job, parts)
        parsed = parse(job, message, content)
    except Rejected as error:
        _quarantine(job, parts, _issue(error))
        return
    if parsed.ignored:
        fault = Issue("ignored", "", parsed.ignored)
        _finish(job, parts, "ignored", issues=parsed.issues, fault=fault)
        return
    try:
        _apply_or_halt(job, parts, parsed)
    except Rejected as error:  # by the database; what a handler refuses is an issue
        _quarantine(job, parts, _issue(error), parsed.issues)


def _apply_or_halt(
    job: RunningJob, parts: Sequence[InboundMessage], parsed: ParsedDocument
) -> None:
    message = parts[0]
    try:
        _apply_all(job, parts, parsed, may_halt=bool(job.claimed.lanes))
    except _Refused as refused:
        if _halts(job, message):
            _quarantine(job, parts, refused.fault, refused.issues)
        else:
            _apply_all(job, parts, parsed, may_halt=False)


class _Refused(Exception):
    """Every record of a message that may hold its lane was refused, so that nothing is written."""

    def __init__(self, fault: Issue | None, issues: tuple[Issue, ...]) -> None:
        super().__init__()
        self.fault = fault or _REFUSED
        self.issues = issues


_REFUSED = Issue("refused", "", "No record of the message could be applied.")


def _halts(job: RunningJob, message: InboundMessage) -> bool:
    if not job.claimed.lanes:
        return False
    with job.context.database.read(_SCOPE) as session:
        return halting.is_agreed(session, message)


def _quarantine(
    job: RunningJob,
    parts: Sequence[InboundMessage],
    fault: Issue,
    issues: tuple[Issue, ...] = (),
) -> None:
    """End in quarantine; where the connection agreed to it, the job stays and holds its lane, and
    its sender is told the first time only. Raises `Halted` then."""
    message = parts[0]
    if not _halts(job, message):
        _finish(job, parts, "quarantined", fault=fault, issues=issues)
        return

    def effects(session: ScopedSession) -> None:
        now = job.context.now()
        finishing.require_lease(session, job.claimed)
        inbox.forget_issues(session, [message])
        inbox.add_issues(
            session, issues, now=now, practice_id=message.practice_id, inbox_id=message.id
        )
        _end(job, session, parts, "quarantined", issue_count=len(issues), fault=fault)

    if (message.state, message.fault_code, message.fault_path) != (
        "quarantined",
        fault.code,
        fault.path,
    ):
        job.context.database.transaction(_SCOPE, effects)
        halting.alarm(message.id, message.connection_id, fault.code)
    raise Halted(
        "The message cannot be read, and what follows it waits until it is replayed or skipped.",
        retry_at=job.context.now() + halting.LOOK_AGAIN,
    )


def _load(job: RunningJob) -> InboundMessage:
    with job.context.database.read(_SCOPE) as session:
        message = inbox.get(session, str(job.args["inbox_id"]))
    if message is None:
        raise NotFound("The message is no longer stored.")
    return message


def parse(job: RunningJob, message: InboundMessage, content: bytes | None = None) -> ParsedDocument:
    """The stored bytes, or `content` made of them, through their connector's parser; raises
    Rejected, ConfigError, NotSupported, or Held while the connection is paused."""
    if message.connection_id is None:
        raise Rejected("The message came over no known connection.", reason="unknown_connection")
    connection = stored_connection(job.context, message.connection_id)
    return parse_with(job, connection, message, content)


def parse_with(
    job: RunningJob,
    connection: Connection,
    message: InboundMessage,
    content: bytes | None = None,
) -> ParsedDocument:
    """`parse`, where the connection is known."""
    require_running(job.context, connection)
    connector, config = connector_of(connection)
    if not isinstance(connector, DocumentParser):
        raise NotSupported("This connector reads no documents.", feature="document_parser")
    if content is None:
        content = inbox.raw(message, job.context.crypto)
    return connector.parse(config, RawDocument(content, message.content_type, message.headers))


def _apply_all(
    job: RunningJob, parts: Sequence[InboundMessage], parsed: ParsedDocument, *, may_halt: bool
) -> None:
    message = parts[0]
    zone = ZoneInfo("UTC")
    if message.practice_id is not None:
        with job.context.database.read(practice_scope(message.practice_id)) as session:
            zone = ZoneInfo(session.get_one(Practice, message.practice_id).zone)

    def effects(session: ScopedSession) -> None:
        inbox.forget_issues(session, [message])
        context = context_of(job, message, zone)
        outcomes = [apply(session, context, record) for record in parsed.records]
        refused = bool(outcomes) and all(outcome is Outcome.REJECTED for outcome in outcomes)
        if refused and may_halt:
            found = tuple(context.issues)
            raise _Refused(found[0] if found else None, (*parsed.issues, *found))
        inbox.add_issues(
            session,
            parsed.issues,
            now=job.context.now(),
            practice_id=message.practice_id,
            inbox_id=message.id,
        )
        _end(
            job,
            session,
            parts,
            "quarantined" if refused else "processed",
            issue_count=len(parsed.issues) + len(context.issues),
            fault=context.issues[0] if refused and context.issues else None,
        )
        if parsed.replies:
            queue.add(
                session,
                Job.SEND_REPLY,
                {"inbox_id": message.id},
                now=job.context.now(),
                unique_key=f"reply:{message.id}",
            )

    job.finish(_scope_of(message), effects)


def context_of(job: RunningJob, message: InboundMessage, zone: ZoneInfo) -> ApplyContext:
    """Where the records of a message come from."""
    return ApplyContext(
        practice_id=message.practice_id,
        connection_id=str(message.connection_id),
        inbox_id=message.id,
        sync_run_id=None,
        received_at=message.received_at,
        zone=zone,
        crypto=job.context.crypto,
        applied_at=job.context.now(),
    )


def _scope_of(message: InboundMessage) -> Scope:
    """A message of a practice may touch that practice only; a vendor's may touch orders of any."""
    return practice_scope(message.practice_id) if message.practice_id else _OF_ANY_PRACTICE


def _finish(
    job: RunningJob,
    parts: Sequence[InboundMessage],
    state: Literal["ignored", "quarantined"],
    *,
    fault: Issue,
    issues: tuple[Issue, ...] = (),
) -> None:
    message = parts[0]

    def effects(session: ScopedSession) -> None:
        now = job.context.now()
        inbox.forget_issues(session, [message])
        inbox.add_issues(
            session, issues, now=now, practice_id=message.practice_id, inbox_id=message.id
        )
        _end(job, session, parts, state, issue_count=len(issues), fault=fault)

    job.finish(_SCOPE, effects)


def _end(
    job: RunningJob,
    session: ScopedSession,
    parts: Sequence[InboundMessage],
    state: Literal["processed", "ignored", "quarantined"],
    *,
    issue_count: int,
    fault: Issue | None,
) -> None:
    """Record how reading ended, and owe the sender of each part what it asked to be told."""
    now = job.context.now()
    for part in parts:
        intake.finish(session, part.id, state=state, issue_count=issue_count, fault=fault, now=now)
        acknowledging.owe(job, session, part, state=state, fault=fault, now=now)


def _issue(error: Rejected) -> Issue:
    return Issue(error.reason, error.path, str(error))
