"""One link to receivers that behave and misbehave, over real sockets."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from connectors import registry
from connectors.hl7v2_destination.simulator import Behaviour, FakeReceiver
from connectors.sdk.base import Link, MessageSender
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from hub.errors import ConfigError, Transient, Unreachable

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
sender = registry.load("hl7v2_destination")
assert isinstance(sender, MessageSender)


class Still:
    """A clock that stands, and secrets that are what their reference says after ``env:``."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    def now(self) -> datetime:
        return NOW

    def get(self, reference: str) -> str:
        return self.secrets[reference.removeprefix("env:")]


def context(port: int, *, secrets: Still | None = None, **settings: object) -> Ctx:
    values = {"host": "127.0.0.1", "port": port, "tls": False, "answer_seconds": 0.3, **settings}
    return Ctx(
        connection_id="con_1",
        config=registry.validate_config("hl7v2_destination", values),
        http=Http(egress=(), clock=Still()),
        secrets=secrets or Still(),
        clock=Still(),
        deadline=NOW + timedelta(minutes=1),
        progress=lambda count: None,
        cancelled=lambda: False,
    )


def message(control_id: str = "C1") -> bytes:
    header = f"MSH|^~\\&|HUB|MSO|LAB|MAIN|20260302||ADT^A08|{control_id}|P|2.5.1"
    return f"{header}\rPID|1||77^^^EHR^MR\r".encode()


@contextmanager
def linked(*plan: Behaviour) -> Iterator[tuple[FakeReceiver, Link]]:
    with FakeReceiver(plan) as receiver:
        link = sender.open(context(receiver.port))
        yield receiver, link
        link.close()


@pytest.mark.parametrize("behaviour", ["accept", "split", "late", "once"])
def test_an_answer_is_taken_whole_and_only_if_it_names_the_message(behaviour: Behaviour) -> None:
    with linked(behaviour) as (receiver, link):
        answer = link.exchange(message())
    assert (answer.verdict, answer.code, answer.reason) == ("accepted", "AA", "")
    assert b"MSA|AA|C1" in answer.raw
    assert receiver.received == [message()]


@pytest.mark.parametrize(
    ("behaviour", "verdict", "code", "fault"),
    [
        ("later", "again", "AE", ("206", "PID-3")),
        ("refuse", "refused", "AR", ("101", "PV1-19")),
    ],
)
def test_a_refusal_says_code_and_place_of_its_first_fault(
    behaviour: Behaviour, verdict: str, code: str, fault: tuple[str, str]
) -> None:
    with linked(behaviour) as (_, link):
        answer = link.exchange(message())
    assert (answer.verdict, answer.code, (answer.reason, answer.path)) == (verdict, code, fault)


@pytest.mark.parametrize("behaviour", ["close", "cut", "other", "silent"])
def test_without_an_answer_to_it_a_message_is_neither_done_nor_lost(behaviour: Behaviour) -> None:
    with linked(behaviour) as (_, link):
        with pytest.raises(Transient):
            link.exchange(message())
        assert not link.is_open()


def test_one_connection_carries_many_messages() -> None:
    with linked() as (receiver, link):
        for number in range(20):
            assert link.exchange(message(f"C{number}")).verdict == "accepted"
            assert link.is_open()
        assert receiver.connections == 1


def test_a_link_the_receiver_ended_is_not_open() -> None:
    with linked("once") as (receiver, link):
        link.exchange(message())
        receiver.hang_up()
        while link.is_open():
            pass


def test_a_closed_door_is_unreachable() -> None:
    with FakeReceiver() as receiver:
        port = receiver.port
    with pytest.raises(Unreachable, match="takes no connection"):
        sender.open(context(port))
    report = sender.check(context(port))  # type: ignore[attr-defined]
    assert not report.ok


def certificate(folder: Path) -> Path:
    """A self-signed pair for 127.0.0.1 in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    path = folder / "pair.pem"
    path.write_bytes(secret + signed.public_bytes(pem))
    return path


def test_tls_checks_the_receiver_and_shows_our_certificate(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    text = pair.read_text()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pair)
    server_side.load_cert_chain(pair)
    server_side.verify_mode = ssl.CERT_REQUIRED
    secrets = Still(PAIR=text, NONSENSE="no certificate")
    trusted = {"tls": True, "tls_authorities": "env:PAIR"}
    shown = {"tls_certificate": "env:PAIR", "tls_key": "env:PAIR"}
    with FakeReceiver(tls=server_side) as receiver:
        link = sender.open(context(receiver.port, secrets=secrets, **trusted, **shown))
        assert link.exchange(message()).verdict == "accepted"
        assert link.is_open()
        link.close()
        with pytest.raises(Unreachable, match="not trusted"):
            sender.open(context(receiver.port, secrets=secrets, tls=True, **shown))
        stranger = context(receiver.port, secrets=secrets, **trusted)
        with pytest.raises((Unreachable, Transient)):  # TLS 1.3 tells with the first read
            sender.open(stranger).exchange(message())
        wrong = {**shown, "tls_key": "env:NONSENSE", "tls_certificate": "env:NONSENSE"}
        with pytest.raises(ConfigError, match="no PEM pair"):
            sender.open(context(receiver.port, secrets=secrets, **trusted, **wrong))
        assert receiver.received == [message()]


def test_a_certificate_needs_its_key_and_tls() -> None:
    for settings in (
        {"tls": True, "tls_certificate": "env:PAIR"},
        {"tls": False, "tls_authorities": "env:PAIR"},
    ):
        with pytest.raises((ConfigError, ValidationError)):
            context(2575, **settings)
