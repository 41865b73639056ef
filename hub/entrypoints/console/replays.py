"""Reading many messages again: what a search finds is counted first, and started by typing the
number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.messages import MESSAGE, PARAMETERS, connections_by_name
from hub.entrypoints.console.searching import moment_said, where_of
from hub.entrypoints.console.views import PAGE, view
from hub.errors import Forbidden, Rejected

MOST = 1000
"""What GraphQL reads again at once."""
_COUNTED = "counted before reading again"
_SHOWN = f"""query console_replay_plan($first: Int!, $where: InboundMessageFilter) {{
  inboundMessages(first: $first, where: $where, orderBy: RECEIVED_AT) {{
    totalCount nodes {{ {MESSAGE} }} }} }}"""


def is_narrowed(given: Mapping[str, str]) -> bool:
    """Whether a search says anything: all messages of the hub are not read again by a button."""
    return any(given.get(name) for name in PARAMETERS)


async def plan(desk: Desk, _: Request, fields: Mapping[str, str]) -> Response:
    """What would be read again, counted, with its time frozen: what arrives later is not among
    it."""
    given = _given(desk, fields)
    where = await _where(desk, given)
    counted = await _replay(desk, _wanted(given, where), MOST, reason=_COUNTED, validateOnly=True)
    shown = (await desk.ask(_SHOWN, first=PAGE, where=where))["inboundMessages"]
    return view(
        desk,
        "replay_plan",
        given=given,
        count=counted["foundCount"],
        most=MOST,
        left_out=max(0, shown["totalCount"] - counted["foundCount"]),
        nodes=shown["nodes"],
    )


async def start(desk: Desk, _: Request, fields: Mapping[str, str]) -> Response:
    """Read them again, as many as were planned at most; the same form again does nothing more."""
    given = _given(desk, fields)
    planned = _number(fields.get("planned", ""))
    if _number(fields.get("count", "")) != planned:
        raise Rejected("The number typed is not that of the plan; go back and type it in.")
    if not 1 <= planned <= MOST:
        raise Rejected(f"From 1 to {MOST} messages are read again at once; narrow the search.")
    changed = await _replay(
        desk,
        _wanted(given, await _where(desk, given)),
        planned,
        reason=fields.get("reason", ""),
        idempotencyKey=fields.get("key") or None,
    )
    return view(desk, "replay_done", given=given, planned=planned, count=changed["replayedCount"])


def _given(desk: Desk, fields: Mapping[str, str]) -> dict[str, str]:
    """The search of a form with its times as moments, its end at the latest now."""
    if not desk.may("replayMessages"):
        raise Forbidden("This credential may not read messages again.")
    given = {name: fields.get(name, "") for name in PARAMETERS}
    if not is_narrowed(given):
        raise Rejected("Search first: what is read again has to be narrowed.")
    now = desk.now()
    ends = {name: moment_said(given[name], now) for name in ("since", "until") if given[name]}
    until = min(datetime.fromisoformat(ends.get("until", now.isoformat())), now)
    return {**given, **ends, "until": until.isoformat()}


async def _where(desk: Desk, given: Mapping[str, str]) -> dict[str, Any]:
    """The filter of `inboundMessages` for a search."""
    names = await connections_by_name(desk) if given["conn"] else {}
    return where_of(given, names, desk.now())


def _wanted(given: Mapping[str, str], where: Mapping[str, Any]) -> dict[str, object]:
    """The filter of `replayMessages` for a search. Raises Rejected where it names connections and
    not one."""
    names = ("controlId", "messageType", "faultCode", "state")
    wanted: dict[str, object] = {name: where[name]["eq"] for name in names if name in where}
    if "connection" in where:
        ids = where["connection"]["in"]
        if len(ids) != 1:
            raise Rejected(
                f"conn: finds {len(ids)} connections; messages of one are read again at once."
            )
        wanted["connectionId"] = ids[0]
    if given["since"]:
        wanted["since"] = given["since"]
    return {**wanted, "until": given["until"]}


async def _replay(
    desk: Desk, wanted: Mapping[str, object], limit: int, **more: object
) -> dict[str, int]:
    payload = "replayedCount foundCount"
    return await desk.change("replayMessages", payload, where=wanted, limit=limit, **more)


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
