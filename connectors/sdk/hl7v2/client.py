"""Sending over MLLP: one message at a time, each answer checked against what was sent."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.framing import Frame, Framer, wrap
from connectors.sdk.hl7v2.header import read_header


@dataclass(frozen=True, slots=True)
class Outcome:
    """How sending ended. `code` is MSA-1, empty where no answer came in any attempt.

    `ack` is the answer as received, `attempts` counts the sends, `seconds` is the time of the last
    one.
    """

    code: str
    ack: bytes
    attempts: int
    seconds: float


class MllpClient:
    """One connection to one listener, opened when needed and reopened after a fault.

    `timeout` (seconds) bounds connecting and waiting for each answer; after it, or a broken
    connection, the same bytes go out again on a new one, `attempts` times in all with a growing
    pause. Not for use by two threads at once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 10.0,
        attempts: int = 4,
        tls: ssl.SSLContext | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._attempts = attempts
        self._tls = tls
        self._pause = pause
        self._socket: socket.socket | None = None
        self._framer = Framer()
        self._waiting: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Open the connection unless it is open; raises OSError (ssl.SSLError among them)."""
        if self._socket is None:
            self._socket = self._connect()

    def is_open(self) -> bool:
        """Whether there is a connection that the listener has not ended.

        What arrived unasked since the last answer (a late answer, an application acknowledgement)
        is taken from the stream and dropped.
        """
        if self._socket is None:
            return False
        self._socket.setblocking(False)
        try:
            while data := self._socket.recv(65536):
                self._framer.feed(data)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._waiting.clear()
            return not self._framer.inside
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection; the next send opens a new one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def send(self, content: bytes) -> Outcome:
        """Send one message and wait for its acknowledgement.

        An answer to another control id is passed over. Never raises for network faults: an outcome
        without a code says the listener may or may not have it.
        """
        started = time.perf_counter()
        for attempt in range(1, self._attempts + 1):
            started = time.perf_counter()
            try:
                self.connect()
                code, ack = self.exchange(content)
            except OSError:
                if attempt < self._attempts:
                    self._pause(0.1 * 2**attempt)
                continue
            return Outcome(code, ack, attempt, time.perf_counter() - started)
        return Outcome("", b"", self._attempts, time.perf_counter() - started)

    def exchange(self, content: bytes) -> tuple[str, bytes]:
        """Send once over the open connection; MSA-1 and the answer that names this control id.

        Raises OSError and closes the connection where no such answer came: the listener may or may
        not have the message, and an answer that comes late finds nobody.
        """
        if self._socket is None:
            raise ConnectionError("the connection is not open")
        header = read_header(content)
        control_id = header.raw(10) if header else b""
        try:
            return self._exchange(self._socket, content, control_id)
        except OSError:
            self.close()
            raise

    def _exchange(
        self, connection: socket.socket, content: bytes, control_id: bytes
    ) -> tuple[str, bytes]:
        connection.settimeout(self._timeout)
        connection.sendall(wrap(content))
        deadline = time.monotonic() + self._timeout
        while True:
            answer = self._receive(connection, deadline)
            read = read_ack(answer)
            if read is not None and read[1] == control_id:
                return read[0], answer

    def _connect(self) -> socket.socket:
        plain = socket.create_connection(self._address, self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._framer, self._waiting = Framer(), []
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=self._address[0])
        except OSError:
            plain.close()
            raise

    def _receive(self, connection: socket.socket, deadline: float) -> bytes:
        while not self._waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no acknowledgement in time")
            connection.settimeout(left)
            data = connection.recv(65536)
            if not data:
                raise ConnectionResetError("the listener closed the connection")
            frames = self._framer.feed(data)
            if self._framer.ending and (frame := self._framer.pause()):
                frames.append(frame)  # an answer is over with its end byte, CR or not
            self._waiting += [frame for frame in frames if not frame.fault]
        return self._waiting.pop(0).content
