"""A stored message once more: an edited copy of it, or the message as it is to one destination."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from hub.errors import Rejected
from hub.services import copies
from hub.services.arrivals import Arrival
from hub.services.operators import stated_reason
from hub.storage.reads.write import global_id
from schema.context import Context
from schema.mapping.mutate import Call, Mutation, Payload, row_id
from schema.message_contents import Opened, look, may_read_of, note_opened, require_readable

MOST_MESSAGES = 100
"""Each is read before it is sent on: whoever sends it must be allowed to read it."""


def _edited(context: Context, given: Mapping[str, Any]) -> tuple[Opened, Arrival]:
    """The message and its copy, as the settings of now judge it."""
    stated_reason(given["reason"])
    copied = context.copy_message
    if copied is None:
        raise Rejected("This installation copies messages at the command line only.")
    [source] = look(context, [row_id(given["messageId"], "InboundMessage")])
    with context.read() as session:
        return source, copied(session, source.message, _bytes(given["content"]))


def _edit(call: Call) -> Payload:
    given, reason = call.input, stated_reason(call.input["reason"])
    opened, judged = call.prepared
    require_readable(call.session, call.context, opened)
    source, destination = opened.message, given.get("destinationId")
    if judged.fault is None and not may_read_of(call.context.scope, judged.practice_id):
        raise Rejected("The copy names a practice it may not be given to.", path="content")
    copy = copies.add(
        call.session,
        call.context.crypto,
        source.id,
        judged,
        to=None if destination is None else row_id(destination, "Connection"),
        now=call.now,
    )
    note_opened(call.session, call.context, "editMessage", [source], reason)
    return {"message": copy}


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("The content is bytes in base64.", path="content") from None


def _forwarded(context: Context, given: Mapping[str, Any]) -> list[Opened]:
    stated_reason(given["reason"])
    ids = [row_id(item, "InboundMessage") for item in given["messageIds"]]
    if not 1 <= len(ids) <= MOST_MESSAGES:
        raise Rejected(f"Name 1 to {MOST_MESSAGES} messages.", path="messageIds")
    return look(context, list(dict.fromkeys(ids)))


def _forward(call: Call) -> Payload:
    given = call.input
    reason = stated_reason(given["reason"])
    ids = [row_id(item, "InboundMessage") for item in given["messageIds"]]
    for opened in call.prepared:
        require_readable(call.session, call.context, opened)
    messages = [opened.message for opened in call.prepared]
    queued = copies.forward(
        call.session,
        call.context.crypto,
        ids,
        to=row_id(given["destinationId"], "Connection"),
        now=call.now,
    )
    note_opened(call.session, call.context, "forwardMessages", messages, reason)
    return {"outboundMessageIds": [global_id("OutboundMessage", one) for one in queued]}


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "editMessage",
        {"messageId": "ID", "content": "str", "destinationId": "ID | None", "reason": "str"},
        {"message": "InboundMessage"},
        _edit,
        prepare=_edited,
        mso_only=True,
        reason="reason",
        help="Store an edited copy of a message of HL7 v2 under a control id of its own; the "
        "original stays as it is. `content` is its bytes in base64, as `messageContent` shows "
        "them. It is judged, read and forwarded like any other of its sender; with `destinationId` "
        "it goes there alone and is not read. For who may read the original, and those of the "
        "practice the copy is for. The reason is audited.",
    ),
    Mutation(
        "forwardMessages",
        {"messageIds": "list[ID]", "destinationId": "ID", "reason": "str"},
        {"outboundMessageIds": "list[ID]"},
        _forward,
        prepare=_forwarded,
        mso_only=True,
        reason="reason",
        help="Queue stored messages of HL7 v2, at most 100, for one destination, byte for byte, in "
        "the order they came. For who may read them. The reason is audited.",
    ),
)
