"""Connections: how each is doing, what it is set to, its checks and runs, and holding it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.domain.connection_health import PULLED_EVERY, Facts, Health, health
from hub.entrypoints.console.asking import Desk, Json
from hub.entrypoints.console.rendering import read_moment, see_other
from hub.entrypoints.console.views import PAGE, cursor_of, done_of, view
from hub.errors import NotFound

CONNECTION = """id name connectorId status statusReason paused retryAt createdAt practice { name }
  syncRuns(first: 5) { nodes { state finishedAt } }
  last: inboundMessages(first: 1) { nodes { receivedAt } }
  waiting: inboundMessages(first: 1, where: {state: {eq: RECEIVED}}, orderBy: RECEIVED_AT) {
    totalCount nodes { receivedAt } }
  queued: outboundMessages(first: 1, where: {state: {eq: QUEUED}}, orderBy: QUEUED_AT) {
    totalCount nodes { queuedAt } }
  sent: outboundMessages(first: 1, where: {state: {eq: ACCEPTED}}) { nodes { answeredAt } }"""
_LIST = f"""query console_connections($first: Int!, $after: String) {{
  connectors(first: 100) {{ nodes {{ id capabilities }} }}
  connections(first: $first, after: $after) {{
    totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {CONNECTION} }} }} }}"""
_ONE = f"""query console_connection($id: ID!, $since: DateTime!) {{
  connectors(first: 100) {{ nodes {{ id capabilities }} }}
  node(id: $id) {{ ... on Connection {{ {CONNECTION}
    day: inboundMessages(first: 1, where: {{receivedAt: {{gte: $since}}}}) {{
      aggregates(groupBy: [STATE]) {{ count keys {{ state }} }} }}
    checks(first: 3) {{ nodes {{ ok checkedAt probes {{ nodes {{ name ok error hint }} }} }} }}
    runs: syncRuns(first: 10) {{ nodes {{ stream state read created changed rejected faultCode
      faultText startedAt finishedAt }} }} }} }} }}"""
_SETTINGS = """query console_settings($id: ID!) { connectionSettings(connectionId: $id) {
  config routing practices { code practiceId } versions { version changedBy reason recordedAt }
  } }"""
_ACTIONS = {
    "pause": ("pauseConnection", "changed", "paused"),
    "resume": ("resumeConnection", "changed", "resumed"),
    "test": ("testConnection", "job { id }", "test"),
    "sync": ("syncConnection", "job { id }", "sync"),
}
"""Word in the address → mutation, what is asked of its payload, word of what was done."""


@dataclass(frozen=True, slots=True)
class ShownConnection:
    """A connection as lists show it; `pulled` if the hub reads it by schedule."""

    row: Mapping[str, Any]
    health: Health
    pulled: bool
    backlog: int
    waiting_since: datetime | None
    succeeded_at: datetime | None


def shown_connection(
    row: Mapping[str, Any], capabilities: Mapping[str, Sequence[str]], now: datetime
) -> ShownConnection:
    """A row of `CONNECTION` with its word."""
    can = capabilities.get(row["connectorId"], ())
    runs = _nodes(row, "syncRuns")
    pulled = "source" in can
    seen = pulled and "syncRuns" in row  # practices do not see runs, and so no lateness
    waiting = [*_moments(row, "waiting", "receivedAt"), *_moments(row, "queued", "queuedAt")]
    succeeded = [
        *(read_moment(run["finishedAt"]) for run in runs if run["state"] == "done"),
        *_moments(row, "last", "receivedAt"),
        *_moments(row, "sent", "answeredAt"),
    ]
    created = read_moment(row["createdAt"])
    if not succeeded and not seen and not {"document_parser", "message_sender"} & {*can}:
        succeeded = [created]  # it is asked when needed, and nothing is known against it
    facts = Facts(
        status=row["status"],
        paused=row["paused"],
        created_at=created,
        running=any(run["state"] == "running" for run in runs),
        succeeded_at=max(succeeded, default=None),
        waiting_since=min(waiting, default=None),
        interval=PULLED_EVERY if seen else None,
    )
    backlog = sum(row.get(part, {}).get("totalCount", 0) for part in ("waiting", "queued"))
    return ShownConnection(
        row, health(facts, now), pulled, backlog, facts.waiting_since, facts.succeeded_at
    )


def capabilities_of(found: Json) -> dict[str, Sequence[str]]:
    """What each connector can do."""
    return {one["id"]: one["capabilities"] for one in found.get("connectors", {}).get("nodes", ())}


def by_state(groups: Iterable[Json]) -> dict[str, int]:
    """How many messages in each state; there is a group for each practice."""
    counted: Counter[str] = Counter()
    for group in groups:
        counted[group["keys"]["state"]] += group["count"]
    return dict(counted)


async def connections(desk: Desk, request: Request) -> Response:
    """The list."""
    found = await desk.ask(_LIST, first=PAGE, after=cursor_of(request))
    capabilities, now = capabilities_of(found), desk.now()
    rows = [shown_connection(row, capabilities, now) for row in found["connections"]["nodes"]]
    return view(desk, "connections", rows=rows, page_info=found["connections"]["pageInfo"])


async def connection(desk: Desk, request: Request) -> Response:
    """One of them, with what it is set to for who may see that."""
    row_id, now = request.path_params["id"], desk.now()
    since = (now - timedelta(days=1)).isoformat()
    found = await desk.ask(_ONE, id=row_id, since=since)
    row = found.get("node")
    if not row:
        raise NotFound
    settings = None
    if desk.may("changeConnection"):
        settings = (await desk.ask(_SETTINGS, id=row_id))["connectionSettings"]
    return view(
        desk,
        "connection",
        one=shown_connection(row, capabilities_of(found), now),
        row=row,
        states=by_state(row["day"]["aggregates"]),
        settings=settings,
        done=done_of(request),
    )


async def act_on_connection(desk: Desk, request: Request, fields: Mapping[str, str]) -> Response:
    """Hold it, let it go on, check it, or read what is new."""
    row_id, action = request.path_params["id"], request.path_params["action"]
    if action not in _ACTIONS:
        raise NotFound
    mutation, payload, done = _ACTIONS[action]
    key = fields.get("key") or None
    await desk.change(mutation, payload, connectionId=row_id, idempotencyKey=key)
    return see_other(f"/console/connections/{row_id}", done=done)


def _nodes(row: Mapping[str, Any], part: str) -> list[Json]:
    return list(row.get(part, {}).get("nodes", ()))


def _moments(row: Mapping[str, Any], part: str, name: str) -> list[datetime]:
    return [read_moment(node[name]) for node in _nodes(row, part) if node[name]]
