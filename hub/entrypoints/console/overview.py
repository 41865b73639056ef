"""Overview: how every connection is doing, what waits, and what went wrong lately."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.connections import (
    CONNECTION,
    by_state,
    capabilities_of,
    shown_connection,
)
from hub.entrypoints.console.messages import MESSAGE
from hub.entrypoints.console.views import view

MOST_CONNECTIONS = 50
MOST_ISSUES = 10
_OVERVIEW = f"""query console_overview($since: DateTime!) {{
  connectors(first: 100) {{ nodes {{ id capabilities }} }}
  connections(first: {MOST_CONNECTIONS}) {{ totalCount nodes {{ {CONNECTION} }} }}
  day: inboundMessages(first: 1, where: {{receivedAt: {{gte: $since}}}}) {{
    totalCount aggregates(groupBy: [STATE]) {{ count keys {{ state }} }} }}
  waiting: inboundMessages(first: 1, where: {{state: {{eq: RECEIVED}}}}, orderBy: RECEIVED_AT) {{
    totalCount nodes {{ receivedAt }} }}
  dead: jobs(first: 5, where: {{state: {{eq: DEAD}}}}) {{
    totalCount nodes {{ id kind errorCode errorText createdAt }} }}
  troubled: inboundMessages(first: 5, where: {{state: {{in: [QUARANTINED, REFUSED]}}}}) {{
    nodes {{ {MESSAGE} }} }}
}}"""
_ISSUES = """query console_issues($since: DateTime!) { messageIssueCounts(since: $since) {
  day connectionId connectionName kind code count } }"""


async def overview(desk: Desk, _: Request) -> Response:
    now = desk.now()
    since = (now - timedelta(days=1)).isoformat()
    found = await desk.ask(_OVERVIEW, since=since)
    capabilities = capabilities_of(found)
    connections = found["connections"]
    # Counted over all practices, it is for the MSO alone.
    issues = await desk.ask(_ISSUES, since=since) if desk.is_mso else {}
    return view(
        desk,
        "overview",
        found=found,
        rows=[shown_connection(row, capabilities, now) for row in connections["nodes"]],
        more=connections["totalCount"] > MOST_CONNECTIONS,
        states=by_state(found["day"]["aggregates"]),
        oldest=next((one["receivedAt"] for one in found["waiting"]["nodes"]), None),
        issues=issues.get("messageIssueCounts", [])[:MOST_ISSUES],
    )
