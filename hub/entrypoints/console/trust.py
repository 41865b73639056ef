"""Trust: what practices let the MSO see, and who did what."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.searching import moment_said
from hub.entrypoints.console.views import PAGE, cursor_of, view
from hub.errors import NotFound

_AGREEMENTS = """query console_agreements($after: String) {
  serviceAgreements(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes {
    domain granularity purposes startsOn endsOn dataAggregation delegatesPurchaseApproval
    sensitiveRecords practice { name } } } }"""
_EVENTS = """query console_audit($first: Int!, $after: String, $where: AuditEventFilter) {
  auditEvents(first: $first, after: $after, where: $where) {
    pageInfo { hasNextPage endCursor } nodes { id recordedAt principalId principalName purpose
      action outcome operation reason digest } } }"""
_EQUAL = {"principal": "principalId", "action": "action", "outcome": "outcome"}


async def trust(desk: Desk, request: Request) -> Response:
    """The agreements: all for the MSO, its own for a practice."""
    found = (await desk.ask(_AGREEMENTS, after=cursor_of(request)))["serviceAgreements"]
    rows = sorted(found["nodes"], key=_by_practice)
    return view(desk, "trust", rows=rows, page_info=found["pageInfo"])


def _by_practice(row: dict[str, Any]) -> tuple[str, ...]:
    name = row["practice"]["name"] if row["practice"] else ""
    return name, row["domain"], row["startsOn"]


async def audit(desk: Desk, request: Request) -> Response:
    """The audit trail, newest first, for whom GraphQL shows it."""
    if not desk.has("auditEvents"):
        raise NotFound
    given = {name: request.query_params.get(name, "") for name in (*_EQUAL, "since", "until")}
    where: dict[str, Any] = {_EQUAL[n]: {"eq": given[n]} for n in _EQUAL if given[n]}
    times = {"gte": given["since"], "lt": given["until"]}
    if any(times.values()):
        now = desk.now()
        where["recordedAt"] = {end: moment_said(said, now) for end, said in times.items() if said}
    asked = {"first": PAGE, "after": cursor_of(request), "where": where or None}
    found = (await desk.ask(_EVENTS, **asked))["auditEvents"]
    return view(desk, "audit", given=given, page_info=found["pageInfo"], nodes=found["nodes"])
