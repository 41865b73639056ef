"""A TCP proxy whose link can fail: partition, stall, reset, and answers lost on their way."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

PIECE = 65536


class Proxy:
    """Listens on `port` and passes everything on to `target`; a thread of its own.

    `stalled` holds bytes back in both directions until it is false again; `refusing` ends new
    connections at once; `lose_answer_to` is text whose next answers (of `losses` requests) are
    thrown away together with their connection.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.stalled = False
        self.refusing = False
        self.lose_answer_to = b""
        self.losses = 0
        self.lost = 0
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait()

    def reset(self) -> int:
        """End every connection with RST; returns how many there were."""
        return self._call(self._reset)

    def heal(self) -> None:
        self.stalled = self.refusing = False
        self.lose_answer_to, self.losses = b"", 0

    def close(self) -> None:
        self._call(self._reset)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256)
        )
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            for writer in link:
                _abort(writer)
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            _abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        link = (writer, far_writer)
        self._links.add(link)
        losing = asyncio.Event()
        directions = [
            asyncio.ensure_future(self._pass(reader, far_writer, link, losing, asks=True)),
            asyncio.ensure_future(self._pass(far_reader, writer, link, losing, asks=False)),
        ]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        self._links.discard(link)
        for end in link:
            end.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        losing: asyncio.Event,
        *,
        asks: bool,
    ) -> None:
        try:
            while piece := await reader.read(PIECE):
                while self.stalled:
                    await asyncio.sleep(0.02)
                if asks and self.losses and self.lose_answer_to in piece:
                    self.losses -= 1
                    losing.set()
                if not asks and losing.is_set():
                    self.lost += 1
                    for end in link:
                        _abort(end)
                    return
                writer.write(piece)
                await writer.drain()
        except (OSError, RuntimeError):
            return


def _abort(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, so that nobody takes it for an orderly end."""
    opened = writer.get_extra_info("socket")
    if opened is not None:
        with_reset = struct.pack("ii", 1, 0)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, with_reset)
        except OSError:
            return
    writer.transport.abort()
