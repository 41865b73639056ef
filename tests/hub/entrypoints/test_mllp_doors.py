"""Who is let in: TLS and client certificates (T33), networks (T35), the PROXY protocol."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import socket
import ssl
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from connectors.sdk.hl7v2.framing import wrap
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.entrypoints.mllp import MllpServer
from hub.entrypoints.mllp_tls import TlsFiles, canonical_name, names_of
from hub.errors import BadSetting
from tests.polling import wait_until

Make = Callable[..., Any]


@pytest.fixture
def secured(authority: Make, listen: Make, connection: Make) -> Callable[..., Any]:
    """A listener with TLS that wants certificates of its authority, and that authority."""

    def start(**options: Any) -> tuple[Any, Any]:
        own = authority("own")
        pair = own.issue("listener")
        tls = TlsFiles(pair, pair, own.path)
        return listen(connection(**options), tls=tls), own

    return start


def refused(listener: Any, tls: ssl.SSLContext | None, message: bytes) -> bool:
    """Whether the listener ends the connection without an answer. In TLS 1.3 a client learns of a
    refused certificate only when it reads."""
    try:
        peer = listener.connect(tls)
        peer.send(message)
        return bool(peer.is_closed())
    except OSError:
        return True


def test_a_client_with_a_certificate_of_the_authority_is_served(
    secured: Make, message: Make
) -> None:
    listener, own = secured()
    peer = listener.connect(own.client(own.issue("ehr")))
    peer.send(message("C1"))
    assert peer.answer() == ("AA", b"C1")
    assert peer.socket.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("stranger", ["none", "plain", "expired", "other authority", "TLS 1.1"])
def test_whoever_fails_the_handshake_is_closed_before_anything_is_read(
    secured: Make, authority: Make, message: Make, stranger: str
) -> None:
    listener, own = secured()
    other = authority("other")
    context: ssl.SSLContext | None = own.client()
    if stranger == "plain":
        context = None
    elif stranger == "expired":
        context = own.client(own.issue("late", days=-1))
    elif stranger == "other authority":
        context = own.client(other.issue("ehr"))
    elif stranger == "TLS 1.1":
        context = old_client(own, own.issue("old"))
    assert refused(listener, context, message("C1"))
    wait_until(lambda: listener.server.closures["tls_refused"] == 1)
    assert listener.intake.arrivals == []


def old_client(own: Any, pair: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(own.path)
    context.load_cert_chain(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_the_certificate_decides_the_connection(
    authority: Make, listen: Make, connection: Make, message: Make
) -> None:
    own = authority("own")
    pair = own.issue("listener")
    a, b = own.issue("a", dns="a.example"), own.issue("b", dns="b.example")
    listener = listen(
        connection("ca", "EHRA", certificates=frozenset({"dns:a.example"})),
        connection("cb", "EHRB", certificates=frozenset({"dns:b.example"})),
        tls=TlsFiles(pair, pair, own.path),
    )
    by_a = listener.connect(own.client(a))
    by_a.send(message("C1"), message("C2", f3="EHRB"))
    assert [by_a.answer(), by_a.answer()] == [("AA", b"C1"), ("AR", b"C2")]
    by_b = listener.connect(own.client(b))
    by_b.send(message("C3", f3="EHRB"))
    assert by_b.answer() == ("AA", b"C3")
    found = [(one.connection_id, one.state) for one in listener.intake.arrivals]
    assert found == [("ca", "received"), (None, "refused"), ("cb", "received")]


def test_a_sound_certificate_that_no_connection_names_is_not_listened_to(
    secured: Make, message: Make
) -> None:
    listener, own = secured(certificates=frozenset({"dns:other.example"}))
    assert refused(listener, own.client(own.issue("ehr", dns="ehr.example")), message())
    wait_until(lambda: listener.server.closures["certificate"] == 1)
    assert listener.intake.arrivals == []


def test_a_certificate_is_known_by_its_names_and_its_fingerprint(authority: Make) -> None:
    pair = authority("own").issue("Example EHR", dns="EHR.example")
    encoded = ssl.PEM_cert_to_DER_cert(
        pair.read_text()[pair.read_text().index("-----BEGIN CERT") :]
    )
    shown = {
        "subject": ((("commonName", "Example EHR"),),),
        "subjectAltName": (("DNS", "EHR.example"), ("IP Address", "127.0.0.1")),
    }
    print_ = hashlib.sha256(encoded).hexdigest()
    assert names_of(shown, encoded) == {
        "cn:Example EHR",
        "dns:ehr.example",
        "ip:127.0.0.1",
        f"sha256:{print_}",
    }
    pairs_of_digits = ":".join(print_[at : at + 2] for at in range(0, 64, 2)).upper()
    assert canonical_name(f"SHA256:{pairs_of_digits}") == f"sha256:{print_}"
    assert names_of(None, None) == frozenset()


@pytest.mark.parametrize("text", ["ehr.example", "name:x", "dns:", "sha256:ab"])
def test_what_is_no_certificate_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"colon|digits"):
        canonical_name(text)


def test_a_certificate_binds_its_owner_to_the_connections_that_name_it(connection: Make) -> None:
    open_, bound = connection("open"), connection("bound", certificates=frozenset({"cn:a"}))
    routes = Routes((open_, bound))
    assert routes.of(Peer("127.0.0.1")) == (open_,)
    assert routes.of(Peer("127.0.0.1", frozenset({"cn:a", "dns:x"}))) == (bound,)
    assert routes.of(Peer("127.0.0.1", frozenset({"cn:b"}))) == (open_,)
    assert routes.of(Peer("192.0.2.1", frozenset({"cn:a"}))) == ()


def test_a_renewed_certificate_is_shown_to_the_next_connection(
    authority: Make, listen: Make, message: Make, tmp_path: Path
) -> None:
    old, new = authority("old"), authority("new")
    pair = tmp_path / "pair.pem"
    pair.write_bytes(old.issue("listener").read_bytes())
    listener = listen(tls=TlsFiles(pair, pair, None))
    before = listener.connect(old.client())
    pair.write_bytes(b"half a file")
    still = listener.connect(old.client())
    renewed = new.issue("listener")
    renewed.rename(pair)
    after = listener.connect(new.client())
    for number, peer in enumerate((before, still, after)):
        peer.send(message(f"C{number}"))
        assert peer.answer() == ("AA", f"C{number}".encode())
    with pytest.raises(ssl.SSLCertVerificationError):
        listener.connect(old.client())


def test_files_that_are_no_certificates_stop_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(BadSetting, match="HUB_MLLP_TLS_CERTIFICATE"):
        TlsFiles(bad, bad, None)


@pytest.mark.parametrize("turns", range(5))
def test_who_comes_while_the_listener_stops_is_closed_by_it(
    authority: Make, connection: Make, memory: Make, now: Any, turns: int
) -> None:
    """In whatever turn of the loop: before it is accepted, when it is, in its handshake."""
    own = authority("own")
    pair = own.issue("listener")
    table = Routes((connection(),))

    async def come_and_stop() -> list[bytes]:
        receiver = Receiver(memory(), lambda: table, lambda: now)
        server = MllpServer(receiver, port=0, tls=TlsFiles(pair, pair, own.path))
        await server.start()
        with socket.create_connection(("127.0.0.1", server.port), 5) as early:
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.stop()
            return [await asyncio.to_thread(_rest, early)]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert uvloop.run(come_and_stop()) == [b""]
        gc.collect()
    assert [str(one.message) for one in caught] == []


def _rest(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def test_a_source_outside_every_network_is_closed_and_counted(
    listen: Make, connection: Make, message: Make
) -> None:
    listener = listen(connection(peers=("127.0.0.2/32",)))
    assert listener.connect(source="127.0.0.1").is_closed()
    assert listener.connect(source="127.0.0.3").is_closed()
    inside = listener.connect(source="127.0.0.2")
    inside.send(message())
    assert inside.answer() == ("AA", b"C1")
    assert listener.server.closures == {"address": 2}


def test_an_ipv4_source_on_a_socket_of_both_families_counts_as_ipv4(
    listen: Make, connection: Make, message: Make
) -> None:
    listener = listen(connection(peers=("127.0.0.1/32",)), host="::")
    mapped = listener.connect()
    mapped.send(message())
    assert mapped.answer() == ("AA", b"C1")
    with socket.create_connection(("::1", listener.server.port), 5) as six:
        assert six.recv(1) == b""
    assert listener.server.closures == {"address": 1}


def version_2(address: str, command: int = 1) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    body = packed + packed + struct.pack("!HH", 4000, 2575)
    kind = bytes([0x20 | command, 0x21 if ":" in address else 0x11])
    return b"\r\n\r\n\0\r\nQUIT\n" + kind + len(body).to_bytes(2) + body


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 2575\r\n",
        version_2("192.0.2.7"),
        version_2("::ffff:192.0.2.7"),
    ],
)
def test_a_listed_proxy_speaks_for_the_address_in_its_header(
    listen: Make, connection: Make, message: Make, header: bytes
) -> None:
    listener = listen(connection(peers=("192.0.2.0/24",)), proxies=("127.0.0.1/32",))
    peer = listener.connect()
    peer.socket.sendall(header + wrap(message()))
    assert peer.answer() == ("AA", b"C1")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"PROXY TCP4 198.51.100.1 127.0.0.1 4000 2575\r\n", "address"),
        (version_2("2001:db8::1"), "address"),
        (b"PROXY TCP4 nobody 127.0.0.1 4000 2575\r\n", "no_proxy_header"),
        (b"PROXY " + b"x" * 200, "no_proxy_header"),
        (b"\x0bMSH|^~\\&|EHRA|FAC1\r", "no_proxy_header"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + bytes(12), "no_proxy_header"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\x00", "no_proxy_header"),
    ],
)
def test_a_proxy_that_names_a_stranger_or_nobody_is_closed(
    listen: Make, connection: Make, header: bytes, reason: str
) -> None:
    listener = listen(connection(peers=("192.0.2.0/24",)), proxies=("127.0.0.1/32",))
    peer = listener.connect()
    peer.socket.sendall(header)
    assert peer.is_closed()
    assert listener.server.closures == {reason: 1}


def test_a_proxy_speaks_for_itself_in_its_health_checks(listen: Make, message: Make) -> None:
    listener = listen(proxies=("127.0.0.1/32",))
    for header in (b"PROXY UNKNOWN\r\n", version_2("192.0.2.7", command=0)):
        peer = listener.connect()
        peer.socket.sendall(header + wrap(message()))
        assert peer.answer() == ("AA", b"C1")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", version_2("192.0.2.7", command=0)])
def test_health_checks_of_a_proxy_are_no_strangers_at_the_door(
    listen: Make, connection: Make, header: bytes
) -> None:
    listener = listen(connection(peers=("192.0.2.0/24",)), proxies=("127.0.0.1/32",))
    checking = listener.connect()
    checking.socket.sendall(header)
    assert checking.is_closed()
    assert listener.server.closures == {"proxy_check": 1}


def test_nobody_else_is_believed_who_sends_a_proxy_header(listen: Make, connection: Make) -> None:
    listener = listen(connection(peers=("192.0.2.0/24",)), proxies=("127.0.0.9/32",))
    peer = listener.connect()
    peer.socket.sendall(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 2575\r\n")
    assert peer.is_closed()
    assert listener.server.closures == {"address": 1}


def test_behind_a_proxy_tls_begins_after_its_header(
    authority: Make, listen: Make, connection: Make, message: Make
) -> None:
    own = authority("own")
    pair = own.issue("listener")
    listener = listen(
        connection(peers=("192.0.2.7/32",), certificates=frozenset({"cn:ehr"})),
        tls=TlsFiles(pair, pair, own.path),
        proxies=("127.0.0.0/8",),
    )
    with socket.create_connection(("127.0.0.1", listener.server.port), 5) as plain:
        plain.sendall(version_2("192.0.2.7"))
        context = own.client(own.issue("ehr"))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(wrap(message()))
            assert b"MSA|AA|C1" in secure.recv(65536)
