"""A receiver of HL7 v2 over MLLP and its faults, to send to in tests and demonstrations.

It answers each message as the next behaviour of its plan says, and with AA when the plan is used
up. The behaviours:

========== =====================================================================================
accept     AA
later      AE: not now
refuse     AR: never
close      takes the message and ends the connection without an answer
cut        the first half of the answer, then the end of the connection
split      the answer in single bytes
other      an AA to another control id, and nothing more
late       the AA to another control id first, its own after it
silent     no answer; the connection stays open
once       AA, then the end of the connection: one message for each
========== =====================================================================================
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, Self
from urllib.parse import urlsplit

from connectors.sdk.hl7v2.acks import AckCode, build_ack, new_control_id
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.framing import Framer, wrap
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.simulator import DemoConnection

Behaviour = Literal[
    "accept", "later", "refuse", "close", "cut", "split", "other", "late", "silent", "once"
]
_NOT_NOW = Fault(206, "PID-3", "The record is locked.", "AE")
_NEVER = Fault(101, "PV1-19", "The visit number is required.", "AR")
_OTHER = Header(b"MSH|^~\\&|X|X|X|X|||ADT^A01|ANOTHER|P|2.5.1")


class FakeReceiver:
    """Listens on loopback while used as a context manager. `received` is every message in the
    order it came, `connections` how often somebody connected."""

    def __init__(
        self, plan: Iterable[Behaviour] = (), *, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.plan = list(plan)
        self.received: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"mllp://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="fake receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # wakes the thread that waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join(timeout=5)

    def hang_up(self) -> None:
        """End every connection, as a restart of the receiver does."""
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            self._read(connection)
        except OSError:
            return
        finally:
            connection.close()

    def _read(self, connection: socket.socket) -> None:
        """Answer what comes until one of the two ends the connection."""
        framer = Framer()
        while data := connection.recv(65536):
            for frame in framer.feed(data):
                if not self._answer(connection, frame.content):
                    connection.shutdown(socket.SHUT_RDWR)
                    return

    def _answer(self, connection: socket.socket, content: bytes) -> bool:
        """Behave as planned; False to end the connection."""
        with self._lock:
            self.received.append(content)
            behaviour: Behaviour = self.plan.pop(0) if self.plan else "accept"
        if behaviour in {"close", "silent"}:
            return behaviour == "silent"
        codes: dict[str, tuple[AckCode, list[Fault]]] = {
            "later": ("AE", [_NOT_NOW]),
            "refuse": ("AR", [_NEVER]),
        }
        code, faults = codes.get(behaviour, ("AA", []))
        own = wrap(_ack(read_header(content), code, faults))
        other = wrap(_ack(_OTHER, "AA", []))
        if behaviour == "cut":
            connection.sendall(own[: len(own) // 2])
        elif behaviour == "split":
            for place in range(len(own)):
                connection.sendall(own[place : place + 1])
        elif behaviour == "other":
            connection.sendall(other)
        else:
            connection.sendall(other + own if behaviour == "late" else own)
        return behaviour not in {"cut", "once"}


def _ack(header: Header | None, code: AckCode, faults: list[Fault]) -> bytes:
    return build_ack(header, code, faults, now=datetime.now(UTC), control_id=new_control_id())


def demo_server(*, port: int = 0) -> FakeReceiver:
    """A receiver that takes whatever it is sent."""
    return FakeReceiver(port=port)


def demo_connection(url: str) -> DemoConnection:
    address = urlsplit(url)
    return DemoConnection(
        {"host": address.hostname, "port": address.port, "tls": False, "answer_seconds": 5.0}, {}
    )
