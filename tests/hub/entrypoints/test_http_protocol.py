"""Requests that never come whole, over real sockets: the connection ends, its neighbours are
answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from hub.entrypoints import http_protocol
from hub.entrypoints.http_protocol import BodyTooLarge, BodyTooSlow, read_body
from hub.entrypoints.service import _WebThread

LIMIT = 1000


async def echo(request: Request) -> Response:
    try:
        body = await read_body(request.receive, LIMIT, request.headers.get("content-length"))
    except BodyTooLarge:
        return Response(status_code=413)
    except BodyTooSlow:
        return Response(status_code=408, headers=http_protocol.closing(408))
    return PlainTextResponse(body)


async def early(_: Request) -> Response:
    return PlainTextResponse("early")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.3)
    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/early", early, methods=["POST"]),
        WebSocketRoute("/talk", talk),
    ]
    web = _WebThread(Starlette(routes=routes), socket.create_server(("127.0.0.1", 0)))
    web.start()
    yield web.port
    web.stop()


def answered(port: int, *parts: bytes) -> bytes:
    """All that comes back until the hub closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        found = b""
        try:
            for part in parts:
                connection.sendall(part)
            while chunk := connection.recv(65536):
                found += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed before all that was sent was read
        return found


HEAD = b"POST /%s HTTP/1.1\r\nhost: hub\r\ncontent-length: %d\r\n\r\n"


def test_a_whole_request_is_answered(port: int) -> None:
    found = answered(port, (HEAD % (b"echo", 3))[:20], (HEAD % (b"echo", 3))[20:] + b"a", b"bc")
    assert found.startswith(b"HTTP/1.1 200")
    assert found.endswith(b"abc")


@pytest.mark.parametrize(
    "sent", [b"", b"POST /echo HTTP/1.1\r\nhost: h", HEAD % (b"echo", 500) + b"x"]
)
def test_what_does_not_come_whole_is_not_waited_for(port: int, sent: bytes) -> None:
    assert answered(port, sent).startswith(b"HTTP/1.1 408")


def test_a_header_without_end_is_cut_off(port: int) -> None:
    endless = b"POST /echo HTTP/1.1\r\nx: " + b"x" * (4 * http_protocol.LARGEST_HEAD)
    found = answered(port, *[endless[at : at + 20_000] for at in range(0, len(endless), 20_000)])
    assert found.startswith(b"HTTP/1.1 400") or not found  # reset while still being sent to


def test_a_body_announced_or_grown_too_large_is_refused_at_once(port: int) -> None:
    assert answered(port, HEAD % (b"echo", LIMIT + 1)).startswith(b"HTTP/1.1 413")
    chunked = b"POST /echo HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n"
    grown = answered(port, chunked + b"7d0\r\n" + b"x" * 2000)
    assert grown.startswith(b"HTTP/1.1 413")


def test_the_rest_of_a_body_that_nobody_read_is_not_waited_for(port: int) -> None:
    assert answered(port, HEAD % (b"early", 10**6) + b"x", b"y").startswith(b"HTTP/1.1 200")


def test_a_websocket_may_be_silent_for_longer(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/talk") as socket:
        time.sleep(0.6)
        socket.send("still here")
        assert socket.recv(timeout=10) == "still here"
