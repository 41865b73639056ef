"""The frame of every vendor simulator: a Starlette app with a fault plan, on a loopback port.

A simulator speaks the vendor's protocol with payloads it builds itself, so that a mistake in the
connector's mapping cannot cancel out. Faults are data: ``POST /_control/faults`` takes a list of
`Fault` objects, ``GET /_control/requests`` lists what was asked. The control routes answer loopback
only because the server binds to nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route


@dataclass(frozen=True, slots=True)
class DemoConnection:
    """What a connection to a simulator needs: `settings` as its connector takes them, without the
    secrets, and `secrets` by the setting that refers to them."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str]

    def config(self, connection_id: str) -> dict[str, Any]:
        """The settings with references to secrets kept under this connection."""
        kept = {name: f"secret://conn/{connection_id}/{name}" for name in self.secrets}
        return {**self.settings, **kept}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook as a simulated vendor sends it: its signed headers, its type, and its bytes."""

    headers: Mapping[str, str]
    content_type: str
    body: bytes


WIRE_FAULTS = ("latency", "status", "html", "truncate", "reset", "empty")


@dataclass
class Fault:
    """One planned fault: on the requests whose path contains `match`, skip `nth` - 1, then `times`.

    `kind`: latency (params.seconds), status (params.status, params.retry_after), html, truncate
    (params.bytes), reset, empty; a simulator may add kinds of its own, which it asks for by name.
    """

    kind: str
    match: str = "/"
    nth: int = 1
    times: int = 1
    params: dict[str, Any] = field(default_factory=dict)
    seen: int = 0

    def due(self, path: str) -> bool:
        if self.match not in path:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class FaultPlan:
    """The faults of one simulator and the requests it saw."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = list(faults)
        self.requests: list[dict[str, str]] = []

    def due(self, path: str, kinds: Collection[str] = WIRE_FAULTS) -> Fault | None:
        """The first fault of one of `kinds` due on this request."""
        return next((f for f in self.faults if f.kind in kinds and f.due(path)), None)


class _FaultMiddleware:
    def __init__(self, app: Any, plan: FaultPlan) -> None:
        self.app = app
        self.plan = plan

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_control"):
            await self.app(scope, receive, send)
            return
        self.plan.requests.append({"method": scope["method"], "path": scope["path"]})
        fault = self.plan.due(scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
            return
        await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Any, receive: Any, send: Any) -> None:
        if fault.kind == "latency":
            await asyncio.sleep(float(fault.params.get("seconds", 1)))
            await self.app(scope, receive, send)
        elif fault.kind == "status":
            headers = {}
            if "retry_after" in fault.params:
                headers["retry-after"] = str(fault.params["retry_after"])
            response = Response(status_code=int(fault.params["status"]), headers=headers)
            await response(scope, receive, send)
        elif fault.kind == "html":
            page = Response("<html><body>Service temporarily unavailable</body></html>")
            page.headers["content-type"] = "text/html"
            await page(scope, receive, send)
        elif fault.kind == "truncate":
            await self.app(scope, receive, _truncating(send, int(fault.params["bytes"])))
        elif fault.kind == "empty":
            await Response(b"")(scope, receive, send)
        else:
            raise ConnectionResetError("planned reset")


def _truncating(send: Any, keep: int) -> Any:
    """Cut every body to `keep` bytes and drop its Content-Length, as a broken proxy would."""

    async def wrapped(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [h for h in message["headers"] if h[0].lower() != b"content-length"]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            message = {**message, "body": message.get("body", b"")[:keep]}
        await send(message)

    return wrapped


def simulator_app(routes: Sequence[BaseRoute], plan: FaultPlan) -> Starlette:
    """A simulator from its routes, with the control routes and the fault plan around them."""

    async def set_faults(request: Request) -> Response:
        plan.faults = [Fault(**item) for item in await request.json()]
        return JSONResponse({"faults": [asdict(fault) for fault in plan.faults]})

    async def requests(_: Request) -> Response:
        return JSONResponse(plan.requests)

    app = Starlette(
        routes=[
            Route("/_control/faults", set_faults, methods=["POST"]),
            Route("/_control/requests", requests),
            *routes,
        ]
    )
    app.add_middleware(_FaultMiddleware, plan=plan)
    return app


def in_process(app: Starlette) -> httpx2.BaseTransport:
    """A transport that hands requests to `app` without a socket, for `Http(transport=…)`."""
    inner = httpx2.ASGITransport(app)

    async def ask(request: httpx2.Request) -> httpx2.Response:
        response = await inner.handle_async_request(request)
        content = await response.aread()
        return httpx2.Response(response.status_code, headers=response.headers, content=content)

    return httpx2.MockTransport(lambda request: asyncio.run(ask(request)))


class SimulatorServer:
    """Runs an app with uvicorn in a thread on a loopback port; use as a context manager."""

    def __init__(self, app: Starlette, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> SimulatorServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._socket.listen(128)
        self._thread.start()

    def end(self) -> None:
        """Ask it to end, without waiting: several servers then end at the same time."""
        self._server.should_exit = True

    def stop(self) -> None:
        self.end()
        self._thread.join(timeout=5)
        self._socket.close()
