"""Escapes, character sets, times, paths, headers, lanes and batches."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.builder import build_message
from connectors.sdk.hl7v2.charsets import decode
from connectors.sdk.hl7v2.datetimes import parse_date, parse_month, parse_time
from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.escapes import escape, unescape
from connectors.sdk.hl7v2.framing import wrap
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lanes import lane_keys
from connectors.sdk.hl7v2.lexer import lex
from connectors.sdk.hl7v2.paths import parse_path
from hub.errors import Rejected

CHICAGO = ZoneInfo("America/Chicago")
MSH = "MSH|^~\\&|EHR|FAC|HUB|P|20260302||{}|C1|P|2.5.1\r"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"one\.br\two", "one\ntwo"),
        (r"\X4142\\XC3A9\ ", "ABé "),
        (r"\P\ ", "# "),
        (r"\H\bold\N\ ", r"\H\bold\N\ "),
        (r"\XZZ\ \Z\ \.sp3\ ", r"\XZZ\ \Z\ \.sp3\ "),
        (r"a\X4100\b\X00\ ", r"a\X4100\b\X00\ "),
        (r"open \F", r"open \F"),
        (r"\E\F\E\ ", "\\F\\ "),
    ],
)
def test_escapes_are_resolved_once_from_the_left(sent: str, read: str) -> None:
    assert unescape(sent, Delimiters()) == read


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.sampled_from("|^~\\&#ab\n.E"), max_size=30))
def test_what_is_escaped_reads_back(text: str) -> None:
    for delimiters in (Delimiters(), Delimiters(truncation="#")):
        written = escape(text, delimiters)
        assert not set(written) & set("|^~&\n")
        assert unescape(written, delimiters) == text


@pytest.mark.parametrize(
    ("content", "declared", "text", "codec", "issue"),
    [
        ("Zoë".encode(), "", "Zoë", "utf-8", None),
        ("Zoë".encode("latin-1"), "8859/1", "Zoë", "iso8859_1", None),
        ("Zoë".encode("latin-1"), "", "Zoë", "cp1252", "charset_mismatch"),
        (b"\x81\xeb", "UNICODE UTF-8", "\x81ë", "iso8859_1", "charset_mismatch"),
        ("Zoë".encode(), "KLINGON", "ZoÃ«", "cp1252", "charset_unknown"),
        ("李".encode("gb18030"), "GB 18030-2000", "李", "gb18030", None),
        ("山田".encode("iso2022_jp"), "ISO IR87", "山田", "iso2022_jp", None),
        ("丂".encode("iso2022_jp_1"), "ISO IR159", "丂", "iso2022_jp_1", None),
        ("李".encode("big5"), "BIG-5", "李", "big5", None),
        ("김".encode("euc_kr"), "KS X 1001", "김", "euc_kr", None),
        ("Œuvre €".encode("iso8859_15"), "8859/15", "Œuvre €", "iso8859_15", None),
        ("Łódź".encode("iso8859_2"), "8859/2", "Łódź", "iso8859_2", None),
    ],
)
def test_a_wrong_character_set_falls_back_with_an_issue(
    content: bytes, declared: str, text: str, codec: str, issue: str | None
) -> None:
    found = decode(content, declared, "cp1252")
    assert found[:2] == (text, codec)
    assert (found[2].code if found[2] else None) == issue


@pytest.mark.parametrize(
    ("sent", "read", "precision"),
    [
        ("2026", "2026-01-01T00:00:00-06:00", "year"),
        ("202607", "2026-07-01T00:00:00-05:00", "month"),
        ("20260702", "2026-07-02T00:00:00-05:00", "day"),
        ("2026070213", "2026-07-02T13:00:00-05:00", "hour"),
        ("202607021330", "2026-07-02T13:30:00-05:00", "minute"),
        ("20260702133015", "2026-07-02T13:30:15-05:00", "second"),
        ("20260702133015.25+0200", "2026-07-02T13:30:15.250000+02:00", "fraction"),
        ("20260702133015-0330", "2026-07-02T13:30:15-03:30", "second"),
    ],
)
def test_times_keep_precision_and_offset(sent: str, read: str, precision: str) -> None:
    found, issue = parse_time(sent, CHICAGO, "X-1")
    assert issue is None
    assert found is not None
    assert (found.value.isoformat(), found.precision) == (read, precision)


@pytest.mark.parametrize("sent", ["20261301", "2026030", "20260302250000", "x", "20260302+9960"])
def test_a_bad_time_is_an_issue_that_does_not_quote_it(sent: str) -> None:
    found, issue = parse_time(sent, CHICAGO, "EVN-2")
    assert found is None
    assert issue is not None
    assert (issue.code, issue.path) == ("bad_time", "EVN-2")
    assert sent not in issue.text


@pytest.mark.parametrize("sent", ["20260308023000", "20261101013000"])
def test_a_time_the_clock_change_skips_or_repeats_is_flagged(sent: str) -> None:
    found, issue = parse_time(sent, CHICAGO, "X-1")
    assert found is not None
    assert issue is not None
    assert issue.code == "ambiguous_time"
    _, fixed = parse_time(f"{sent}-0600", CHICAGO, "X-1")
    assert fixed is None


def test_dates_stay_dates_and_need_a_day() -> None:
    assert parse_date("19790412", "PID-7") == (date(1979, 4, 12), None)
    assert parse_date("19790412233000-0600", "PID-7")[0] == date(1979, 4, 12)
    for bad in ("19790231", "1979", "1979-04-12", "19790412x"):
        found, issue = parse_date(bad, "PID-7")
        assert found is None
        assert issue is not None
        assert issue.path == "PID-7"


@pytest.mark.parametrize("text", ["", "PID", "PID-0", "PID-3.0", "PID-3[0]", "pid-3", "PID-3-1"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|count"):
        parse_path(text)


@pytest.mark.parametrize(
    "content", [b"", b"MSH", b"MSH|^~\\", b"PID|1|aaaaaa", b"MSHx^~\\&|a|b", b"msh|^~\\&|a|b"]
)
def test_without_a_header_there_is_none(content: bytes) -> None:
    assert read_header(content) is None


def test_a_header_is_read_up_to_the_first_line_end_of_any_kind() -> None:
    for end in (b"\r", b"\n", b"\r\n"):
        header = read_header(b"\r\nMSH|^~\\&|A^1|B~C||F|||ADT^A04|7|P|2.3" + end + b"PID|1|x")
        assert header is not None
        assert (header.sending_application, header.sending_facility) == ("A", "B")
        assert (header.receiving_facility, header.message_type) == ("F", "ADT^A04")
        assert (header.version, header.charset, header.raw(40)) == ("2.3", "", b"")


def test_a_patient_has_one_lane_whatever_is_said_about_them() -> None:
    pid = "PID|1||900-11^^^USA^SS~77^^^FAC^MR\r"
    keys = {
        lane_keys(lex((MSH.format(kind) + pid + "SCH|1|A9\r").encode()))
        for kind in ("ADT^A04", "SIU^S12", "ORU^R01")
    }
    assert keys == {("patient|FAC|77",)}


def test_a_merge_holds_both_patients_and_an_appointment_without_patient_its_own_lane() -> None:
    merge = MSH.format("ADT^A40") + "PID|1||77^^^FAC\rMRG|88^^^FAC\r"
    assert lane_keys(lex(merge.encode())) == ("patient|FAC|77", "patient|FAC|88")
    assert lane_keys(lex((MSH.format("SIU^S15") + "SCH|1|A9^X\r").encode())) == ("appointment|A9",)
    assert lane_keys(lex(MSH.format("ADT^A04").encode())) == ()


@pytest.mark.parametrize(
    ("segment", "key"),
    [("ORC|SC|P1|F1^LAB\r", "order|F1"), ("TXA|1|CN||||||||||D7^X\r", "document|D7")],
)
def test_an_order_or_document_without_patient_has_its_own_lane(segment: str, key: str) -> None:
    for kind in ("ORM^O01", "MDM^T02"):
        content = (MSH.format(kind) + segment).encode()
        assert lane_keys(lex(content)) == (key,)


def test_files_are_split_framed_bare_in_a_row_and_in_a_batch() -> None:
    one, two = MSH.format("ADT^A04").encode(), MSH.format("ADT^A08").encode() + b"PID|1|MSH|x\r"
    batch = b"FHS|^~\\&|E\rBHS|^~\\&|E\r" + one + two + b"BTS|2\rFTS|1\r"
    assert split_messages(wrap(one) + wrap(two)) == [one, two]
    assert split_messages(one + two) == [one, two]
    assert split_messages(batch) == [one, two]
    assert split_messages(wrap(batch)) == [one, two]
    assert split_messages((one + two).replace(b"\r", b"\r\n"))[1].startswith(b"MSH|")
    assert split_messages(b"garbage\r" + one) == [b"garbage\r", one]
    assert split_messages(b" \r\n") == []


def test_the_builder_writes_valid_messages_and_hides_values_in_its_errors() -> None:
    header = {
        3: "HUB",
        4: "P",
        5: "EHR",
        6: "F",
        9: "ADT^A31^ADT_A05",
        10: "1",
        11: "P",
        12: "2.5.1",
    }
    segments = [
        ("MSH", header),
        ("EVN", {2: "20260302"}),
        ("PID", {3: "00123^^^FAC^MR", 5: "Okonkwo^Ada", 13: "0370365"}),
        ("PV1", {2: "N"}),
    ]
    lexed = lex(build_message("ADT_A05", "2.5.1", segments))
    assert lexed.value("PID-3") == "00123"
    assert lexed.value("PID-13") == "0370365"
    with pytest.raises(Rejected) as caught:
        build_message("ADT_A05", "2.5.1", [("MSH", header), ("PID", {5: "Okonkwo^Ada"})])
    assert "Okonkwo" not in str(caught.value)


def test_a_structure_hl7apy_cannot_build_is_validated_segment_by_segment() -> None:
    header = {3: "HUB", 4: "P", 5: "LAB", 6: "F", 7: "20260302", 9: "ORM^O01^ORM_O01", 10: "1"}
    segments: list[tuple[str, dict[int, str]]] = [
        ("MSH", {**header, 11: "P", 12: "2.5.1"}),
        ("PID", {3: "00123^^^FAC^MR", 5: "Okonkwo^Ada"}),
        ("ORC", {1: "NW", 2: "P1", 7: "^^^20260303^^S"}),
        ("OBR", {1: "1", 2: "P1", 4: "718-7^Hemo\\T\\globin^LN"}),
    ]
    lexed = lex(build_message("ORM_O01", "2.5.1", segments))
    assert [segment.id for segment in lexed] == ["MSH", "PID", "ORC", "OBR"]
    assert lexed.value("OBR-4.2") == "Hemo&globin"
    unnamed = [segments[0], ("PID", {5: "Okonkwo^Ada"}), *segments[2:]]
    unsaid = [*segments[:3], ("OBR", {1: "1"})]
    for bad in (segments[:3], [*segments, segments[3]], unnamed, unsaid):
        with pytest.raises(Rejected) as caught:
            build_message("ORM_O01", "2.5.1", bad)
        assert caught.value.reason == "hl7_invalid"
        assert "Okonkwo" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("1950", "1950"),
        ("195007", "1950-07"),
        ("19500704", None),
        ("195013", None),
        ("195000", None),
        ("0000", None),
        ("", None),
        ("195", None),
    ],
)
def test_a_year_or_month_is_read_as_no_more_than_that(text: str, stated: str | None) -> None:
    assert parse_month(text) == stated
