from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import hl7.client
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.receiving import Limits, Receiving
from connectors.ehr_hl7v2.simulator import FacilityFeed, Member, Provider, generate, send_all
from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.client import MllpClient
from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.entrypoints.committed import tell_when_done
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Routes
from hub.entrypoints.mllp import DEFAULT_LIMITS, MllpServer, MllpThread
from hub.entrypoints.mllp_limits import MllpLimits
from hub.services.intake import Arrival, Stored, Told
from tests.polling import wait_until

QUICK = MllpLimits(first_frame=0.5, inside_frame=0.2, end_block=0.05)


class FakeIntake:
    """Stores in memory; `hold` keeps commits back until it is set."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.hold: threading.Event | None = None
        self._pool = ThreadPoolExecutor(4)

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        tell_when_done(self._pool.submit(self._store, arrival), told)

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        raise NotImplementedError("no batches here")

    def _store(self, arrival: Arrival) -> Stored:
        same = [
            a for a in self.arrivals if (a.source, a.content) == (arrival.source, arrival.content)
        ]
        self.arrivals.append(arrival)
        if self.hold is not None:
            self.hold.wait(5)
        return Stored("in", bool(same), False, (same or [arrival])[0].answer)


def message(control_id: str = "C1", facility: str = "FAC1", body: str = "") -> bytes:
    head = f"MSH|^~\\&|EHRA|{facility}|HUB|TO1|20260302||ADT^A04^ADT_A01|{control_id}|P|2.5.1\r"
    return f"{head}PID|1||77^^^FAC1^MR||Quill^Mo\r{body}".encode()


def routes(
    application: str = "EHRA",
    peers: tuple[str, ...] = ("127.0.0.0/8",),
    limits: Limits | None = None,
) -> Routes:
    facilities = {"FAC1": Facility("p1", "America/Chicago"), "FAC2": Facility("p2", "UTC")}
    config = Config(receiving=Receiving(limits=limits or Limits()))
    return Routes((Hl7Connection("c1", application, facilities, config, peers=peers),))


@contextmanager
def listening(
    intake: FakeIntake, limits: MllpLimits = DEFAULT_LIMITS, table: Routes | None = None
) -> Iterator[MllpThread]:
    known = table or routes()
    receiver = Receiver(intake, lambda: known, lambda: datetime.now(UTC))
    with MllpThread(MllpServer(receiver, port=0, limits=limits)) as thread:
        yield thread


@contextmanager
def connected(thread: MllpThread) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", thread.server.port), 5) as connection:
        yield connection


def answers(connection: socket.socket, count: int) -> list[tuple[str, bytes]]:
    """MSA-1 and MSA-2 of the next answers; fewer if the listener closes."""
    framer, found = Framer(), []
    while len(found) < count:
        data = connection.recv(65536)
        if not data:
            break
        for frame in framer.feed(data):
            read = read_ack(frame.content)
            assert read is not None
            found.append(read[:2])
    return found


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_frames_in_one_write_and_in_single_bytes_are_answered_in_order() -> None:
    with listening(FakeIntake()) as thread, connected(thread) as connection:
        connection.sendall(b"".join(wrap(message(f"A{n}")) for n in range(3)))
        assert answers(connection, 3) == [("AA", b"A0"), ("AA", b"A1"), ("AA", b"A2")]
        for byte in wrap(message("B1")):
            connection.sendall(bytes([byte]))
        assert answers(connection, 1) == [("AA", b"B1")]


def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    intake = FakeIntake()
    intake.hold = threading.Event()
    with listening(intake) as thread, connected(thread) as connection:
        connection.sendall(wrap(message("C1")) + wrap(message("C2")))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert [arrival.control_id for arrival in intake.arrivals] == ["C1"]
        connection.settimeout(5)
        intake.hold.set()
        assert answers(connection, 2) == [("AA", b"C1"), ("AA", b"C2")]


def test_stopping_answers_what_is_in_flight() -> None:
    intake = FakeIntake()
    intake.hold = threading.Event()
    with listening(intake) as thread:
        with connected(thread) as connection, connected(thread) as idle:
            connection.sendall(wrap(message("C1")))
            while not intake.arrivals:
                time.sleep(0.01)
            threading.Timer(0.1, intake.hold.set).start()
            thread.stop()
            assert answers(connection, 1) == [("AA", b"C1")]
            assert is_closed(connection)
            assert is_closed(idle)


def test_a_frame_begun_anew_is_not_accepted_and_the_new_one_is() -> None:
    intake = FakeIntake()
    with listening(intake) as thread, connected(thread) as connection:
        whole = message("C1")
        connection.sendall(b"\x0b" + whole[:90] + wrap(whole))
        assert answers(connection, 2) == [("AE", b"C1"), ("AA", b"C1")]
    assert [arrival.state for arrival in intake.arrivals] == ["quarantined", "received"]


def test_an_end_block_without_carriage_return_is_answered_after_a_moment() -> None:
    with listening(FakeIntake(), QUICK) as thread, connected(thread) as connection:
        connection.sendall(b"\x0b" + message("C1") + b"\x1c")
        assert answers(connection, 1) == [("AA", b"C1")]


def test_a_stalled_frame_is_kept_refused_and_the_connection_closed() -> None:
    intake = FakeIntake()
    with listening(intake, QUICK) as thread, connected(thread) as connection:
        connection.sendall(b"\x0b" + message("C1"))
        assert answers(connection, 2) == [("AE", b"C1")]
        assert is_closed(connection)
    assert [arrival.state for arrival in intake.arrivals] == ["quarantined"]


def test_a_connection_without_a_frame_is_closed_and_one_with_a_frame_may_rest() -> None:
    with listening(FakeIntake(), QUICK) as thread:
        with connected(thread) as silent, connected(thread) as noisy, connected(thread) as sound:
            sound.sendall(wrap(message("C1")))
            assert answers(sound, 1) == [("AA", b"C1")]
            noisy.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert is_closed(silent)
            assert is_closed(noisy)
            sound.sendall(wrap(message("C2")))
            assert answers(sound, 1) == [("AA", b"C2")]


def test_a_frame_above_the_cap_is_refused_with_its_control_id_and_ends_the_connection() -> None:
    intake = FakeIntake()
    small = routes(limits=Limits(frame_bytes=4000))
    with listening(intake, table=small) as thread, connected(thread) as connection:
        connection.sendall(wrap(message("BIG", body="ZZZ|" + "x" * 300_000)))
        assert answers(connection, 2) == [("AR", b"BIG")]
        assert is_closed(connection)
    assert intake.arrivals[0].state == "refused"
    assert len(intake.arrivals[0].content) <= 4000


def test_a_peer_outside_every_network_is_not_listened_to() -> None:
    with listening(FakeIntake(), table=routes(peers=("192.0.2.0/24",))) as thread:
        with connected(thread) as connection:
            assert is_closed(connection)


def test_connections_above_the_cap_of_a_peer_wait_for_a_place() -> None:
    with listening(FakeIntake(), table=routes(limits=Limits(connections=1))) as thread:
        with connected(thread) as first, connected(thread) as second:
            first.sendall(wrap(message("C1")))
            assert answers(first, 1) == [("AA", b"C1")]
            second.sendall(wrap(message("C2")))
            second.settimeout(0.2)
            with pytest.raises(TimeoutError):
                second.recv(1)
            first.close()
            second.settimeout(5)
            assert answers(second, 1) == [("AA", b"C2")]


def test_while_enough_is_in_flight_nothing_more_is_stored() -> None:
    intake = FakeIntake()
    intake.hold = threading.Event()
    limits = MllpLimits(in_flight=3 * len(message("C1")))
    with listening(intake, limits) as thread, ExitStack() as stack:
        peers = [stack.enter_context(connected(thread)) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.sendall(wrap(message(f"C{number}")))
        wait_until(lambda: len(intake.arrivals) >= 3)
        time.sleep(0.1)
        assert len(intake.arrivals) == 3
        intake.hold.set()
        assert [answers(peer, 1)[0][0] for peer in peers] == ["AA"] * 5


def test_a_peer_that_hoards_connections_does_not_keep_others_out() -> None:
    limits = MllpLimits(connections=4, waiting=1)
    one = routes(limits=Limits(connections=1))
    with listening(FakeIntake(), limits, one) as thread, ExitStack() as hoard:
        served, waits, *refused = [hoard.enter_context(connected(thread)) for _ in range(6)]
        assert all(is_closed(connection) for connection in refused)
        address = ("127.0.0.1", thread.server.port)
        with socket.create_connection(address, 5, source_address=("127.0.0.2", 0)) as other:
            other.sendall(wrap(message("B1")))
            assert answers(other, 1) == [("AA", b"B1")]
        served.close()
        waits.sendall(wrap(message("A1")))
        assert answers(waits, 1) == [("AA", b"A1")]


def test_a_change_of_routes_takes_effect_on_the_next_message() -> None:
    table = [routes()]
    receiver = Receiver(FakeIntake(), lambda: table[0], lambda: datetime.now(UTC))
    with MllpThread(MllpServer(receiver, port=0)) as thread, connected(thread) as connection:
        connection.sendall(wrap(message("C1")))
        assert answers(connection, 1) == [("AA", b"C1")]
        table[0] = routes("OTHER")
        connection.sendall(wrap(message("C2")))
        assert answers(connection, 1) == [("AR", b"C2")]


def certificate(folder: Path) -> Path:
    """A self-signed pair for 127.0.0.1 in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "pair.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_with_tls_only_a_client_with_a_certificate_is_heard(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pair)
    server_side.load_cert_chain(pair)
    server_side.verify_mode = ssl.CERT_REQUIRED
    stranger = ssl.create_default_context(cafile=pair)
    known = ssl.create_default_context(cafile=pair)
    known.load_cert_chain(pair)
    receiver = Receiver(FakeIntake(), routes, lambda: datetime.now(UTC))
    with MllpThread(MllpServer(receiver, port=0, tls=lambda: server_side)) as thread:
        address = ("127.0.0.1", thread.server.port)
        with MllpClient(*address, tls=known) as client:
            assert client.send(message("C1")).code == "AA"
        for context in (stranger, None):
            with MllpClient(*address, tls=context, attempts=1, timeout=2) as client:
                assert client.send(message("C2")).code == ""


def test_a_foreign_client_is_understood() -> None:
    with listening(FakeIntake()) as thread:
        with hl7.client.MLLPClient("127.0.0.1", thread.server.port) as client:
            assert b"MSA|AA|C9" in client.send_message(message("C9"))


def test_simulated_practices_get_exactly_the_answers_they_deserve() -> None:
    provider = (Provider("1234567893", "Reyes", "Ana"),)
    feeds = [
        FacilityFeed(f"EHR{n}", f"FAC{n}", "HUB", f"TO{n}", f"Practice {n}", "UTC", provider)
        for n in range(3)
    ]
    table = Routes(
        tuple(
            Hl7Connection(
                f"c{feed.facility_code}",
                feed.sending_application,
                {feed.facility_code: Facility("p", "UTC", feed.receiving_facility)},
                Config(),
            )
            for feed in feeds
        )
    )
    traffic = generate(feeds, [Member("1", "P", "M1")], seed=1, base_date=date(2026, 3, 2))
    intake = FakeIntake()
    with listening(intake, table=table) as thread:
        sent = send_all("127.0.0.1", thread.server.port, traffic)
    assert len(sent) == sum(len(one.messages) for one in traffic)
    assert [(one.message.label, one.outcome.code) for one in sent if not one.as_expected] == []
    answered = {one.message.content: one.outcome.ack for one in sent if one.message.label == "good"}
    for one in sent:
        if one.message.label == "duplicate":
            assert one.outcome.ack == answered[one.message.content]
    assert Counter(one.outcome.attempts for one in sent) == {1: len(sent)}


def test_the_client_sends_the_same_bytes_again_on_a_new_connection() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for attempt in range(3):
                connection, _ = listener.accept()
                with connection:
                    frames = []
                    framer = Framer()
                    while not frames:
                        frames = framer.feed(connection.recv(65536))
                    received.append(frames[0].content)
                    stale = b"MSH|^~\\&|H|||||||ACK|1|P|2.5.1\rMSA|AA|OTHER\r"
                    if attempt == 1:
                        connection.sendall(wrap(stale))
                    if attempt == 2:
                        connection.sendall(wrap(stale) + wrap(stale.replace(b"OTHER", b"C1")))

        thread = threading.Thread(target=serve)
        thread.start()
        pauses: list[float] = []
        with MllpClient("127.0.0.1", listener.getsockname()[1], pause=pauses.append) as client:
            outcome = client.send(message("C1"))
        thread.join()
    assert (outcome.code, outcome.attempts) == ("AA", 3)
    assert received == [message("C1")] * 3
    assert pauses == sorted(pauses)
    assert len(pauses) == 2


def test_the_client_reports_no_code_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with MllpClient("127.0.0.1", port, attempts=2, pause=lambda _: None) as client:
        outcome = client.send(message())
    assert (outcome.code, outcome.ack, outcome.attempts) == ("", b"", 2)
