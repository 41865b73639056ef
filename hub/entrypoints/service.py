"""The running service: the roles of one process, started and stopped together.

web is HTTP (GraphQL, webhooks, health), mllp the HL7 listener, jobs the workers and schedules.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Collection
from types import TracebackType

import uvicorn

from connectors import registry
from connectors.ehr_hl7v2.config import Config as Hl7Config
from hub import log
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.exports import export_routes
from hub.entrypoints.graphql_request import LARGEST_BODY
from hub.entrypoints.hl7_http import hl7_routes
from hub.entrypoints.hl7_outcomes import Outcomes
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import LOOPBACK, Facility, Forward, Hl7Connection, Routes
from hub.entrypoints.hub import Hub
from hub.entrypoints.mllp import MllpServer, MllpThread
from hub.entrypoints.mllp_replies import Replies
from hub.entrypoints.mllp_tls import canonical_name, tls_files
from hub.entrypoints.web import create_app
from hub.entrypoints.webhooks import webhook_routes
from hub.errors import BadSetting
from hub.services.outbound import DESTINATION
from hub.storage import connections
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice
from jobs.worker import JobWorker

logger = log.get(__name__)
ROLES = ("web", "mllp", "jobs")
ROUTES_SECONDS = 5.0
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter from another. A commit gives it up at each statement,
and with the usual 5 ms waits that long to get it back from a busy event loop."""
_SCOPE = unrestricted_scope("service")


class Service:
    """Runs the chosen roles of one hub in threads of this process; use as a context manager.

    `http_port` and `mllp_port` are the bound ones after `start`, which raises BadSetting in one
    sentence if an address is taken.
    """

    def __init__(self, hub: Hub, roles: Collection[str] = ROLES) -> None:
        unknown = set(roles) - set(ROLES)
        if unknown:
            raise BadSetting(f"--roles takes {', '.join(ROLES)}; not {', '.join(sorted(unknown))}.")
        self.hub = hub
        self.roles = frozenset(roles)
        self.http_port = hub.settings.http_port
        self.mllp_port = hub.settings.mllp_port
        self._worker: JobWorker | None = None
        self._mllp: MllpThread | None = None
        self._web: _WebThread | None = None

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

    def start(self) -> None:
        settings = self.hub.settings
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            if "web" in self.roles:
                routes = [
                    *webhook_routes(self.hub),
                    *hl7_routes(self.hub, RouteTable(self.hub)),
                    *export_routes(self.hub),
                ]
                app = create_app(self.hub, routes=routes)
                self._web = _WebThread(app, settings.http_host, settings.http_port)
                self._web.start()
                self.http_port = self._web.port
            if "mllp" in self.roles:
                self._mllp = self._listener()
                self._mllp.start()
                self.mllp_port = self._mllp.server.port
        except OSError as error:
            self.stop()
            raise BadSetting(
                "An address is taken; set HUB_HTTP_PORT or HUB_MLLP_PORT to a free port."
            ) from error
        if "jobs" in self.roles:
            self._worker = JobWorker(self.hub.job_context())
            self._worker.start()
        logger.info("hub started", role=",".join(sorted(self.roles)), port=self.http_port)

    def stop(self) -> None:
        """Stop taking work in, finish what is in hand, give back the rest."""
        if self._mllp is not None:
            self._mllp.stop()
        if self._web is not None:
            self._web.stop()
        if self._worker is not None:
            self._worker.stop()
        self._mllp = self._web = self._worker = None

    def _listener(self) -> MllpThread:
        settings = self.hub.settings
        routes = RouteTable(self.hub)
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
            replies=replies,
        )
        return MllpThread(server)


class RouteTable:
    """The HL7 routes as stored, read again every few seconds: call it for the current ones."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._routes = Routes(())
        self._expires = 0.0

    def __call__(self) -> Routes:
        if time.monotonic() >= self._expires:
            self._routes = load_routes(self._hub)
            self._expires = time.monotonic() + ROUTES_SECONDS
        return self._routes


def load_routes(hub: Hub) -> Routes:
    """Who may send HL7 for which practices, from the connections of the HL7 connector."""
    found = []
    with hub.database.read(_SCOPE) as session:
        zones = {practice.id: practice.zone for practice in session.query(Practice)}
        facilities: dict[str, dict[str, Facility]] = {}
        for row in connections.routing(session):
            facilities.setdefault(row.connection_id, {})[row.code] = Facility(
                row.practice_id, zones[row.practice_id], row.receiving_facility or None
            )
        forwards = _forwards(session)
        for connection in connections.by_connector(session, "ehr_hl7v2"):
            config = registry.validate_config("ehr_hl7v2", connection.config)
            if not isinstance(config, Hl7Config):
                continue
            routing = connection.routing
            found.append(
                Hl7Connection(
                    connection_id=connection.id,
                    sending_application=routing["sending_application"],
                    facilities=facilities.get(connection.id, {}),
                    config=config,
                    peers=tuple(routing.get("peers", LOOPBACK)),
                    processing_ids=frozenset(routing.get("processing_ids", ("P",))),
                    certificates=frozenset(map(canonical_name, routing.get("certificates", ()))),
                    forwards=tuple(forwards.get(connection.name, ())),
                )
            )
    return Routes(tuple(found))


def _forwards(session: ScopedSession) -> dict[str, list[Forward]]:
    """Name of a connection -> what of it goes on to which destination."""
    found: dict[str, list[Forward]] = {}
    for destination in connections.by_connector(session, DESTINATION):
        for rule in destination.routing.get("forward", ()):
            types = frozenset(rule.get("types", ()))
            found.setdefault(rule["from"], []).append(Forward(destination.id, types))
    return found


class _WebThread:
    """uvicorn in a thread, on a socket bound before it starts."""

    def __init__(self, app: object, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            log_level="critical",
            access_log=False,
            server_header=False,
            http="httptools",
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
