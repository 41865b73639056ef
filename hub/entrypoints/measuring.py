"""`/metrics`: what this process counted, and what waits in the database at the moment it is asked.

In production the route of the HTTP server wants HUB_METRICS_TOKEN, because a proxy in front makes
every visitor look like this machine; in the demo it answers this machine only. A process without
that server, or that shares its port, answers on HUB_METRICS_PORT: on loopback, or with the token on
HUB_METRICS_HOST.
"""

from __future__ import annotations

import hmac
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hub.domain.agreements import operations_scope
from hub.entrypoints.graphql_operations import HubParts
from hub.metrics import REGISTRY
from hub.settings import is_loopback
from hub.storage import measures
from hub.storage.session import ScopedSession

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

MOST_VISITORS = 32
"""Of a metrics port of its own, at once."""
_SCOPE = operations_scope("metrics")


class Waiting(Collector):
    """Measured when asked: jobs, lanes, messages and the log of the database."""

    def __init__(self, hub: HubParts) -> None:
        self._hub = hub

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        with self._hub.database.read(_SCOPE) as session:
            yield from self._jobs(session)
            yield from self._messages(session)
            yield _gauge("hub_audit_events", "Audit events.", measures.audit_events(session))
            size = measures.log_bytes(session, self._hub.database.url)
        waiting = self._hub.database.audit_waiting
        yield _gauge("hub_audit_waiting", "Audit events not being written yet.", waiting)
        yield _gauge("hub_database_log_bytes", "Bytes of the write-ahead log.", size)

    def _jobs(self, session: ScopedSession) -> Iterator[Metric]:
        now = self._hub.now()
        jobs = GaugeMetricFamily("hub_jobs", "Jobs that are not over.", labels=["queue", "state"])
        age = GaugeMetricFamily(
            "hub_job_ready_age_seconds", "How long the oldest due job waits.", labels=["queue"]
        )
        for queue, state, count, earliest in measures.live_jobs(session):
            jobs.add_metric([queue, state], count)
            if state == "ready":
                age.add_metric([queue], _age(earliest, now))
        lag = GaugeMetricFamily(
            "hub_lane_lag_seconds", "How long the head of a lane waits.", labels=["queue"]
        )
        for queue, since in measures.due_lanes(session).items():
            lag.add_metric([queue], _age(since, now))
        yield from (jobs, age, lag)
        dead = measures.dead_jobs(session)
        yield _gauge("hub_jobs_dead", "Jobs that were given up and wait for a person.", dead)
        halted = measures.halted_lanes(session)
        yield _gauge("hub_lanes_halted", "Messages that hold what follows them.", halted)

    def _messages(self, session: ScopedSession) -> Iterator[Metric]:
        count, oldest = measures.unread(session)
        yield _gauge("hub_messages_unread", "Messages stored and not read yet.", count)
        waits = 0.0 if oldest is None else _age(oldest, self._hub.now())
        yield _gauge("hub_message_unread_age_seconds", "How long the oldest waits.", waits)
        unsent = GaugeMetricFamily(
            "hub_messages_unsent", "Messages to other systems not settled.", labels=["state"]
        )
        for state, number in measures.unsent(session).items():
            unsent.add_metric([state], number)
        yield unsent


def exposition(hub: HubParts) -> bytes:
    """All metrics of this process and its database as text. Without a database that answers, those
    of the process."""
    try:
        waiting = CollectorRegistry()
        waiting.register(Waiting(hub))
        measured = generate_latest(waiting)
    except Exception:
        measured = _DATABASE_AWAY
    return generate_latest(REGISTRY) + measured


_DATABASE_AWAY = b"# The database does not answer.\n"


def metrics_endpoint(hub: HubParts) -> Callable[[Request], Awaitable[Response]]:
    """The route's function."""

    async def metrics(request: Request) -> Response:
        if not _admitted(hub, request):
            return Response(status_code=404)
        body = await run_in_threadpool(exposition, hub)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return metrics


def _admitted(hub: HubParts, request: Request) -> bool:
    if hub.settings.metrics_token is not None:
        return _has_token(hub, request.headers.get("authorization", ""))
    if hub.settings.profile == "production" or request.client is None:
        return False
    return is_loopback(request.client.host)


def _has_token(hub: HubParts, authorization: str) -> bool:
    token = hub.settings.metrics_token
    if token is None:
        return False
    expected = f"Bearer {token.get_secret_value()}".encode()
    return hmac.compare_digest(authorization.encode(), expected)


def serve_metrics(hub: HubParts, host: str, port: int) -> WSGIServer:
    """Answer `/metrics` and `/livez` on a port of its own, for a process without the HTTP server;
    where others than this machine reach it, `/metrics` with the token only. Raises OSError."""
    both = CollectorRegistry()
    both.register(REGISTRY)
    both.register(Waiting(hub))
    exposed = make_wsgi_app(both)
    on_loopback = is_loopback(host)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/livez":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b'{"status":"ok"}']
        if path == "/metrics" and (on_loopback or _has_token(hub, _authorization(environ))):
            found: Iterable[bytes] = exposed(environ, start_response)
            return found
        start_response("404 Not Found", [])
        return []

    server = make_server(host, port, answer, _server(host), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _authorization(environ: WSGIEnvironment) -> str:
    return str(environ.get("HTTP_AUTHORIZATION", ""))


def _server(host: str) -> type[WSGIServer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type("MetricsServer", (_BoundedServer,), {"address_family": family})


class _BoundedServer(ThreadingWSGIServer):
    """A thread for each visitor, and only so many at once: who comes beyond them is hung up on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._free = threading.BoundedSemaphore(MOST_VISITORS)
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds a visitor has to ask

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the hub's own log has no requests for metrics."""


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
