"""Messages: finding one, what became of it, opening it for a reason, and reading it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hub.auth.sessions import IDLE
from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.contents import parsed
from hub.entrypoints.console.rendering import see_other
from hub.entrypoints.console.searching import read_search, where_of
from hub.entrypoints.console.views import PAGE, cursor_of, done_of, view
from hub.errors import Conflict, Forbidden, NotFound

MESSAGES = "/console/messages"
MESSAGE = """id kind messageType controlId state faultCode faultText receivedAt
  connection { id name } practice { name }"""
_CONNECTIONS = """query console_connection_names($after: String) {
  connections(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor } nodes { id name } } }"""
_LIST = f"""query console_messages($first: Int!, $after: String, $where: InboundMessageFilter) {{
  inboundMessages(first: $first, after: $after, where: $where) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{ {MESSAGE} }} }} }}"""
_KEYS = "query console_patient_keys($patient: String!) { messageKeys(patient: $patient) }"
_ONE = f"""query console_message($id: ID!) {{ node(id: $id) {{ ... on InboundMessage {{ {MESSAGE}
  size contentType faultPath issueCount duplicates processedAt
  issues(first: 50) {{ totalCount nodes {{ code path text }} }} }} }} }}"""
_CONTENT = """query console_message_content($id: ID!, $reason: String!) {
  messageContent(messageId: $id, reason: $reason) {
    text segments records answer issues { code path text } } }"""
PARAMETERS = ("ctl", "type", "conn", "status", "err", "since", "until")
_STAYS = "It is not read again; ask its sender to send it again once the cause is corrected."
_REPLAYED = frozenset({"PROCESSED", "IGNORED", "QUARANTINED", "REFUSED"})


async def messages(desk: Desk, request: Request) -> Response:
    """The list, newest first, as the address narrows it."""
    given = {name: request.query_params.get(name, "") for name in PARAMETERS}
    found = await _found(desk, given, cursor_of(request))
    may_plan = desk.may("replayMessages") and any(given.values())
    return view(
        desk,
        "messages",
        given=given,
        page_info=found["pageInfo"],
        nodes=found["nodes"],
        may_plan=may_plan,
    )


async def search(desk: Desk, _: Request, fields: Mapping[str, str]) -> Response:
    """What was typed into the box: a list with an address of its own, or an answer to this form
    alone if it is about a patient."""
    wanted = read_search(fields.get("q", ""))
    if not wanted.patient:
        return see_other(MESSAGES, **wanted.given)
    if not desk.reads_messages:
        raise Forbidden("This credential may not look for patients.")
    keys = (await desk.ask(_KEYS, patient=wanted.patient))["messageKeys"]
    return await _of_a_patient(desk, keys, wanted.given, None)


async def next_of_a_patient(desk: Desk, _: Request, fields: Mapping[str, str]) -> Response:
    """The next page of an answer about a patient."""
    given = {name: fields.get(name, "") for name in PARAMETERS}
    keys = fields.get("keys", "").split()
    return await _of_a_patient(desk, keys, given, fields.get("after") or None)


async def message(desk: Desk, request: Request) -> Response:
    """What became of one, without what it says."""
    row = await desk.node(_ONE, request.path_params["id"])
    turned_away = row["state"] == "REFUSED" and row["kind"] != "hl7v2"
    return view(
        desk,
        "message",
        row=row,
        may_open=desk.reads_messages and row["kind"] == "hl7v2" and row["state"] != "EXPIRED",
        may_replay=desk.may("replayMessages") and row["state"] in _REPLAYED and not turned_away,
        turned_away=turned_away,
        done=done_of(request),
    )


async def open_message(desk: Desk, request: Request, fields: Mapping[str, str]) -> Response:
    """What it says, for a reason, in the answer to the form that stated it."""
    row_id = request.path_params["id"]
    row = await desk.node(_ONE, row_id)
    asked = {"id": row_id, "reason": fields.get("reason", "")}
    content = (await desk.ask(_CONTENT, **asked)).get("messageContent")
    if content is None:
        raise NotFound
    # A large one takes the better part of a second, in which nobody else would be answered.
    return await run_in_threadpool(_opened, desk, row, content)


def _opened(desk: Desk, row: Mapping[str, Any], content: Mapping[str, Any]) -> Response:
    segments = parsed(content["text"])
    left_out = max(0, len(content["segments"]) - len(segments))
    response = view(desk, "content", row=row, content=content, segments=segments, left_out=left_out)
    # Nobody may be there any more: the browser closes it.
    response.headers["Refresh"] = f"{IDLE.total_seconds():.0f}; url={MESSAGES}/{row['id']}"
    return response


async def replay(desk: Desk, request: Request, fields: Mapping[str, str]) -> Response:
    """Read it again."""
    row_id = request.path_params["id"]
    changed = await desk.change(
        "replayMessages",
        "replayedCount",
        messageIds=[row_id],
        reason=fields.get("reason", ""),
        idempotencyKey=fields.get("key") or None,
    )
    if not changed["replayedCount"]:
        raise Conflict(_STAYS)
    return see_other(f"{MESSAGES}/{row_id}", done="replayed")


async def _of_a_patient(
    desk: Desk, keys: list[str], given: Mapping[str, str], after: str | None
) -> Response:
    found = await _found(desk, given, after, patientKey={"in": keys})
    return view(
        desk,
        "patient_messages",
        given=given,
        keys=" ".join(keys),
        page_info=found["pageInfo"],
        nodes=found["nodes"],
    )


async def _found(
    desk: Desk, given: Mapping[str, str], after: str | None, **more: object
) -> dict[str, Any]:
    """A page of the messages that parameters of an address stand for."""
    names = await connections_by_name(desk) if given.get("conn") else {}
    where = {**where_of(given, names, desk.now()), **more}
    found = await desk.ask(_LIST, first=PAGE, after=after, where=where or None)
    return dict(found["inboundMessages"])


async def connections_by_name(desk: Desk) -> dict[str, str]:
    """The id of every connection, by name."""
    found: dict[str, str] = {}
    after = None
    while True:
        read = (await desk.ask(_CONNECTIONS, after=after))["connections"]
        found |= {row["name"]: row["id"] for row in read["nodes"]}
        if not read["pageInfo"]["hasNextPage"]:
            return found
        after = read["pageInfo"]["endCursor"]
