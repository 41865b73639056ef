"""The running service: the roles of one process, started and stopped together.

web is HTTP (GraphQL, webhooks, health), mllp the HL7 listener, jobs the workers and schedules.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import uvicorn
from starlette.applications import Starlette

from hub import log, tracing
from hub.domain.agreements import operations_scope
from hub.entrypoints.document_files import document_routes
from hub.entrypoints.exports import export_routes
from hub.entrypoints.graphql_request import LARGEST_BODY
from hub.entrypoints.hl7_http import hl7_routes
from hub.entrypoints.hl7_outcomes import Outcomes
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_route_table import RouteTable
from hub.entrypoints.http_protocol import BoundedHttp
from hub.entrypoints.hub import Hub
from hub.entrypoints.interpreter import share_threads
from hub.entrypoints.measuring import serve_metrics
from hub.entrypoints.mllp import MllpServer, MllpThread
from hub.entrypoints.mllp_replies import Replies
from hub.entrypoints.mllp_tls import tls_files
from hub.entrypoints.purchasing_routes import purchasing_routes
from hub.entrypoints.web import create_app
from hub.entrypoints.webhooks import webhook_routes
from hub.errors import BadSetting
from hub.settings import Settings, opentelemetry
from hub.storage import health
from hub.storage.session import Database

if TYPE_CHECKING:
    from jobs.worker import JobWorker

logger = log.get(__name__)
ROLES = ("web", "mllp", "jobs")
_SCOPE = operations_scope("service")


def _version(database: Database) -> str:
    """What a report of lost or damaged data has to name."""
    with database.read(_SCOPE) as session:
        version = health.facts(session)["version"]
    return f"{'SQLite' if database.is_sqlite else 'PostgreSQL'} {version}"


class Service:
    """Runs the chosen roles of one hub in threads of this process; use as a context manager.

    With `shared`, a socket several processes listen on, this is one of them. `http_port` and
    `mllp_port` are the bound ones after `start`, which raises BadSetting in one sentence if an
    address is taken.
    """

    def __init__(
        self, hub: Hub, roles: Collection[str] = ROLES, *, shared: socket.socket | None = None
    ) -> None:
        unknown = set(roles) - set(ROLES)
        if unknown:
            raise BadSetting(f"--roles takes {', '.join(ROLES)}; not {', '.join(sorted(unknown))}.")
        self.hub = hub
        self.roles = frozenset(roles)
        self.http_port = hub.settings.http_port
        self.mllp_port = hub.settings.mllp_port
        self._routes = RouteTable(hub.database)
        self._shared = shared
        self._worker: JobWorker | None = None
        self._mllp: MllpThread | None = None
        self._web: _WebThread | None = None
        self._metrics: WSGIServer | None = None

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Load and build what `start` will need, which forks of this process then need not."""
        if "web" in self.roles:
            self._app()
        if "jobs" in self.roles:
            import jobs.worker  # noqa: F401

    def start(self) -> None:
        settings = self.hub.settings
        tracing.start(opentelemetry())
        share_threads()
        if self.roles & {"web", "mllp"}:
            self._routes.start()
        try:
            if "web" in self.roles:
                self._web = _WebThread(self._app(), self._shared or http_socket(settings))
                self._web.start()
                self.http_port = self._web.port
            if settings.metrics_port is not None and not self._tells_metrics_by_http():
                host, port = settings.metrics_host, settings.metrics_port
                self._metrics = serve_metrics(self.hub, host, port)
            if "mllp" in self.roles:
                self._mllp = self._listener()
                self._mllp.start()
                self.mllp_port = self._mllp.server.port
        except Exception as error:
            self.stop()
            if isinstance(error, OSError):
                raise BadSetting(_why_not(error)) from error
            raise
        if "jobs" in self.roles:
            from jobs.worker import JobWorker  # Dramatiq and the brokers, for this role alone

            alone = self.roles == {"jobs"}  # else its threads wait for each other anyway
            self._worker = JobWorker(self.hub.job_context(), gives_way=alone)
            self._worker.start()
        logger.info(
            "hub started",
            role=",".join(sorted(self.roles)),
            port=self.http_port if "web" in self.roles else None,
            mllp_port=self.mllp_port if "mllp" in self.roles else None,
            database=_version(self.hub.database),
        )

    def stop(self) -> None:
        """Stop taking work in, finish what is in hand, give back the rest."""
        if self._mllp is not None:
            self._mllp.stop()
        if self._web is not None:
            self._web.stop()
        if self._worker is not None:
            self._worker.stop()
        if self._metrics is not None:
            self._metrics.shutdown()
            self._metrics.server_close()
        self._routes.stop()
        tracing.stop()
        self._mllp = self._web = self._worker = self._metrics = None

    def _app(self) -> Starlette:
        routes = [
            *webhook_routes(self.hub),
            *hl7_routes(self.hub, self._routes),
            *export_routes(self.hub),
            *purchasing_routes(self.hub),
            *document_routes(self.hub),
        ]
        return create_app(
            self.hub, routes=routes, ready=self._ready, measured=self._tells_metrics_by_http()
        )

    def _tells_metrics_by_http(self) -> bool:
        """Where several processes share the port, one of them by chance would answer."""
        return "web" in self.roles and self._shared is None

    def _ready(self) -> str:
        """What keeps this process from its work; empty if nothing does."""
        return "" if self._routes.is_fresh() else "HL7 routes are too old"

    def _listener(self) -> MllpThread:
        settings = self.hub.settings
        routes = self._routes
        receiver = Receiver(
            self.hub.intake,
            routes=routes,
            now=self.hub.now,
            processed=Outcomes(self.hub.database),
        )
        replies = Replies(self.hub.database, self.hub.crypto, routes, self.hub.now)
        server = MllpServer(
            receiver,
            host=settings.mllp_host,
            port=settings.mllp_port,
            tls=tls_files(settings),
            proxies=settings.mllp_proxy_networks(),
            share_port=settings.mllp_share_port,
            replies=replies,
        )
        return MllpThread(server)


def _why_not(error: OSError) -> str:
    """Why the service cannot listen, in one sentence."""
    if error.errno == errno.EADDRINUSE:
        return "An address is taken; set HUB_HTTP_PORT or HUB_MLLP_PORT to a free port."
    return (
        "This machine cannot listen there; set HUB_HTTP_HOST and HUB_MLLP_HOST to addresses of its "
        "own, and ports it may use."
    )


def http_socket(settings: Settings) -> socket.socket:
    """A socket bound to the address of HTTP. Raises BadSetting if that cannot be."""
    host = settings.http_host
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, settings.http_port))
    except OSError as error:
        bound.close()
        raise BadSetting(_why_not(error)) from error
    return bound


class _WebThread:
    """uvicorn in a thread, on a socket bound before it starts."""

    def __init__(self, app: Starlette, bound: socket.socket) -> None:
        self._socket = bound
        self.port: int = bound.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            http=BoundedHttp,
            ws="websockets-sansio",
            ws_max_size=LARGEST_BODY,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise OSError("the HTTP server ended at start")
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
