"""What one sender may ask of the listener, and that the others do not notice (T23, T36, T37)."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from connectors.ehr_hl7v2.receiving import LARGEST_FRAME, Limits, Receiving
from connectors.sdk.hl7v2.framing import wrap
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.entrypoints.mllp_limits import MllpLimits

Make = Callable[..., Any]
MEGABYTE = 1024 * 1024


@pytest.fixture
def limited(listen: Make, connection: Make) -> Callable[..., Any]:
    """A listener whose one connection has these limits."""

    def start(**limits: Any) -> Any:
        return listen(connection(receiving=Receiving(limits=Limits(**limits))))

    return start


def test_a_sender_above_its_rate_is_read_more_slowly_and_loses_nothing(
    limited: Make, message: Make
) -> None:
    listener = limited(messages_per_second=50.0, burst=2)
    peer = listener.connect()
    peer.send(*(message(f"C{number}") for number in range(12)))
    answers = [peer.answer() for _ in range(12)]
    assert answers == [("AA", f"C{number}".encode()) for number in range(12)]


def test_above_its_burst_a_sender_waits_on_all_its_connections(
    limited: Make, message: Make
) -> None:
    listener = limited(messages_per_second=0.01, burst=3)
    first, second = listener.connect(), listener.connect()
    first.send(message("A1"), message("A2"))
    assert [first.answer(), first.answer()] == [("AA", b"A1"), ("AA", b"A2")]
    second.send(message("B1"), message("B2"), message("B3"))
    assert [second.answer(), second.answer()] == [("AA", b"B1"), ("AA", b"B2")]
    second.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        second.frame()
    assert len(listener.intake.arrivals) == 4


def test_each_sender_behind_one_address_has_its_own_rate(
    listen: Make, connection: Make, message: Make
) -> None:
    slow = Receiving(limits=Limits(messages_per_second=0.01, burst=1))
    listener = listen(connection(), connection("c2", "EHRB", receiving=slow))
    fast, paced = listener.connect(), listener.connect()
    fast.send(*(message(f"A{number}") for number in range(5)))
    assert [fast.answer() for _ in range(5)] == [("AA", f"A{n}".encode()) for n in range(5)]
    paced.send(*(message(f"B{number}", f3="EHRB") for number in range(3)))
    assert [paced.answer(), paced.answer()] == [("AA", b"B0"), ("AA", b"B1")]
    paced.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        paced.frame()
    fast.send(message("A5"))
    assert fast.answer() == ("AA", b"A5")


def test_a_large_frame_is_taken_where_the_connection_allows_it(
    limited: Make, message: Make
) -> None:
    listener = limited(frame_bytes=LARGEST_FRAME)
    peer = listener.connect()
    document = "OBX|1|ED|||" + "A" * (3 * MEGABYTE)
    peer.send(message("BIG", document))
    assert peer.answer() == ("AA", b"BIG")
    assert listener.intake.arrivals[0].content.endswith(b"A" * MEGABYTE)


def test_a_frame_larger_than_its_connection_takes_is_refused_though_another_takes_it(
    listen: Make, connection: Make, message: Make
) -> None:
    large = Receiving(limits=Limits(frame_bytes=8 * MEGABYTE))
    listener = listen(connection(), connection("c2", "EHRB", receiving=large))
    peer = listener.connect()
    body = "OBX|1|ED|||" + "A" * (2 * MEGABYTE)
    peer.send(message("C1", body), message("C2", body, f3="EHRB"))
    assert [peer.answer(), peer.answer()] == [("AR", b"C1"), ("AA", b"C2")]


def test_the_limits_of_a_peer_are_the_most_that_one_of_its_connections_allows(
    connection: Make,
) -> None:
    slow = Receiving(limits=Limits(messages_per_second=5, frame_bytes=2048, connections=2))
    fast = Receiving(limits=Limits(messages_per_second=9, burst=7, connections=3))
    routes = Routes((connection(receiving=slow), connection("c2", "B", receiving=fast)))
    found = routes.limits(Peer("127.0.0.1"))
    assert (found.messages_per_second, found.frame_bytes, found.connections) == (9, MEGABYTE, 3)
    free = Routes((*routes.connections, connection("c3", "C")))
    assert free.limits(Peer("127.0.0.1")).messages_per_second is None
    assert routes.connections_from("127.0.0.1") == 3
    assert free.connections_from("127.0.0.1") == 64
    assert Routes(()).limits(Peer("127.0.0.1")) == Limits()


@pytest.mark.parametrize(
    ("limit", "body"),
    [
        ("segments", "ZZZ|1\r" * 3),
        ("fields", "ZZZ" + "|1" * 21 + "\r"),
        ("repetitions", "ZZZ|" + "~".join("1" * 5) + "\r"),
        ("components", "ZZZ|" + "^".join("1" * 8) + "\r"),
        ("subcomponents", "ZZZ|" + "&".join("1" * 8) + "\r"),
    ],
)
def test_structure_is_limited_per_connection(
    limited: Make, message: Make, limit: str, body: str
) -> None:
    most = {"segments": 4, "fields": 20, "repetitions": 4, "components": 7, "subcomponents": 7}
    listener = limited(**{limit: most[limit]})
    peer = listener.connect()
    peer.send(message("C1", body))
    assert peer.answer() == ("AR", b"C1")
    assert listener.intake.arrivals[0].fault.code == "hl7_207"
    unlimited = limited()
    peer = unlimited.connect()
    peer.send(message("C1", body))
    assert peer.answer() == ("AA", b"C1")


BOMBS = {
    "repetitions": "PID|1||" + "~" * 20_000,
    "components": "PID|1||" + "^" * 20_000,
    "observations": "OBX|1|ST|A||B\r" * 4_000,
    "z segments": "ZZZ|1\r" * 100_000,
    "a NUL byte": "ZZZ|\0\r",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_and_the_neighbour_is_answered(
    limited: Make, message: Make, bomb: str
) -> None:
    listener = limited()
    hostile, neighbour = listener.connect(), listener.connect()
    hostile.send(message("BOMB", BOMBS[bomb]))
    neighbour.send(message("C1"))
    assert hostile.answer() in {("AR", b"BOMB"), ("AE", b"BOMB")}
    assert neighbour.answer() == ("AA", b"C1")
    states = {one.control_id: one.state for one in listener.intake.arrivals}
    assert states["BOMB"] in {"refused", "quarantined"}


def test_fifty_megabytes_in_one_frame_take_bounded_memory(limited: Make, message: Make) -> None:
    listener = limited()
    peer = listener.connect()
    tracemalloc.start()
    try:
        peer.socket.sendall(b"\x0b" + message("BIG", "ZZZ|"))
        for _ in range(50):
            peer.socket.sendall(b"x" * MEGABYTE)
        peer.socket.sendall(b"\x1c\x0d")
        assert peer.answer() == ("AR", b"BIG")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 * MEGABYTE
    (arrival,) = listener.intake.arrivals
    assert len(arrival.content) < 10_000
    assert int(arrival.headers["size"]) > 50 * MEGABYTE
    assert peer.is_closed()


def test_a_frame_that_never_ends_is_closed_though_bytes_keep_coming(
    listen: Make, message: Make
) -> None:
    listener = listen(limits=MllpLimits(inside_frame=5, whole_frame=0.3))
    drip, sound = listener.connect(), listener.connect()
    drip.socket.sendall(b"\x0b" + message("C1"))
    ended = threading.Event()

    def keep_dripping() -> None:
        while not ended.wait(0.02):
            try:
                drip.socket.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=keep_dripping)
    thread.start()
    try:
        assert drip.answer() == ("AE", b"C1")
        assert drip.is_closed()
    finally:
        ended.set()
        thread.join()
    sound.send(message("C2"))
    assert sound.answer() == ("AA", b"C2")


def test_five_hundred_slow_senders_do_not_keep_a_sound_one_waiting(
    listen: Make, connection: Make, message: Make
) -> None:
    hosts = [f"127.0.1.{number}" for number in range(1, 9)]
    listener = listen(connection(receiving=Receiving(limits=Limits(connections=32))))
    slow = [listener.connect(source=hosts[number % len(hosts)]) for number in range(500)]
    for peer in slow[::2]:
        peer.socket.sendall(b"\x0bMSH|^~\\&|EHRA")
    sound = listener.connect(source="127.0.2.1")
    sound.send(*(message(f"C{number}") for number in range(20)))
    assert [sound.answer() for _ in range(20)] == [
        ("AA", f"C{number}".encode()) for number in range(20)
    ]
    assert len(listener.intake.arrivals) == 20


def test_release_2_says_whether_a_frame_is_stored_before_the_answer_to_it(
    listen: Make, connection: Make, message: Make
) -> None:
    listener = listen(connection(receiving=Receiving(mllp_release_2=True)))
    peer = listener.connect()
    peer.send(message("C1"), message("C2", f12="9.9"), message("C3", f15="NE"))
    assert peer.frame() == b"\x06"
    assert peer.answer() == ("AA", b"C1")
    peer.socket.sendall(wrap(b"\x06"))
    assert peer.frame() == b"\x06"  # refused, but kept
    assert peer.answer() == ("AR", b"C2")
    peer.socket.sendall(wrap(b"\x15"))
    assert peer.frame() == b"\x06"
    assert len(listener.intake.arrivals) == 3


def test_release_2_says_so_where_a_frame_could_not_be_stored(
    listen: Make, connection: Make, message: Make
) -> None:
    listener = listen(connection(receiving=Receiving(mllp_release_2=True)))

    def fail(*_: object) -> None:
        raise OSError("the store is away")

    listener.intake.receive_then = fail
    peer = listener.connect()
    peer.send(message("C1"), message("C2", f15="NE", f16="NE"))
    assert peer.frame() == b"\x15"
    assert peer.answer() == ("AE", b"C1")
    assert peer.frame() == b"\x15"


def test_five_hundred_senders_that_rest_are_all_heard_when_they_go_on(
    listen: Make, connection: Make, message: Make
) -> None:
    """Each has its first frame behind it; then silence has no limit and costs nobody else."""
    receiving = Receiving(limits=Limits(connections=512))
    limits = MllpLimits(first_frame=0.2, inside_frame=0.2)
    listener = listen(connection(receiving=receiving), limits=limits)
    resting = []
    for number in range(500):
        peer = listener.connect()
        peer.send(message(f"A{number}"))
        assert peer.answer() == ("AA", f"A{number}".encode())
        resting.append(peer)
    time.sleep(limits.first_frame)
    for number, peer in enumerate(resting):
        peer.send(message(f"B{number}"))
        assert peer.answer() == ("AA", f"B{number}".encode())
    assert listener.server.closures == {}
    assert len(listener.intake.arrivals) == 1000
