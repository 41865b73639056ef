"""Batches and messages in parts: what a frame holds, and whether its counts hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.sdk.hl7v2.batches import (
    MOST_MESSAGES,
    build_batch_ack,
    is_batch,
    read_batch,
    split_messages,
)
from connectors.sdk.hl7v2.continuation import WHOLE, Fragment, assemble, fragment_of
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lexer import lex

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ONE = b"MSH|^~\\&|A|F|H|T|20260302||ADT^A04|1|P|2.5.1\rPID|1\r"
TWO = ONE.replace(b"|1|P", b"|2|P")
FHS, BHS = b"FHS|^~\\&|A|F|H|T|20260302\r", b"BHS|^~\\&|A|F^x|H|T|20260302||||B7\r"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ONE, False),
        (ONE + TWO, True),
        (b"\r\n" + BHS + ONE + b"BTS|1\r", True),
        (FHS + ONE + b"FTS|1\r", True),
        (ONE + b"NTE|1||see MSH|^ in the manual\r", False),
        (ONE + b"ZZZ|MSH\r", False),
        (b"no HL7 at all", False),
        (b"", False),
    ],
)
def test_a_frame_is_a_batch_where_it_has_an_envelope_or_a_second_header(
    content: bytes, expected: bool
) -> None:
    assert is_batch(content) is expected


@pytest.mark.parametrize(
    "content",
    [
        BHS + ONE + TWO + b"BTS|2\r",
        FHS + BHS + ONE + TWO + b"BTS|2\rFTS|1\r",
        FHS + BHS + ONE + b"BTS|1\r" + BHS + TWO + b"BTS|1\rFTS|2\r",
        BHS + ONE + TWO + b"BTS\r",
        BHS + ONE + TWO,
        FHS + ONE + TWO + b"FTS\r",
        FHS + ONE + TWO + b"FTS|1\r",
        FHS + ONE + TWO + b"FTS|0\r",
        (BHS + ONE + TWO + b"BTS|2\r").replace(b"\r", b"\r\n"),
        ONE + TWO,
    ],
)
def test_sound_batches_give_their_messages(content: bytes) -> None:
    batch = read_batch(content)
    assert [lex(one).value("MSH-10") for one in batch.messages] == ["1", "2"]
    assert batch.fault is None
    assert list(batch.messages) == split_messages(content)
    joined = b"".join([*batch.messages, batch.envelope]).replace(b"\r", b"").replace(b"\n", b"")
    assert sorted(joined) == sorted(content.replace(b"\r", b"").replace(b"\n", b""))


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (BHS + ONE + b"BTS|2\r", "BTS-1"),
        (BHS + ONE + TWO + b"BTS|1\r", "BTS-1"),
        (BHS + ONE + b"BTS|one\r", "BTS-1"),
        (BHS + ONE + b"BTS|1\r" + BHS + TWO + b"BTS|2\r", "BTS-1"),
        (FHS + BHS + ONE + b"BTS|1\rFTS|2\r", "FTS-1"),
        (FHS + ONE + b"FTS|2\r", "FTS-1"),
    ],
)
def test_a_count_that_does_not_hold_is_named(content: bytes, path: str) -> None:
    fault = read_batch(content).fault
    assert fault is not None
    assert (fault.code, fault.path, fault.answer) == (207, path, "AE")


def test_a_batch_of_too_many_is_refused() -> None:
    assert read_batch(BHS + ONE * MOST_MESSAGES).fault is None
    fault = read_batch(BHS + ONE * (MOST_MESSAGES + 1)).fault
    assert fault is not None
    assert fault.answer == "AR"


def test_a_batch_of_answers_stands_under_the_mirrored_envelope() -> None:
    batch = read_batch(FHS + BHS + ONE + b"BTS|1\rFTS|1\r")
    ack = b"MSH|^~\\&|H|T|A|F|20260302||ACK|9|P|2.5.1\rMSA|AA|1\r"
    answer = build_batch_ack(batch, [ack, ack], now=NOW, control_id="OWN").split(b"\r")
    assert answer == [
        b"FHS|^~\\&|H|T|A|F|20260302150000+0000||||OWN",
        b"BHS|^~\\&|H|T|A|F^x|20260302150000+0000||||OWN|B7",
        *ack.split(b"\r")[:2],
        *ack.split(b"\r")[:2],
        b"BTS|2",
        b"FTS|1",
        b"",
    ]


def part(control_id: str, body: bytes, continues: str = "") -> bytes:
    header = f"MSH|^~\\&|A|F|H|T|20260302||ORU^R01|{control_id}|P|2.5.1||{continues}\r"
    return header.encode() + body


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ONE, WHOLE),
        (part("1", b"OBX|1\rDSC|p1|F\r"), Fragment("", "p1")),
        (part("2", b"OBX|2\rDSC|p2|F", "p1"), Fragment("p1", "p2")),
        (part("3", b"OBX|3\r\n", "p2"), Fragment("p2", "")),
        (part("4", b"OBX|1\r\nDSC|p1\r\n\r\n"), Fragment("", "p1")),
        (part("5", b"OBX|1\rDSC||F\r"), WHOLE),
        (part("6", b"NTE|1||DSC|p1\r"), WHOLE),
    ],
)
def test_the_pointers_of_a_part_are_found_without_parsing_it(
    content: bytes, expected: Fragment
) -> None:
    header = read_header(content)
    assert header is not None
    assert fragment_of(content, header) == expected


def test_parts_become_the_message_they_were_cut_from() -> None:
    whole = part("1", b"PID|1\rOBX|1|TX|||a long text\rOBX|2\rNTE|1\r")
    parts = [
        part("1", b"PID|1\rOBX|1|TX|||a lo\rDSC|p1|F\r"),
        part("2", b"ADD|ng text\rOBX|2\rDSC|p2|F\r", "p1"),
        part("3", b"NTE|1", "p2"),
    ]
    assert assemble(parts) == whole
    assert assemble([whole]) == whole
