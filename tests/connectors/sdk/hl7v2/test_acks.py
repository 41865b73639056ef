from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta, timezone

import hl7
import pytest
from hl7apy.parser import parse_message

from connectors.sdk.hl7v2.acks import build_ack, new_control_id, read_ack, timestamp
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.hl7v2.lexer import Message, lex

NOW = datetime(2026, 3, 2, 9, 15, 30, tzinfo=timezone(timedelta(hours=-6)))
FAULT = Fault(101, "MSH-9.2", "MSH-9 is required.", "AE")


def header(version: str = "2.5.1", kind: str = "ADT^A04^ADT_A01", extra: str = "") -> Header:
    text = (
        f"MSH|^~\\&|EHR^1.2^ISO|FAC^x|HUB|PRACTICE^y|20260302||{kind}|C-7^odd|T|{version}{extra}\r"
    )
    found = read_header(text.encode())
    assert found is not None
    return found


def ack(head: Header | None, code: str = "AA", *faults: Fault) -> Message:
    built = build_ack(head, code, faults, now=NOW, control_id="NEW1")  # type: ignore[arg-type]
    return lex(built)


def test_addresses_change_places_whole_and_the_rest_of_the_header_is_copied() -> None:
    answer = ack(header(extra="||||||8859/1"))
    raw = [answer.raw(f"MSH-{field}") for field in (3, 4, 5, 6)]
    assert raw == ["HUB", "PRACTICE^y", "EHR^1.2^ISO", "FAC^x"]
    assert answer.raw("MSH-7") == "20260302091530-0600"
    assert [answer.raw(f"MSH-{field}") for field in (10, 11, 12)] == ["NEW1", "T", "2.5.1"]
    assert answer.raw("MSH-18") == "8859/1"
    assert answer.raw("MSA-1") == "AA"
    assert answer.raw("MSA-2") == "C-7^odd"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ADT", "ACK"), ("ADT^A04", "ACK^A04"), ("ADT^A04^ADT_A01", "ACK^A04^ACK")],
)
def test_the_type_has_as_many_components_as_the_senders(kind: str, expected: str) -> None:
    assert ack(header(kind=kind)).raw("MSH-9") == expected


def test_the_senders_delimiters_are_used() -> None:
    head = read_header(b"MSH*$%~@*EHR*FAC*HUB*P*2026**ADT$A04*9*P*2.3\r")
    built = build_ack(head, "AR", [Fault(207, "MSH-4", "No @ way*", "AR")], now=NOW, control_id="1")
    assert built.startswith(b"MSH*$%~@*HUB*P*EHR*FAC*20260302091530-0600**ACK$A04*1*P*2.3\r")
    assert b"MSA*AR*9*No   way \r" in built
    assert b"ERR*MSH$1$4$207@Application internal error@HL70357\r" in built


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.4"])
def test_before_2_5_the_error_is_one_field(version: str) -> None:
    answer = ack(header(version), "AE", FAULT)
    assert answer.raw("ERR-1") == "MSH^1^9^101&Required field missing&HL70357"
    assert answer.raw("MSA-3") == "MSH-9 is required."


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6", "2.7", "2.8"])
def test_from_2_5_the_error_has_place_code_and_severity(version: str) -> None:
    answer = ack(header(version), "AE", FAULT, Fault(203, "MSH-12", "Unknown.", "AR"))
    errors = answer.all("ERR")
    assert [error.raw("2") for error in errors] == ["MSH^1^9^1^2", "MSH^1^12"]
    assert errors[0].raw("3") == "101^Required field missing^HL70357"
    assert errors[0].raw("4") == "E"
    assert errors[0].raw("8") == "MSH-9 is required."
    assert errors[0].raw("1") == ""
    assert (answer.raw("MSA-3") is None) == (version >= "2.7")


def test_a_message_without_header_is_answered_with_an_empty_msa_2() -> None:
    answer = ack(None, "AE", Fault(100, "MSH", "No header."))
    assert (answer.raw("MSA-1"), answer.raw("MSA-2")) == ("AE", "")
    assert answer.raw("ERR-2") == "MSH^1"


def test_unusable_delimiters_do_not_spoil_the_answer() -> None:
    head = read_header(b"MSH|AB|x|y|z|w|2026||ADT|77|P|2.5\r")
    answer = ack(head, "AE", Fault(102, "MSH-2", "Unusable."))
    assert answer.raw("MSH-2") == "^~\\&"
    assert answer.raw("MSA-2") == "77"


def test_headers_that_differ_in_anything_copied_are_answered_each_by_its_own() -> None:
    fields = [
        b"^~\\&",
        b"EHR",
        b"FAC",
        b"HUB",
        b"TO",
        b"2026",
        b"",
        b"ADT^A04",
        b"9",
        b"P",
        b"2.5.1",
    ]
    fields += [b""] * 5 + [b"8859/1"]
    lines = [b"|".join([b"MSH", *fields])]
    for place in (1, 2, 3, 4, 7, 9, 10, 16):
        lines.append(b"|".join([b"MSH", *fields[:place], b"X^B02", *fields[place + 1 :]]))
    lines += [lines[0].replace(b"|", b"!"), lines[0].replace(b"|", b"\x7f"), lines[0][:40]]
    for _ in range(2):  # the second time from what is remembered
        answers = [
            build_ack(read_header(line), "AA", now=NOW, control_id="1", accept=accept, kind=kind)
            for line in lines
            for accept, kind in (("", b"ACK"), ("AL", b"ACK"), ("", b"MFK"))
        ]
        assert len({*answers}) == len(answers)
        assert answers[0] == (
            b"MSH|^~\\&|HUB|TO|EHR|FAC|20260302091530-0600||ACK^A04|1|P|2.5.1||||||8859/1\r"
            b"MSA|AA|9\r"
        )


def test_other_parsers_can_read_the_answer() -> None:
    built = build_ack(header(), "AE", [FAULT], now=NOW, control_id=new_control_id())
    assert str(hl7.parse(built.decode()).segment("MSA")[1]) == "AE"
    assert parse_message(built.decode()).msa.msa_1.value == "AE"


def test_control_ids_are_unique_and_fit_the_old_limit() -> None:
    ids = {new_control_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(one) == 20 and one.isalnum() for one in ids)


def some_control_ids(count: int) -> list[str]:
    return [new_control_id() for _ in range(count)]


def test_four_processes_give_ten_thousand_different_control_ids() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        ids = [one for part in pool.map(some_control_ids, [2500] * 4) for one in part]
    assert len(set(ids)) == 10_000


def test_an_answer_is_read_back_with_the_bytes_of_its_control_id() -> None:
    built = build_ack(header(), "AR", [FAULT], now=NOW, control_id="1")
    assert read_ack(built) == ("AR", b"C-7^odd", "MSH-9 is required.")
    assert read_ack(b"MSH|^~\\&|a|b|c|d\rPID|1\r") is None
    assert read_ack(b"noise") is None


def test_a_time_is_written_with_its_offset() -> None:
    assert timestamp(datetime(2026, 3, 2, 1, 2, 3, 999, tzinfo=UTC)) == "20260302010203+0000"


def test_before_2_5_the_faults_are_repetitions_of_one_error_location() -> None:
    header = read_header(b"MSH|^~\\&|A|B|C|D|20260302||ADT^A04||P|2.3.1\r")
    faults = [Fault(101, "MSH-10", "required"), Fault(202, "MSH-11", "not taken")]
    answer = build_ack(header, "AE", faults, now=NOW, control_id="1")
    (error,) = lex(answer).all("ERR")
    assert error.raw("1") == (
        "MSH^1^10^101&Required field missing&HL70357~MSH^1^11^202&Unsupported processing id&HL70357"
    )
