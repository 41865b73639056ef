"""The MLLP listener: who is let in, how many at once, and how it stops.

How a connection comes to be: `mllp_doors`; what it does then: `mllp_connection`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from connectors.ehr_hl7v2.receiving import Limits
from hub import metrics
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Peer
from hub.entrypoints.mllp_connection import MllpConnection
from hub.entrypoints.mllp_doors import PROXY_CHECK, Accepting, Closures, Door, bind
from hub.entrypoints.mllp_limits import MllpLimits, Room
from hub.entrypoints.mllp_replies import Replies

DEFAULT_LIMITS = MllpLimits()


@dataclass(eq=False)
class _Connection:
    """A connection from its first moment; `line` is set while it is served."""

    task: asyncio.Task[None]
    opened: bool = False
    line: MllpConnection | None = None


@dataclass(eq=False)
class _Places:
    """What the connections of one peer share. `next_at` is when the next message of each sender
    behind it is due at its steady rate, on the loop's clock (a token bucket by its theoretical
    arrival time)."""

    free: asyncio.Semaphore
    connections: int = 0
    next_at: dict[str, float] = field(default_factory=dict)

    def early(self, sender: str, limits: Limits) -> float:
        """Take a token; seconds to wait where the sender is faster than its rate and burst."""
        if limits.messages_per_second is None:
            return 0.0
        now, each = asyncio.get_running_loop().time(), 1 / limits.messages_per_second
        due = self.next_at[sender] = max(self.next_at.get(sender, 0.0), now) + each
        return due - now - limits.burst * each


class MllpServer:
    """Listens once started, until stopped. `port` is the bound one (0 asks for any); `closures`
    counts the connections it closed unheard."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        host: str = "127.0.0.1",
        port: int = 2575,
        limits: MllpLimits = DEFAULT_LIMITS,
        tls: Callable[[], ssl.SSLContext] | None = None,
        proxies: tuple[str, ...] = (),
        share_port: bool = False,
        replies: Replies | None = None,
    ) -> None:
        self.port = port
        self._replies = replies
        self.closures = Closures()
        self._receiver = receiver
        self._host, self._share_port = host, share_port
        self._limits = limits
        self._door = Door(tls, proxies, self.closures, limits.handshake)
        self._accepting: list[Accepting] = []
        self._replying: asyncio.Task[None] | None = None
        self._connections: set[_Connection] = set()
        self._places: dict[str, _Places] = {}
        self._stopping = False
        self._room = Room(limits.in_flight)

    async def start(self) -> None:
        """Bind and accept; raises OSError if the address is taken."""
        listeners = await bind(self._host, self.port, share=self._share_port)
        self.port = listeners[0].getsockname()[1]
        self._accepting = [Accepting(listener, self._accept) for listener in listeners]
        if self._replies is not None:
            self._replying = asyncio.create_task(self._replies.run())

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, answer what is in flight (at most `grace` seconds), close the rest."""
        self._stopping = True
        for accepting in self._accepting:
            await accepting.stop()
        if self._replies is not None and self._replying is not None:
            self._replies.stop()
            await asyncio.wait([self._replying], timeout=grace)
        for connection in self._connections:
            if connection.line is None:
                connection.task.cancel()
            else:
                connection.line.end()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _accept(self, bare: socket.socket, address: str) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - every connection is served in a task
        connection = _Connection(task)
        full = len(self._connections) >= self._limits.connections
        self._connections.add(connection)
        metrics.mllp_connections.inc()
        try:
            if full:
                self.closures.note("full", address)
            elif not self._stopping:
                await self._admit(connection, bare, address)
        except (OSError, TimeoutError, asyncio.CancelledError):
            # The peer is gone, too slow, or we are stopping: whatever was complete is answered.
            pass
        finally:
            self._connections.discard(connection)
            metrics.mllp_connections.dec()
            if not connection.opened:
                bare.close()

    async def _admit(self, connection: _Connection, bare: socket.socket, address: str) -> None:
        """Serve a socket whose address may send and has a place."""
        origin = await self._door.origin(bare, address)
        if origin is None:
            return
        if not self._receiver.admits_address(origin):
            own = origin == address and self._door.is_proxy(address)
            self.closures.note(PROXY_CHECK if own else "address", origin)
            return
        places = self._places.get(origin)
        most = self._receiver.connections_from(origin)
        if places is not None and places.connections >= self._limits.waiting + most:
            self.closures.note("peer_full", origin)
            return
        if places is None:
            places = self._places[origin] = _Places(asyncio.Semaphore(most))
        places.connections += 1
        try:
            connection.opened = True
            line = MllpConnection(self._receiver, self._limits, self._room, self._replies)
            peer = await self._door.open(bare, origin, line)
            if peer is not None:
                await self._serve_admitted(connection, line, peer, places)
        finally:
            places.connections -= 1
            if not places.connections:
                self._places.pop(origin, None)

    async def _serve_admitted(
        self, connection: _Connection, line: MllpConnection, peer: Peer, places: _Places
    ) -> None:
        try:
            if not self._receiver.admits(peer):
                self.closures.note("certificate", peer.address)
                return
            async with places.free:
                if not self._stopping:
                    connection.line = line
                    line.serve(peer, places)
                    await line.closed()
        finally:
            if self._replies is not None:
                self._replies.gone(line)
            line.transport.close()
            try:
                await asyncio.wait_for(line.closed(), 1.0)
            except (TimeoutError, asyncio.CancelledError):
                line.transport.abort()


class MllpThread:
    """Runs a server on an event loop of its own in a thread; use as a context manager."""

    def __init__(self, server: MllpServer, grace: float = 10.0) -> None:
        self.server = server
        self._grace = grace
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mllp", daemon=True)

    def start(self) -> None:
        """Start listening; raises OSError if the address is taken."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Drain and end the thread; does nothing the second time."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self.server.stop(self._grace), self._loop).result()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> MllpThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
