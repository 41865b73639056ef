"""What a message says: its bytes beside what is read in them, for a stated reason."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.scalars import JSON

from hub.domain.agreements import DataClass, Domain, Scope, practice_scope
from hub.errors import Forbidden, NotFound, Rejected
from hub.services.operators import stated_reason
from hub.storage import audit, inbox
from hub.storage.labels import labelled_patient
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, InboundMessage
from schema.context import Context, DescribeMessage
from schema.mapping.mutate import row_id

READ_HERE = "hl7v2"


@strawberry.type(description="Something in a message that is not understood, as it is read now.")
class MessageFinding:
    code: str
    path: str = strawberry.field(description="Where, as in PID-7; never a value.")
    text: str


@strawberry.type(description="A message as it came, beside what the hub reads in it now.")
class MessageContent:
    base64: str = strawberry.field(description="The bytes as received.")
    text: str = strawberry.field(description="The bytes decoded by the message's character set.")
    segments: list[str] = strawberry.field(description="The ids of its segments, in order.")
    records: JSON = strawberry.field(
        description="What its connection's dialect finds in it now; nothing is stored."
    )
    issues: list[MessageFinding]
    answer: str = strawberry.field(description="What its sender was answered; empty for nothing.")


def _content(
    info: strawberry.Info[Context, None], message_id: strawberry.ID, reason: str
) -> MessageContent:
    context, stated = info.context, stated_reason(reason)
    _check_rights(context)
    inbox_id = row_id(message_id, "InboundMessage")
    [opened] = look(context, [inbox_id])
    context.database.transaction(
        context.scope, lambda session: _open(session, context, opened, stated)
    )
    found = opened.found
    return MessageContent(
        base64=base64.b64encode(opened.raw).decode("ascii"),
        text=found["text"],
        segments=list(found["segments"]),
        records=_json(found["records"]),
        issues=[MessageFinding(**issue) for issue in found["issues"]],
        answer=inbox.answer(opened.message, context.crypto).decode("utf-8", "replace"),
    )


def _json(records: Any) -> JSON:
    return records  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored message, its bytes and what they say."""

    message: InboundMessage
    raw: bytes
    found: Mapping[str, Any]


def _check_rights(context: Context) -> DescribeMessage:
    if DataClass.PHI not in context.scope.classes or context.describe_message is None:
        raise Forbidden("This credential may not read messages.")
    return context.describe_message


def look(context: Context, inbox_ids: Sequence[str]) -> list[Opened]:
    """Messages taken apart outside of any transaction that writes, as that takes its time; what
    comes of them waits for `require_readable`. Raises Forbidden, NotFound, and Rejected for one
    that is not of HL7 v2."""
    describe = _check_rights(context)
    found = []
    with context.read() as session:
        for inbox_id in inbox_ids:
            message = inbox.get(session, inbox_id)
            if message is None or not may_read_of(context.scope, message.practice_id):
                raise NotFound(sought=inbox_id)
            if message.kind != READ_HERE:
                raise Rejected("Only HL7 v2 messages are shown.", path="messageId")
            its = message.connection_id
            found.append((message, session.get(Connection, its) if its else None))
    opened = []
    for message, connection in found:
        raw = inbox.raw(message, context.crypto)
        opened.append(Opened(message, raw, describe(raw, connection, message.headers)))
    return opened


def require_readable(session: ScopedSession, context: Context, opened: Opened) -> None:
    """Raises NotFound unless the credential may read the whole message, as things are now."""
    message = inbox.get(session, opened.message.id)
    if message is None or not may_read_of(context.scope, message.practice_id):
        raise NotFound(sought=opened.message.id)
    may_read_labelled = _may_read_labelled(context.scope, message)
    if not may_read_labelled and _is_labelled(session, message, opened.found):
        raise NotFound(sought=opened.message.id)


def _open(session: ScopedSession, context: Context, opened: Opened, reason: str) -> None:
    """An audit event of who reads a message and why."""
    require_readable(session, context, opened)
    note_opened(session, context, "messageContent", [opened.message], reason)


def note_opened(
    session: ScopedSession,
    context: Context,
    operation: str,
    messages: Sequence[InboundMessage],
    reason: str,
) -> None:
    """Tell the audit trail that messages were opened, of which practices and why."""
    event = context.audit_event(
        operation,
        "read",
        "success",
        entities={"InboundMessage": len(messages)},
        practice_ids={one.practice_id for one in messages if one.practice_id},
        reason=reason,
    )
    audit.append_all(session, [event])


def may_read_of(scope: Scope, practice_id: str | None) -> bool:
    """Messages of a practice are as its whole clinical rows; the MSO reads what could be given to
    no practice."""
    if practice_id is None:
        return scope.is_mso
    granted: Mapping[Domain, frozenset[str]] = scope.rows
    return scope.unrestricted or practice_id in granted.get(Domain.CLINICAL, frozenset())


def _may_read_labelled(scope: Scope, message: InboundMessage) -> bool:
    """A message with a sensitivity label (42 CFR Part 2), or about a patient with one, is as
    clinical rows that have one."""
    if message.practice_id is None:
        return DataClass.PHI_SENSITIVE in scope.classes
    granted = scope.sensitive_practices(Domain.CLINICAL)
    return scope.unrestricted or message.practice_id in granted


def _is_labelled(session: ScopedSession, message: InboundMessage, found: Mapping[str, Any]) -> bool:
    """The hub asks for itself: such a patient is hidden from who asks."""
    if found["restricted"] or message.practice_id is None:
        return bool(found["restricted"])
    named = _identifiers(found["records"])
    with session.reading_as(practice_scope(message.practice_id)) as of_the_hub:
        return labelled_patient(of_the_hub, message.practice_id, named)


def _identifiers(found: Any) -> set[str]:
    """The values of every identifier of a patient in the records of a message."""
    if isinstance(found, list):
        return {value for each in found for value in _identifiers(each)}
    if not isinstance(found, dict):
        return set()
    own = {found["value"]} if {"authority", "type", "value"} <= found.keys() else set()
    return own | _identifiers([*found.values()])


@strawberry.type
class Query:
    message_content: MessageContent = strawberry.field(
        resolver=_content,
        description="A message of HL7 v2 as it came, with its segments, and the records and issues "
        "found in it by its connection's settings of now. `reason` (1 to 200 characters, no "
        "patient) goes to the audit trail.",
    )
