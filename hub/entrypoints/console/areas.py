"""Every page and form of the console, by address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console import connections, issues, jobs, messages, overview, replays, trust
from hub.entrypoints.console.asking import Desk

PAGES: Mapping[str, Callable[[Desk, Request], Awaitable[Response]]] = {
    "/console": overview.overview,
    "/console/connections": connections.connections,
    "/console/connections/{id}": connections.connection,
    "/console/messages": messages.messages,
    "/console/messages/{id}": messages.message,
    "/console/issues": issues.issues,
    "/console/jobs": jobs.jobs,
    "/console/jobs/{id}": jobs.job,
    "/console/trust": trust.trust,
    "/console/trust/audit": trust.audit,
}
FORMS: Mapping[str, Callable[[Desk, Request, Mapping[str, str]], Awaitable[Response]]] = {
    "/console/connections/{id}/{action}": connections.act_on_connection,
    "/console/messages": messages.search,
    "/console/messages/of-a-patient": messages.next_of_a_patient,
    "/console/messages/plan": replays.plan,
    "/console/messages/replay": replays.start,
    "/console/messages/{id}/content": messages.open_message,
    "/console/messages/{id}/replay": messages.replay,
    "/console/jobs/{id}/{action}": jobs.act_on_job,
}
