"""Every page and form of the console, by address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console import connections, overview
from hub.entrypoints.console.asking import Desk

PAGES: Mapping[str, Callable[[Desk, Request], Awaitable[Response]]] = {
    "/console": overview.overview,
    "/console/connections": connections.connections,
    "/console/connections/{id}": connections.connection,
}
FORMS: Mapping[str, Callable[[Desk, Request, Mapping[str, str]], Awaitable[Response]]] = {
    "/console/connections/{id}/{action}": connections.act_on_connection,
}
