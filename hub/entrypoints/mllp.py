"""The MLLP listener: time limits, places and back pressure around `hl7_receive`.

One message is in flight per connection; later frames wait unread, so that TCP slows the sender.
How a connection comes to be: `mllp_doors`.
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
from connectors.sdk.hl7v2.framing import COMMITTED, NOT_COMMITTED, Frame, Framer, wrap
from hub import metrics
from hub.entrypoints.hl7_receive import Receiver, Reply
from hub.entrypoints.mllp_doors import Closures, Door, Streams, accept_from, bind
from hub.entrypoints.mllp_replies import Replies

_READ_SIZE = 64 * 1024
_IN_FLIGHT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MllpLimits:
    """Seconds and counts for the whole listener; those of one sender are its connection's
    (`connectors.ehr_hl7v2.receiving.Limits`).

    `handshake`: for a PROXY header and for TLS; `first_frame`: without one valid frame by then the
    connection is closed; `inside_frame`: without a byte; `whole_frame`: from its first byte to its
    last; between frames there is no limit. Connections above `connections` are closed unread; of
    one peer at most `waiting` wait for a free place, so that nobody keeps the others out. While
    `in_flight` bytes are being stored, nothing more is read."""

    connections: int = 512
    waiting: int = 64
    handshake: float = 10.0
    first_frame: float = 60.0
    inside_frame: float = 60.0
    whole_frame: float = 300.0
    end_block: float = 1.0
    write: float = 30.0
    in_flight: int = _IN_FLIGHT_BYTES


DEFAULT_LIMITS = MllpLimits()


@dataclass(eq=False)
class _Connection:
    task: asyncio.Task[None]
    busy: bool = False
    opened: bool = False


@dataclass(eq=False)
class _Places:
    """What the connections of one peer share. `next_at` is when its next message is due at the
    steady rate, on the loop's clock (a token bucket by its theoretical arrival time)."""

    free: asyncio.Semaphore
    connections: int = 0
    next_at: float = field(default=0.0)

    async def pace(self, limits: Limits) -> None:
        """Take a token; wait for it where the peer sends faster than its rate and burst."""
        if limits.messages_per_second is None:
            return
        now, each = asyncio.get_running_loop().time(), 1 / limits.messages_per_second
        self.next_at = max(self.next_at, now) + each
        early = self.next_at - now - limits.burst * each
        if early > 0:
            await asyncio.sleep(early)


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
        replies: Replies | None = None,
    ) -> None:
        self.port = port
        self._replies = replies
        self.closures = Closures()
        self._receiver = receiver
        self._host = host
        self._limits = limits
        self._door = Door(tls, proxies, self.closures, limits.handshake, limits.write)
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._replying: asyncio.Task[None] | None = None
        self._connections: set[_Connection] = set()
        self._places: dict[str, _Places] = {}
        self._stopping = False
        self._room = _Room(limits.in_flight)

    async def start(self) -> None:
        """Bind and accept; raises OSError if the address is taken."""
        self._listeners = await bind(self._host, self.port)
        self.port = self._listeners[0].getsockname()[1]
        self._accepting = [
            asyncio.create_task(accept_from(listener, self._accept)) for listener in self._listeners
        ]
        if self._replies is not None:
            self._replying = asyncio.create_task(self._replies.run())

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, answer what is in flight (at most `grace` seconds), close the rest."""
        self._stopping = True
        for accepting in self._accepting:
            accepting.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        if self._replies is not None and self._replying is not None:
            self._replies.stop()
            await asyncio.wait([self._replying], timeout=grace)
        for connection in self._connections:
            if not connection.busy:
                connection.task.cancel()
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
            self.closures.note("address", origin)
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
            streams = await self._door.open(bare, origin)
            if streams is not None:
                await self._serve_admitted(connection, streams, places)
        finally:
            places.connections -= 1
            if not places.connections:
                self._places.pop(origin, None)

    async def _serve_admitted(
        self, connection: _Connection, streams: Streams, places: _Places
    ) -> None:
        try:
            if not self._receiver.admits(streams.peer):
                self.closures.note("certificate", streams.peer.address)
                return
            async with places.free:
                await self._serve(connection, streams, places)
        finally:
            if self._replies is not None:
                self._replies.gone(streams)
            streams.writer.close()
            try:
                await asyncio.wait_for(streams.writer.wait_closed(), 1.0)
            except (OSError, TimeoutError, asyncio.CancelledError):
                streams.writer.transport.abort()

    async def _serve(self, connection: _Connection, streams: Streams, places: _Places) -> None:
        limits = self._receiver.limits(streams.peer)
        framer = Framer(limits.frame_bytes)
        clock = _Patience(self._limits, asyncio.get_running_loop().time)
        while not self._stopping:
            data, frames = await self._read(streams.reader, framer, clock)
            for frame in frames:
                connection.busy = True
                if not frame.fault:
                    clock.heard = True
                if not await self._answer(frame, streams):
                    return
                connection.busy = False
                await places.pace(limits)
            if data == b"":
                return

    async def _read(
        self, reader: asyncio.StreamReader, framer: Framer, clock: _Patience
    ) -> tuple[bytes | None, list[Frame]]:
        """Bytes (empty at the end of the stream, None after a pause) and the frames completed."""
        try:
            data = await asyncio.wait_for(reader.read(_READ_SIZE), clock.left(framer))
        except TimeoutError:
            if frame := framer.pause():
                return None, [frame]
            rest = framer.close()
            return b"", [rest] if rest else []
        if data:
            return data, framer.feed(data)
        rest = framer.close()
        return b"", [rest] if rest else []

    async def _answer(self, frame: Frame, streams: Streams) -> bool:
        """Store and answer one frame; False where the connection must end."""
        if frame.content in {COMMITTED, NOT_COMMITTED}:
            return True  # MLLP release 2: what the sender says to our acknowledgement
        await self._room.take(len(frame.content))
        try:
            reply = await self._receiver.receive(frame, streams.peer)
        finally:
            self._room.free(len(frame.content))
        metrics.mllp_frames.labels(_code(reply.ack)).inc()
        if answer := _on_the_wire(reply):
            await streams.write(answer)
        if self._replies is not None and reply.source:
            self._replies.heard(reply.source, streams)
        elif self._replies is not None:
            self._replies.answered(frame.content, streams)
        return not reply.close


def _code(acknowledgement: bytes) -> str:
    """MSA-1 of an acknowledgement; `none` where nothing is answered."""
    _, found, rest = acknowledgement.partition(b"\rMSA|")
    return rest[:2].decode("ascii", "replace") if found else "none"


def _on_the_wire(reply: Reply) -> bytes:
    """The commit block of MLLP release 2, where agreed, and the acknowledgements."""
    commit = b""
    if reply.commit_block:
        commit = wrap(COMMITTED if reply.stored else NOT_COMMITTED)
    return commit + b"".join(wrap(ack) for ack in (reply.ack, *reply.more) if ack)


@dataclass(slots=True)
class _Patience:
    """How long to wait for the next bytes of one connection."""

    limits: MllpLimits
    now: Callable[[], float]
    heard: bool = False
    began: float = field(default=0.0)
    frame_began: float | None = None

    def __post_init__(self) -> None:
        self.began = self.now()

    def left(self, framer: Framer) -> float | None:
        """Seconds; None for ever."""
        waits: list[float] = []
        if not self.heard:
            waits.append(max(self.began + self.limits.first_frame - self.now(), 0.0))
        if not framer.inside:
            self.frame_began = None
            return min(waits, default=None)
        if self.frame_began is None:
            self.frame_began = self.now()
        waits.append(max(self.frame_began + self.limits.whole_frame - self.now(), 0.0))
        waits.append(self.limits.end_block if framer.ending else self.limits.inside_frame)
        return min(waits)


class _Room:
    """Bytes that may be in flight at once; a message larger than all of it goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        while self._used and self._used + size > self._limit:
            self._freed.clear()
            await self._freed.wait()
        self._used += size

    def free(self, size: int) -> None:
        self._used -= size
        self._freed.set()


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
