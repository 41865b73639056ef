"""The MLLP listener: sockets, time limits and back pressure around `hl7_receive`.

One message is in flight per connection; later frames wait unread, so that TCP slows the sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from connectors.sdk.hl7v2.framing import FRAME_CAP, Frame, Framer, wrap
from hub.entrypoints.hl7_receive import Receiver

_READ_SIZE = 64 * 1024
_IN_FLIGHT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MllpLimits:
    """Seconds and counts. `first_frame`: without one valid frame by then the connection is closed;
    `inside_frame`: without a byte; between frames there is no limit. Connections above a cap are
    closed unread (`connections`) or wait for a free place (`per_peer`); of one peer at most
    `waiting` do, so that nobody takes every connection and keeps the others out. While
    `in_flight` bytes are being stored, nothing more is read."""

    frame: int = FRAME_CAP
    connections: int = 512
    per_peer: int = 64
    waiting: int = 64
    first_frame: float = 60.0
    inside_frame: float = 60.0
    end_block: float = 1.0
    write: float = 30.0
    in_flight: int = _IN_FLIGHT_BYTES


DEFAULT_LIMITS = MllpLimits()


@dataclass(eq=False)
class _Connection:
    task: asyncio.Task[None]
    busy: bool = False


class MllpServer:
    """Listens once started, until stopped. `port` is the bound one (0 asks for any)."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        host: str = "127.0.0.1",
        port: int = 2575,
        limits: MllpLimits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self._receiver = receiver
        self._host = host
        self._limits = limits
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._places: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.per_peer)
        )
        self._of_peer: Counter[str] = Counter()
        self._stopping = False
        self._room = _Room(limits.in_flight)

    async def start(self) -> None:
        """Bind and accept; raises OSError if the address is taken."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self.port, limit=_READ_SIZE, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, answer what is in flight (at most `grace` seconds), close the rest."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            if not connection.busy:
                connection.task.cancel()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs every client callback in a task
        connection = _Connection(task)
        _keep_alive(writer)
        address = writer.get_extra_info("peername")
        peer = str(address[0]) if address else ""
        full = len(self._connections) >= self._limits.connections or (
            self._of_peer[peer] >= self._limits.per_peer + self._limits.waiting
        )
        self._connections.add(connection)
        self._of_peer[peer] += 1
        try:
            if not self._stopping and not full and self._receiver.admits(peer):
                async with self._places[peer]:
                    await self._serve(connection, reader, writer, peer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            # The peer is gone, too slow, or we are stopping: whatever was complete is answered.
            pass
        finally:
            self._connections.discard(connection)
            self._leave(peer)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    def _leave(self, peer: str) -> None:
        """Forget a peer with its last connection."""
        self._of_peer[peer] -= 1
        if not self._of_peer[peer]:
            del self._of_peer[peer]
            self._places.pop(peer, None)

    async def _serve(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> None:
        framer = Framer(self._limits.frame)
        loop = asyncio.get_running_loop()
        first_by: float | None = loop.time() + self._limits.first_frame
        while not self._stopping:
            data, frames = await self._read(reader, framer, first_by)
            connection.busy = True
            for frame in frames:
                if not frame.fault:
                    first_by = None
                if not await self._answer(frame, writer, peer):
                    return
            connection.busy = False
            if data == b"":
                return

    async def _read(
        self, reader: asyncio.StreamReader, framer: Framer, first_by: float | None
    ) -> tuple[bytes | None, list[Frame]]:
        """Bytes (empty at the end of the stream, None after a pause) and the frames completed."""
        try:
            data = await asyncio.wait_for(reader.read(_READ_SIZE), self._patience(framer, first_by))
        except TimeoutError:
            if frame := framer.pause():
                return None, [frame]
            rest = framer.close()
            return b"", [rest] if rest else []
        if data:
            return data, framer.feed(data)
        rest = framer.close()
        return b"", [rest] if rest else []

    def _patience(self, framer: Framer, first_by: float | None) -> float | None:
        limits: list[float] = []
        if first_by is not None:
            limits.append(max(first_by - asyncio.get_running_loop().time(), 0.0))
        if framer.inside:
            limits.append(self._limits.end_block if framer.ending else self._limits.inside_frame)
        return min(limits, default=None)

    async def _answer(self, frame: Frame, writer: asyncio.StreamWriter, peer: str) -> bool:
        """Store and answer one frame; False where the connection must end."""
        async with self._room.taken(len(frame.content)):
            reply = await self._receiver.receive(frame, peer)
        if reply.ack and not writer.is_closing():
            writer.write(wrap(reply.ack))
            await asyncio.wait_for(writer.drain(), self._limits.write)
        return not reply.close


class _Room:
    """Bytes that may be in flight at once; a message larger than all of it goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        async with self._freed:
            await self._freed.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            async with self._freed:
                self._used -= size
                self._freed.notify_all()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Probe a silent peer after three minutes, so that dead connections free their place."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 180)


class MllpThread:
    """Runs a server on an event loop of its own in a thread; use as a context manager."""

    def __init__(self, server: MllpServer, grace: float = 10.0) -> None:
        self.server = server
        self._grace = grace
        self._loop = asyncio.new_event_loop()
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
