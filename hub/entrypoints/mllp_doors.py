"""The way to a peer's byte stream: listening sockets, the PROXY header, TLS.

Whoever may not come in is closed and counted before a byte of HL7 is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from hub import log, metrics
from hub.entrypoints.hl7_routes import Peer, is_within
from hub.entrypoints.mllp_tls import names_of
from hub.entrypoints.proxy_protocol import NoProxyHeader, read_origin

_BACKLOG = 512
PROXY_CHECK = "proxy_check"
"""Why a connection is closed that a proxy makes for itself, to see whether anybody listens."""
_REMARK_SECONDS = 60.0
_PAUSE_SECONDS = 0.1

_log = log.get("mllp")


class Closures(Counter[str]):
    """Connections closed by us, by reason; of each reason one log line a minute at most."""

    def __init__(self) -> None:
        super().__init__()
        self._remarked: dict[str, float] = {}

    def note(self, reason: str, peer: str) -> None:
        self[reason] += 1
        metrics.mllp_closed.labels(reason).inc()
        if reason == PROXY_CHECK:  # every few seconds, and nothing is wrong
            return
        now = asyncio.get_running_loop().time()
        if now - self._remarked.get(reason, -_REMARK_SECONDS) >= _REMARK_SECONDS:
            self._remarked[reason] = now
            _log.warning("mllp_closed", reason=reason, peer=peer, count=self[reason])


async def bind(host: str, port: int, *, share: bool = False) -> list[socket.socket]:
    """Listening sockets on every address of `host`, all on one port; ``::`` takes IPv4 too.

    With `share` other processes of the same user may listen there too (SO_REUSEPORT), and the
    kernel deals out new connections among them. Raises OSError if an address is taken.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((one[0], one[4][0]) for one in found):
            listener = socket.create_server(
                (str(address), port),
                family=family,
                backlog=_BACKLOG,
                reuse_port=share,
                dualstack_ipv6=family == socket.AF_INET6 and address == "::",
            )
            sockets.append(listener)
            listener.setblocking(False)
            port = listener.getsockname()[1]
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets


class Accepting:
    """Hands every new connection of a listening socket and its address to a task of `serve`, until
    stopped; then the socket is closed.

    By a reader and not by `loop.sock_accept`: cancelled in the turn in which it succeeds, that one
    loses a connection which nobody closes then.
    """

    def __init__(
        self,
        listener: socket.socket,
        serve: Callable[[socket.socket, str], Coroutine[Any, Any, None]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    async def stop(self) -> None:
        """Take no more; tasks of those taken have begun when it returns."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        await asyncio.sleep(0)

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return  # another process that listens here took it
        except OSError as error:  # out of descriptors, or the peer is gone again
            _log.error("mllp_accept_failed", error_type=type(error).__name__)
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later(_PAUSE_SECONDS, self._listen)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection, str(address[0])))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Door:
    """Turns an accepted socket into the connection of a known peer.

    `tls` gives the context of the next connection; `proxies` are the networks whose connections
    begin with a PROXY header and speak for the address in it; nobody else's header is believed.
    `seconds` bounds the header and the handshake.
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext] | None,
        proxies: tuple[str, ...],
        closures: Closures,
        seconds: float,
    ) -> None:
        self._tls = tls
        self._proxies = proxies
        self._closures = closures
        self._seconds = seconds

    def is_proxy(self, address: str) -> bool:
        """Whether a connection from there may speak for others."""
        return is_within(address, self._proxies)

    async def origin(self, connection: socket.socket, address: str) -> str | None:
        """The address to judge by; None where a proxy did not say whom it speaks for."""
        if not self.is_proxy(address):
            return address
        try:
            return await asyncio.wait_for(read_origin(connection, address), self._seconds)
        except (NoProxyHeader, TimeoutError):
            self._closures.note("no_proxy_header", address)
            return None

    async def open(
        self, connection: socket.socket, address: str, protocol: asyncio.Protocol
    ) -> Peer | None:
        """Give the socket to `protocol`, after the TLS handshake where TLS is on; None where that
        failed."""
        _tune(connection)
        context = self._tls() if self._tls else None
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=self._seconds if context else None,
            )
        except (OSError, TimeoutError):
            self._closures.note("tls_refused" if context else "lost", address)
            return None
        return Peer(address, _certificate(transport))


def _certificate(transport: asyncio.BaseTransport) -> frozenset[str]:
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return frozenset()
    return names_of(tls.getpeercert(), tls.getpeercert(binary_form=True))


def _tune(connection: socket.socket) -> None:
    """Probe a silent peer after three minutes, so that dead connections free their place."""
    connection.setblocking(False)
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 180)
