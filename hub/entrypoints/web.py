"""The HTTP application: GraphQL, health, and whatever routes are handed in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import Histogram
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from connectors import registry
from hub import log, metrics
from hub.domain.agreements import operations_scope
from hub.entrypoints.console.routes import ConsoleHeaders, console_routes
from hub.entrypoints.graphiql import page
from hub.entrypoints.graphql import GraphQLEndpoint
from hub.entrypoints.graphql_answer import OURS, failed
from hub.entrypoints.graphql_operations import HubParts
from hub.entrypoints.graphql_request import JSON
from hub.entrypoints.measuring import metrics_endpoint
from hub.entrypoints.refusals import UNAUTHENTICATED, Refusals, RefusedCredentials
from hub.errors import HubError, Throttled
from hub.settings import Settings
from hub.storage.session import Database
from schema.context import ConnectorEntry

logger = log.get(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]
LEAST_FREE_BYTES = 64 * 1024 * 1024
"""With less on the disk of HUB_DATA_DIR the hub says it is not ready."""
_GRAPHQL = "/graphql"
_PLAIN = frozenset({"POST", "QUERY"})
_SCOPE = operations_scope("health")


def create_app(
    hub: HubParts,
    *,
    routes: Sequence[BaseRoute] = (),
    connectors: Sequence[ConnectorEntry] | None = None,
    allowed_hosts: Sequence[str] | None = None,
    ready: Callable[[], str] = lambda: "",
    measured: bool = True,
) -> Starlette:
    """The application of the role `web`.

    `routes` are further routes (webhooks, HL7 over HTTP), `connectors` the catalogue GraphQL lists
    (default: the installed ones), `allowed_hosts` the names the hub answers under (default:
    loopback, HUB_HTTP_HOST and the host of HUB_PUBLIC_URL); `ready` says what else keeps this
    process from its work, empty for nothing. With `measured` False there is no ``/metrics``.
    """
    hosts = list(allowed_hosts if allowed_hosts is not None else hosts_of(hub.settings))
    endpoint = GraphQLEndpoint(hub, catalogue() if connectors is None else connectors)

    async def readyz(_: Request) -> Response:
        if not await run_in_threadpool(_database_writes, hub.database):
            return JSONResponse({"status": "database unreachable"}, 503)
        problem = ready() or _disk_full(hub.settings.data_dir)
        return JSONResponse({"status": problem or "ok"}, 503 if problem else 200)

    refusals = Refusals(hub.database, hub.now)
    logged = hub.settings.log_level == "debug"
    return _Application(
        endpoint,
        refusals,
        () if logged else hosts,
        routes=[
            Route(_GRAPHQL, endpoint.handle, methods=METHODS),
            WebSocketRoute(_GRAPHQL, endpoint.websocket),
            *console_routes(hub, endpoint.operations),
            *(page.routes() if hub.settings.profile == "demo" else ()),
            Route("/livez", _livez),
            Route("/readyz", readyz),
            *([Route("/metrics", metrics_endpoint(hub))] if measured else ()),
            *routes,
        ],
        middleware=[
            Middleware(AccessLog),
            Middleware(ConsoleHeaders),
            Middleware(RefusedCredentials, refusals=refusals),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        ],
        exception_handlers={Exception: _failed},
    )


class _Application(Starlette):
    """Starlette, past whose middleware and routes a POST or QUERY of GraphQL goes that names a host
    plainly: they take as long as a small query. What they would do for it is done here."""

    def __init__(
        self, endpoint: GraphQLEndpoint, refusals: Refusals, hosts: Sequence[str], **options: Any
    ) -> None:
        super().__init__(**options)
        self._endpoint = endpoint
        self._refusals = refusals
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        response = await self._answered(scope, receive)
        if response is None:
            await super().__call__(scope, receive, send)
            return
        if response.status_code == UNAUTHENTICATED:
            self._refusals.note_of(scope)
        try:
            await response(scope, receive, send)
        finally:
            measured = _measured(_GRAPHQL, scope["method"], response.status_code)
            measured.observe(time.monotonic() - started)

    async def _answered(self, scope: AsgiScope, receive: Receive) -> Response | None:
        """The answer to a plain POST or QUERY of GraphQL; None for any other request."""
        if scope["type"] != "http" or scope["path"] != _GRAPHQL or scope["method"] not in _PLAIN:
            return None
        sent = reversed(scope["headers"])  # the first of a name counts
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent}
        host, colon, port = headers.get("host", "").partition(":")
        known = host in self._hosts or "*" in self._hosts
        if not known or (colon and not (port.isascii() and port.isdigit())):
            return None
        try:
            await self._refusals.check(scope)
        except Throttled as error:
            return failed(error).response(JSON)
        return await self._endpoint.plain(scope["method"], headers, receive)


def catalogue() -> list[ConnectorEntry]:
    """The installed connectors, as GraphQL lists them."""
    return [
        ConnectorEntry(
            id=manifest.id,
            name=manifest.name,
            kind=manifest.kind,
            version=manifest.version,
            capabilities=list(manifest.capabilities),
        )
        for manifest in registry.manifests()
    ]


def hosts_of(settings: Settings) -> list[str]:
    """The host names the hub answers under; any, where it listens on every address unnamed."""
    public = urlsplit(settings.public_url).hostname
    if settings.http_host in ("0.0.0.0", "::") and not public:  # noqa: S104 - compared, not bound
        return ["*"]
    return [*LOOPBACK, settings.http_host, *([public] if public else [])]


async def _failed(request: Request, error: Exception) -> Response:
    """What no route expected: told by an id alone, and logged under it without values."""
    route = request.scope.get("route")
    url_path = route.path if isinstance(route, Route) else ""
    error_id = log.unexpected(logger, error, url_path=url_path)
    body = {"code": HubError.code, "message": OURS, "errorId": error_id}
    return JSONResponse(body, HubError.http_status, {"Cache-Control": "no-store"})


async def _livez(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _disk_full(data_dir: Path) -> str:
    """A sentence's worth of warning while there is still room to stop in order."""
    full = data_dir.exists() and shutil.disk_usage(data_dir).free < LEAST_FREE_BYTES
    return "disk full" if full else ""


def _database_writes(database: Database) -> bool:
    """Whether a transaction begins and commits, on SQLite in the thread that writes for all."""
    try:
        database.transaction(_SCOPE, lambda session: session.execute(select(1)).scalar())
    except Exception:
        return False
    return True


@cache
def _measured(path: str, method: str, status: int) -> Histogram:
    return metrics.http_requests.labels(path, method, str(status))


class AccessLog:
    """One line per request: method, path and status, without query, headers or body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = scope.get("route")
            path = route.path if isinstance(route, Route) else ""
            seconds = time.monotonic() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            _measured(path, method, status).observe(seconds)
            logger.debug(
                "request",
                method=scope["method"],
                url_path=path,
                status=status,
                seconds=round(seconds, 4),
            )
