"""A listener on a real socket over a store in memory, and an authority that signs certificates."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.receiving import Receiving
from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.framing import Frame, Framer, wrap
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Routes
from hub.entrypoints.mllp import MllpServer, MllpThread
from hub.services.intake import Arrival, Stored, Told


@dataclass
class MemoryIntake:
    """Stores in memory, at once."""

    arrivals: list[Arrival] = field(default_factory=list)

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        told(self._stored(arrival), None)

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        future: Future[list[Stored]] = Future()
        future.set_result([self._stored(arrival) for arrival in arrivals])
        return future

    def _stored(self, arrival: Arrival) -> Stored:
        self.arrivals.append(arrival)
        return Stored("in", duplicate=False, conflict=False, answer=arrival.answer)


@pytest.fixture
def memory() -> Callable[[], MemoryIntake]:
    """Makes stores in memory."""
    return MemoryIntake


class Peer:
    """One connection to the listener."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._framer = Framer()
        self._frames: list[Frame] = []

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(wrap(message) for message in messages))

    def frame(self) -> bytes | None:
        """The content of the next frame; None where the listener closed."""
        while not self._frames:
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return None
            if not data:
                return None
            self._frames += self._framer.feed(data)
        return self._frames.pop(0).content

    def answer(self) -> tuple[str, bytes] | None:
        """MSA-1 and MSA-2 of the next frame."""
        content = self.frame()
        read = read_ack(content) if content is not None else None
        return read[:2] if read else None

    def is_closed(self) -> bool:
        return self.frame() is None


@dataclass
class Listener:
    """A running listener and what it stored."""

    server: MllpServer
    intake: MemoryIntake
    stack: ExitStack

    def connect(self, tls: ssl.SSLContext | None = None, *, source: str = "127.0.0.1") -> Peer:
        plain = socket.create_connection(("127.0.0.1", self.server.port), 5, (source, 0))
        self.stack.callback(plain.close)
        if tls is None:
            return Peer(plain)
        secure = tls.wrap_socket(plain, server_hostname="127.0.0.1")
        self.stack.callback(secure.close)
        return Peer(secure)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Starts listeners: ``listen(*connections, **options of MllpServer)``."""
    with ExitStack() as stack:

        def start(*connections: Hl7Connection, **options: Any) -> Listener:
            intake = MemoryIntake()
            table = Routes(connections or (hl7_connection(),))
            receiver = Receiver(intake, lambda: table, lambda: datetime.now(UTC))
            server = MllpServer(receiver, port=0, **options)
            stack.enter_context(MllpThread(server))
            return Listener(server, intake, stack)

        yield start


def hl7_connection(
    connection_id: str = "c1", application: str = "EHRA", **options: Any
) -> Hl7Connection:
    """A connection that takes FAC1 and FAC2 from anywhere on this machine."""
    facilities = {"FAC1": Facility("p1", "America/Chicago"), "FAC2": Facility("p2", "UTC")}
    config = Config(receiving=options.pop("receiving", Receiving()))
    return Hl7Connection(connection_id, application, facilities, config, **options)


@pytest.fixture
def connection() -> Callable[..., Hl7Connection]:
    """Builds connections for `listen`."""
    return hl7_connection


@pytest.fixture
def message() -> Callable[..., bytes]:
    """Writes an ADT^A04; ``f15="AL"`` sets MSH-15, ``body`` follows the PID."""

    def write(control_id: str = "C1", body: str = "", **fields: str) -> bytes:
        values = {
            "3": "EHRA", "4": "FAC1", "5": "HUB", "6": "TO1", "7": "20260302", "8": "",
            "9": "ADT^A04^ADT_A01", "10": control_id, "11": "P", "12": "2.5.1", "13": "",
            "14": "", "15": "", "16": "",
        }  # fmt: skip
        values |= {name.removeprefix("f"): value for name, value in fields.items()}
        head = "MSH|^~\\&|" + "|".join(values.values())
        return f"{head}\rPID|1||77^^^FAC1^MR||Quill^Mo\r{body}".encode()

    return write
