"""How long a request's head and body may take to come, and how large they may be.

uvicorn bounds neither: a connection that sends nothing, or a header without end, would be held for
as long as its sender likes, before anybody is asked for a credential.
"""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hub.entrypoints.time_limits import TimeLimit

HEAD_SECONDS = 20.0
BODY_SECONDS = 30.0
LARGEST_HEAD = 64 * 1024
NOBODY_WAITS, _TIMEOUT = 499, 408
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BodyTooLarge(Exception):
    """The body is, or is announced as, larger than it may be."""


class BodyTooSlow(Exception):
    """The body was not there in time."""


async def read_body(
    receive: Receive, limit: int, announced: str | None = None, seconds: float | None = None
) -> bytes:
    """A body of at most `limit` bytes that comes within `seconds` (default: BODY_SECONDS);
    `announced` is its Content-Length. Raises BodyTooLarge, BodyTooSlow, or ClientDisconnect if the
    rest of it never comes."""
    if announced and announced.isascii() and announced.isdigit() and int(announced[:12]) > limit:
        raise BodyTooLarge
    body, more = bytearray(), True
    try:
        with TimeLimit(BODY_SECONDS if seconds is None else seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > limit:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return bytes(body)


def closing(status: int) -> dict[str, str]:
    """The header that ends a connection whose body was too slow."""
    return {"Connection": "close"} if status == _TIMEOUT else {}


class BoundedHttp(HttpToolsProtocol):
    """httptools' protocol that closes a connection whose next request has not wholly begun within
    HEAD_SECONDS, or begins with more than LARGEST_HEAD bytes."""

    _patience: asyncio.TimerHandle | None = None
    _upgraded = False
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
                return
        if self._patience is None and not self._upgraded and (self._in_head or self._idle()):
            self._be_patient()

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True  # another protocol has the connection from here on
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def _idle(self) -> bool:
        """Whether no request is being answered; what comes then may be the rest of one that was
        answered before it was there."""
        return self.cycle is None or self.cycle.response_complete

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._lose_patience)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self._idle():
            self.transport.write(_TOO_SLOW)
        self.transport.close()
