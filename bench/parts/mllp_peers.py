"""Servers to compare the listener with: the floor (the hub's own rows, group commit, nothing read),
and what other libraries offer, with a durable insert before each answer.

Each is a context manager that gives its port.
"""

from __future__ import annotations

import asyncio
import importlib
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from hl7apy.mllp import AbstractHandler, MLLPServer
from sqlalchemy.engine import make_url

ANSWER = b"\x0bMSH|^~\\&|HUB|TO1|EHR|FAC1|20260302091500||ACK|1|P|2.5.1\rMSA|AA|1\r\x1c\r"
TABLES = {
    "lanes": ("key", "queue", "ready_at"),
    "inbox": (
        "id", "kind", "connection_id", "practice_id", "source", "control_id", "message_type",
        "body_digest", "size", "content_type", "headers", "raw", "answer", "state", "fault_code",
        "fault_path", "fault_text", "issue_count", "duplicates", "received_at",
    ),
    "jobs": (
        "practice_id", "kind", "queue", "lane", "priority", "run_at", "state", "attempt",
        "max_attempts", "unique_key", "args", "error_code", "error_text", "created_at",
    ),
}  # fmt: skip


def rows(content: bytes) -> Iterator[tuple[Any, ...]]:
    """One row of each table; nothing of the content is looked at."""
    key, now = str(uuid.uuid4()), datetime.now(UTC).isoformat(timespec="microseconds")
    yield key, "floor", now
    yield (
        key, "hl7v2", "c", "p", "floor", key, "ADT^A04", key, len(content), "application/hl7-v2",
        "{}", content, ANSWER, "received", "", "", "", 0, 0, now,
    )  # fmt: skip
    yield (
        "p", "ingest.process_message", "floor", key, 100, now, "ready", 0, 12, key, "{}", "", "",
        now,
    )  # fmt: skip


class _Store(threading.Thread):
    """Writes what waits with one commit, then answers all of it."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True)
        self.waiting: queue.SimpleQueue[tuple[bytes, asyncio.Transport] | None] = (
            queue.SimpleQueue()
        )
        self._url, self._loop = make_url(url), loop

    def run(self) -> None:
        insert, commit, mark = self._connect()
        texts = {
            table: f"INSERT INTO {table} ({', '.join(columns)}) "
            f"VALUES ({', '.join([mark] * len(columns))})"
            for table, columns in TABLES.items()
        }
        while (first := self.waiting.get()) is not None:
            batch = [first]
            while not self.waiting.empty() and (more := self.waiting.get()) is not None:
                batch.append(more)
            columns = zip(*(rows(content) for content, _ in batch), strict=True)
            for text, values in zip(texts.values(), columns, strict=True):
                insert(text, values)
            commit()
            self._loop.call_soon_threadsafe(_answer, [transport for _, transport in batch])

    def _connect(self) -> tuple[Callable[..., Any], Callable[[], None], str]:
        if self._url.get_backend_name() == "sqlite":
            database = sqlite3.connect(str(self._url.database))
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            return database.executemany, database.commit, "?"
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url)
        return connection.cursor().executemany, connection.commit, "%s"


def _answer(transports: list[asyncio.Transport]) -> None:
    for transport in transports:
        transport.write(ANSWER)


class _Floor(asyncio.Protocol):
    def __init__(self, store: _Store) -> None:
        self._store, self._buffer = store, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\x1c\r")) >= 0:
            self._store.waiting.put((self._buffer[1:end], self._transport))
            self._buffer = self._buffer[end + 2 :]


@contextmanager
def _in_loop(start: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> Iterator[int]:
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextmanager
def floor(url: str) -> Iterator[int]:
    loop = uvloop.new_event_loop()
    store = _Store(url, loop)
    store.start()
    with _in_loop(lambda: loop.create_server(lambda: _Floor(store), "127.0.0.1", 0), loop) as port:
        yield port
    store.waiting.put(None)
    store.join()


class _Table:
    """A small durable table, one commit for each message, as a first own receiver has it. `where`
    is a directory for SQLite or the URL of a PostgreSQL database."""

    def __init__(self, where: Path | str, name: str) -> None:
        columns = "(control_id TEXT, content TEXT)"
        self._database: Any
        if isinstance(where, Path):
            self._database = sqlite3.connect(where / f"{name}.db", check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            mark = "?"
        else:
            url = make_url(where).set(drivername="postgresql")
            self._database = psycopg.connect(url.render_as_string(hide_password=False))
            mark = "%s"
        self._insert = f"INSERT INTO rival_{name} VALUES ({mark}, {mark})"
        self._database.execute(f"CREATE TABLE IF NOT EXISTS rival_{name} {columns}")
        self._database.commit()
        self._lock = threading.Lock()

    def insert(self, control_id: str, content: str) -> None:
        with self._lock:
            self._database.execute(self._insert, (control_id, content))
            self._database.commit()


@contextmanager
def python_hl7(where: Path | str) -> Iterator[int]:
    """python-hl7's asyncio server: parse, insert, its own acknowledgement."""
    mllp = importlib.import_module("hl7.mllp")
    table = _Table(where, "python_hl7")

    async def serve(reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                table.insert(str(message["MSH.F10"]), str(message))
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    loop = uvloop.new_event_loop()
    with _in_loop(lambda: mllp.start_hl7_server(serve, host="127.0.0.1", port=0), loop) as port:
        yield port


@contextmanager
def hl7apy_server(where: Path | str) -> Iterator[int]:
    """hl7apy's threaded server: one message for each connection, insert, a fixed answer."""
    table = _Table(where, "hl7apy")

    class Handler(AbstractHandler):  # type: ignore[misc]
        def reply(self) -> str:
            table.insert("", self.incoming_message)
            return ANSWER.decode()

    class Server(MLLPServer):  # type: ignore[misc]
        # Of five that wait to be accepted the others would try again seconds later, or not at all.
        request_queue_size = 128

    server = Server(
        "127.0.0.1", 0, {f"ADT^{event}^ADT_A01": (Handler,) for event in ("A01", "A04")}
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
