"""A listener on a real socket over a store in memory, and an authority that signs certificates."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.path = folder / f"{name}.pem"
        subject = _common_name(name)
        usage = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = (
            _builder(subject, subject, self._key, 1)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, dns: str = "", days: int = 1) -> Path:
        """A PEM file with a key and a certificate for 127.0.0.1; expired where `days` is
        negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
        if dns:
            names.append(x509.DNSName(dns))
        signed = (
            _builder(_common_name(name), self._certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._folder / f"{self._name}-{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        return path

    def client(self, pair: Path | None = None) -> ssl.SSLContext:
        """A client that trusts this authority and shows the certificate in `pair`."""
        context = ssl.create_default_context(cafile=self.path)
        if pair is not None:
            context.load_cert_chain(pair)
        return context


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + timedelta(days=days))
    )


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], Authority]:
    """Founds an authority of a name."""
    return lambda name: Authority(tmp_path, name)
