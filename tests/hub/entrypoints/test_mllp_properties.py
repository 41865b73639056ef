"""Whatever bytes come in whatever pieces: nothing is accepted that was not stored whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Peer, Routes

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LISTENER: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
HEADER = b"MSH|^~\\&|EHRA|FAC1|HUB|TO1|20260302||ADT^A04^ADT_A01|%s|P|2.5.1|||%s|%s\r"

NOISE = st.binary(max_size=30) | st.sampled_from(
    [b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"MSH|", b"BHS|^~\\&|EHRA|FAC1\r", b"BTS|2\r"]
)
WISHES = st.sampled_from([b"", b"AL", b"NE", b"ER", b"SU", b"??"])
MESSAGES = st.builds(
    lambda number, accept, application, body: (
        HEADER % (b"C%d" % number, accept, application) + body
    ),
    st.integers(0, 5),
    WISHES,
    WISHES,
    st.binary(max_size=20) | st.just(b"PID|1||77\r") | st.just(b"DSC|p1|F\r"),
)
STREAMS = st.lists(NOISE | MESSAGES | MESSAGES.map(wrap), max_size=8).map(b"".join)


def answers(connection: Any, intake: Any, stream: bytes, sizes: list[int]) -> list[bytes]:
    """What the listener says to a stream that comes in pieces and then ends."""
    receiver = Receiver(intake, lambda: Routes((connection,)), lambda: NOW)
    framer, frames, at = Framer(cap=4096), [], 0
    for size in [*sizes, len(stream) + 1]:
        frames += framer.feed(stream[at : at + size])
        at += size
    if rest := framer.close():
        frames.append(rest)

    async def run() -> list[bytes]:
        replies = [await receiver.receive(frame, Peer("127.0.0.1")) for frame in frames]
        return [ack for reply in replies for ack in (reply.ack, *reply.more) if ack]

    return asyncio.run(run())


@settings(max_examples=80, **LISTENER)
@given(stream=STREAMS, sizes=st.lists(st.integers(1, 50), max_size=20))
def test_only_what_is_stored_whole_is_accepted(
    connection: Callable[..., Any],
    memory: Callable[[], Any],
    stream: bytes,
    sizes: list[int],
) -> None:
    intake = memory()
    said = [read_ack(one) for ack in answers(connection(), intake, stream, sizes)
            for one in split_messages(ack)]  # fmt: skip
    accepted = [read[1] for read in said if read and read[0] in {"AA", "CA"}]
    taken = [one for one in intake.arrivals if one.state in {"received", "ignored"}]
    for control_id in accepted:
        kept = next(one for one in taken if one.control_id.encode() == control_id)
        taken.remove(kept)
        assert kept.content in stream
    assert all(one.content in stream for one in intake.arrivals if not is_envelope(one))


def is_envelope(arrival: Any) -> bool:
    return arrival.message_type in {"BHS", "FHS"}


@settings(max_examples=40, **LISTENER)
@given(stream=STREAMS, sizes=st.lists(st.integers(1, 50), max_size=20))
def test_the_pieces_a_stream_comes_in_change_nothing(
    connection: Callable[..., Any],
    memory: Callable[[], Any],
    stream: bytes,
    sizes: list[int],
) -> None:
    whole, pieces = memory(), memory()
    answers(connection(), whole, stream, [])
    answers(connection(), pieces, stream, sizes)

    def kept(intake: Any) -> list[tuple[str, bytes]]:
        return [(one.state, one.content) for one in intake.arrivals]

    assert kept(pieces) == kept(whole)


@settings(max_examples=40, **LISTENER)
@given(stream=STREAMS)
def test_nothing_is_accepted_while_nothing_can_be_stored(
    connection: Callable[..., Any], memory: Callable[[], Any], stream: bytes
) -> None:
    intake = memory()

    def fail(*_: object) -> None:
        raise OSError("the store is away")

    intake.receive_then = intake.receive_together = fail
    said = [read_ack(one) for ack in answers(connection(), intake, stream, [])
            for one in split_messages(ack)]  # fmt: skip
    assert all(read[0] in {"AE", "CE"} for read in said if read is not None)
