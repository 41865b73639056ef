"""One connection of the listener over a transport that does what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.ehr_hl7v2.receiving import Limits
from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.framing import wrap
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.entrypoints.mllp_connection import MllpConnection
from hub.entrypoints.mllp_limits import MllpLimits, Room

Make = Callable[..., Any]


class Transport(asyncio.Transport):
    """Keeps what is written; `closing` and `reading` say what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading, self.closing = True, False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


class Places:
    def early(self, limits: Limits) -> float:
        return 0.0


@pytest.fixture
def serving(memory: Make, connection: Make) -> Callable[..., Any]:
    """Runs a test in a loop with a connection that is served: ``serving(test)``."""

    def run(test: Callable[[MllpConnection, Transport], Awaitable[None]], **limits: Any) -> Any:
        async def served() -> None:
            table, transport = Routes((connection(),)), Transport()
            receiver = Receiver(memory(), lambda: table, lambda: datetime.now(UTC))
            kept = MllpLimits(**limits)
            line = MllpConnection(receiver, kept, Room(kept.in_flight), None)
            line.connection_made(transport)
            line.serve(Peer("127.0.0.1"), Places())
            await test(line, transport)

        asyncio.run(served())

    return run


def test_while_the_peer_takes_no_answers_nothing_more_is_handled(
    serving: Make, message: Make
) -> None:
    async def test(line: MllpConnection, transport: Transport) -> None:
        line.data_received(wrap(message("C1")))
        line.pause_writing()
        line.data_received(wrap(message("C2")) + wrap(message("C3")))
        assert [b"|C1\r" in answer for answer in transport.written] == [True]
        assert not transport.reading, "what cannot be answered is left in the socket"
        line.resume_writing()
        assert len(transport.written) == 3
        assert transport.reading

    serving(test)


def test_a_peer_that_takes_nothing_for_too_long_is_cut_off(serving: Make) -> None:
    async def test(line: MllpConnection, transport: Transport) -> None:
        line.pause_writing()
        await asyncio.sleep(0.02)
        assert transport.closing

    serving(test, write=0.005)


def test_who_waits_to_send_hears_that_the_connection_is_lost(serving: Make) -> None:
    async def test(line: MllpConnection, transport: Transport) -> None:
        line.pause_writing()
        sending = asyncio.ensure_future(line.send(b"MSH|"))
        await asyncio.sleep(0)
        transport.close()
        line.connection_lost(None)
        with pytest.raises(ConnectionError):
            await sending
        with pytest.raises(ConnectionError):
            await line.send(b"MSH|")

    serving(test)


def test_what_came_before_the_connection_is_served_is_kept_and_nothing_more_is_read(
    memory: Make, connection: Make, message: Make
) -> None:
    async def test() -> None:
        table, transport, intake = Routes((connection(),)), Transport(), memory()
        receiver = Receiver(intake, lambda: table, lambda: datetime.now(UTC))
        line = MllpConnection(receiver, MllpLimits(), Room(1024), None)
        line.connection_made(transport)
        line.data_received(wrap(message("C1")))
        assert (intake.arrivals, transport.reading) == ([], False)
        line.serve(Peer("127.0.0.1"), Places())
        assert len(intake.arrivals) == len(transport.written) == 1
        assert transport.reading

    asyncio.run(test())


def test_what_came_of_a_frame_is_kept_where_the_peer_breaks_off(
    memory: Make, connection: Make, message: Make
) -> None:
    async def test(error: Exception | None) -> list[Any]:
        table, transport, intake = Routes((connection(),)), Transport(), memory()
        receiver = Receiver(intake, lambda: table, lambda: datetime.now(UTC))
        line = MllpConnection(receiver, MllpLimits(), Room(1024), None)
        line.connection_made(transport)
        line.serve(Peer("127.0.0.1"), Places())
        line.data_received(wrap(message("C1")) + wrap(message("C2"))[:-9])
        line.connection_lost(error)
        return [(one.state, one.content) for one in intake.arrivals[1:]]

    cut = wrap(message("C2"))[1:-9]
    assert asyncio.run(test(ConnectionResetError())) == [("quarantined", cut)]
    assert asyncio.run(test(None)) == []


def test_who_finds_no_room_waits_in_line() -> None:
    room, begun = Room(10), list[str]()
    room.take(6, lambda: begun.append("first"))
    room.take(6, lambda: begun.append("second"))
    room.take(1, lambda: begun.append("third"))
    assert begun == ["first"]
    room.free(6)
    assert begun == ["first", "second", "third"]
    room.free(6)
    room.free(1)
    room.take(50, lambda: begun.append("larger than all of it"))
    assert begun[-1] == "larger than all of it"


def test_connections_whose_bytes_mix_get_their_own_answers_in_their_own_order(
    listen: Make, message: Make
) -> None:
    listener = listen()
    one, other = listener.connect(), listener.connect()
    # The same control ids on both: an answer tells the sender it was meant for by MSA-2 and MSH-6.
    mine = b"".join(wrap(message(f"C{n}", body="NTE|1||one\r")) for n in range(5))
    theirs = b"".join(wrap(message(f"C{4 - n}", f4="FAC2")) for n in range(5))
    for start in range(0, max(len(mine), len(theirs)), 7):
        one.socket.sendall(mine[start : start + 7])
        other.socket.sendall(theirs[start : start + 7])
    heard = [[line.frame() for _ in range(5)] for line in (one, other)]
    assert [answer.split(b"|")[5] for answer in heard[0]] == [b"FAC1"] * 5
    assert [answer.split(b"|")[5] for answer in heard[1]] == [b"FAC2"] * 5
    ids = [[(read_ack(answer) or ("", b""))[:2] for answer in line] for line in heard]
    assert ids[0] == [("AA", b"C%d" % n) for n in range(5)]
    assert ids[1] == [("AA", b"C%d" % (4 - n)) for n in range(5)]
