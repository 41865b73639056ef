"""Batches over a socket: one answer for each message, none for the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.ehr_hl7v2.receiving import Receiving
from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import split_messages

Make = Callable[..., Any]
BHS = b"BHS|^~\\&|EHRA|FAC1|HUB|TO1|20260302||||B7\r"


def codes(batch: bytes) -> list[tuple[str, bytes]]:
    found = [read_ack(one) for one in split_messages(batch)]
    return [one[:2] for one in found if one is not None]


def test_a_batch_is_answered_by_a_batch_with_an_answer_for_each(
    listen: Make, message: Make
) -> None:
    listener = listen()
    peer = listener.connect()
    bad = message("C2", f9="XXX^Q01")
    peer.send(BHS + message("C1") + bad + message("C3") + b"BTS|3\r")
    answer = peer.frame()
    assert answer.startswith(b"BHS|^~\\&|HUB|TO1|EHRA|FAC1|")
    assert codes(answer) == [("AA", b"C1"), ("AR", b"C2"), ("AA", b"C3")]
    assert answer.endswith(b"\rBTS|3\r")
    stored = listener.intake.arrivals
    assert [one.state for one in stored] == ["received", "refused", "received", "ignored"]
    assert [one.headers["batch"] for one in stored] == ["B7"] * 4
    assert stored[0].content == message("C1")
    assert (stored[3].message_type, stored[3].content) == ("BHS", BHS.strip() + b"\rBTS|3")


def test_a_batch_is_answered_frame_by_frame_where_agreed(
    listen: Make, connection: Make, message: Make
) -> None:
    listener = listen(connection(receiving=Receiving(batch_answer="each")))
    peer = listener.connect()
    peer.send(BHS + message("C1") + message("C2") + b"BTS|2\r", message("C3"))
    assert [peer.answer() for _ in range(3)] == [("AA", b"C1"), ("AA", b"C2"), ("AA", b"C3")]


def test_messages_in_one_frame_without_an_envelope_are_answered_one_by_one(
    listen: Make, message: Make
) -> None:
    listener = listen()
    peer = listener.connect()
    peer.send(message("C1") + message("C2"))
    assert [peer.answer(), peer.answer()] == [("AA", b"C1"), ("AA", b"C2")]
    assert [one.message_type for one in listener.intake.arrivals] == ["ADT^A04"] * 2


def test_of_a_batch_with_a_wrong_count_nothing_is_accepted_and_everything_kept(
    listen: Make, message: Make
) -> None:
    listener = listen()
    peer = listener.connect()
    peer.send(BHS + message("C1") + message("C2", f3="NOBODY") + b"BTS|3\r")
    assert codes(peer.frame()) == [("AE", b"C1"), ("AR", b"C2")]
    stored = listener.intake.arrivals
    assert [one.state for one in stored] == ["quarantined", "refused", "quarantined"]
    assert [one.control_id for one in stored] == ["", "C2", ""]
    assert stored[0].fault.path == "BTS-1"


@pytest.mark.parametrize(
    ("content", "answered", "kept"),
    [
        (BHS + b"BTS|0\r", b"\rBTS|0\r", "ignored"),
        (BHS, b"\rBTS|0\r", "ignored"),
        (BHS + b"BTS|2\r", b"\rERR||BTS^1^1|207", "quarantined"),
        (b"FHS|^~\\&\rFTS|9\r", b"\rERR||FTS^1^1|207", "quarantined"),
    ],
)
def test_an_envelope_without_messages_is_answered_too(
    listen: Make, content: bytes, answered: bytes, kept: str
) -> None:
    listener = listen()
    peer = listener.connect()
    peer.send(content)
    assert answered in peer.frame()
    assert [one.state for one in listener.intake.arrivals] == [kept]


@pytest.mark.parametrize("envelope", [b"", BHS])
def test_a_batch_of_too_many_is_refused_whole_and_kept_in_one_row(
    listen: Make, message: Make, envelope: bytes
) -> None:
    listener = listen()
    peer = listener.connect()
    content = envelope + b"".join(message(f"C{number}") for number in range(1001))
    peer.send(content, message("D1"))
    answer = peer.frame()
    assert (b"\rMSA|AR||" in answer, b"\rERR|||207^" in answer) == (True, True)
    assert peer.answer() == ("AA", b"D1")
    stored = listener.intake.arrivals
    assert [(one.state, one.content) for one in stored[:-1]] == [("quarantined", content)]


def test_in_a_batch_only_those_are_answered_that_ask(listen: Make, message: Make) -> None:
    listener = listen()
    peer = listener.connect()
    peer.send(BHS + message("C1", f15="NE") + message("C2", f15="AL") + b"BTS|2\r")
    assert codes(peer.frame()) == [("CA", b"C2")]
    peer.send(BHS + message("C3", f15="NE") + b"BTS|1\r", message("C4"))
    assert peer.answer() == ("AA", b"C4")


@pytest.mark.parametrize("wish", ["", "NE"])
def test_a_batch_that_cannot_be_stored_is_accepted_in_no_part(
    listen: Make, message: Make, wish: str
) -> None:
    listener = listen()

    def fail(_: object) -> None:
        raise OSError("the store is away")

    listener.intake.receive_together = fail
    peer = listener.connect()
    peer.send(BHS + message("C1", f15=wish) + message("C2") + b"BTS|2\r")
    expected = [("AE", b"C1"), ("AE", b"C2")]
    assert codes(peer.frame()) == expected[bool(wish) :]
    assert peer.is_closed() if wish else not listener.intake.arrivals
