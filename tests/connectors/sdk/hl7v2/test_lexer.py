from __future__ import annotations

from itertools import product
from pathlib import Path

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.hl7v2.caps import Caps
from connectors.sdk.hl7v2.charsets import NOT_REVERSIBLE
from connectors.sdk.hl7v2.faults import Hl7Error
from connectors.sdk.hl7v2.lexer import Message, lex

MSH = b"MSH|^~\\&|EHR|FAC|HUB|P|20260302||ADT^A04|C1|P|2.5.1\r"
FIXTURES = sorted((Path(__file__).parents[4] / "fixtures" / "ehr_hl7v2").glob("*.hl7"))


def message(*segments: str, end: str = "\r") -> Message:
    return lex(MSH + end.join(segments).encode())


def test_paths_reach_every_level_and_the_first_leaf_stands_for_what_is_above_it() -> None:
    lexed = message("PID|1||111^^^A~222^^^B&1.2&ISO^MR", "OBX|1", "OBX|2|ST")
    assert lexed.value("PID-3[2].4.2") == "1.2"
    assert lexed.value("PID-3[2].4") == "B"
    assert lexed.segment("PID").text_at("3[2].4") == "B&1.2&ISO"
    assert lexed.value("PID-3") == "111"
    assert lexed.raw("PID-3") == "111^^^A~222^^^B&1.2&ISO^MR"
    assert lexed.value("OBX[2]-2") == "ST"
    assert [segment.value("1") for segment in lexed.all("OBX")] == ["1", "2"]
    assert lexed.segment("PID").repetitions(3) == 2
    assert lexed.segment("PID").components("3[2]") == 5


def test_absent_empty_and_null_are_three_things() -> None:
    lexed = message('PID|1|||""|x^""^""&y||')
    assert [lexed.raw(f"PID-{field}") for field in (3, 4, 30)] == ["", '""', None]
    assert [lexed.value(f"PID-{field}") for field in (3, 4, 30)] == [None, "", None]
    assert lexed.value("PID-5.2") == ""
    assert lexed.value("PID-5.3.1") == ""
    assert lexed.value("PID-5.4") is None
    assert lexed.value("PID-4.7") == ""
    assert lexed.value("ZZZ-1") is None
    assert not lexed.segment("ZZZ")


def test_empty_repetitions_keep_their_place() -> None:
    lexed = message("PID|1||~b~")
    assert [lexed.value(f"PID-3[{n}]") for n in (1, 2, 3, 4)] == [None, "b", None, None]
    assert lexed.segment("PID").repetitions(3) == 3


def test_components_read_in_one_go_are_those_of_one_repetition() -> None:
    dg1 = message('DG1|1||I10^High \\T\\ low^""&x~E11^Diabetes^I10C').segment("DG1")
    assert dg1.values("3", 4) == ["I10", "High & low", "", None]
    assert dg1.values("3[2]", 3) == ["E11", "Diabetes", "I10C"]
    assert dg1.values("3[2].2", 2) == ["Diabetes", None]


def test_the_separator_is_field_one_of_the_header() -> None:
    lexed = message("PID|1")
    assert lexed.value("MSH-1") == "|"
    assert lexed.raw("MSH-2") == "^~\\&"
    assert lexed.value("MSH-9.2") == "A04"


@pytest.mark.parametrize(
    ("encoding", "separator"), [("^~\\&", "|"), ("$%~@", "*"), ("^~&", "|"), ("^~\\&#", "|")]
)
def test_delimiters_come_from_the_message(encoding: str, separator: str) -> None:
    component, subcomponent = encoding[0], (encoding[3:4] or encoding[2])
    fields = ["MSH", encoding, "E", "F", "", "", "", "", f"ADT{component}A04", "1", "P", "2.5.1"]
    pid = separator.join(["PID", "1", "", f"1{component}2{subcomponent}3"])
    lexed = lex(f"{separator.join(fields)}\r{pid}".encode())
    assert lexed.value("MSH-9.2") == "A04"
    assert lexed.value("PID-3.2.2") == "3"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"PID|1", 100),
        (b"", 100),
        (b"MSH|ab\\&|E|F", 102),
        (b"MSH|^^\\&|E|F", 102),
        (b"MSH||E|FGHIJK", 102),
        (b"MSH|^~\\&|E\0|F", 102),
    ],
)
def test_what_cannot_be_read_is_refused_by_code(line: bytes, code: int) -> None:
    with pytest.raises(Hl7Error) as caught:
        lex(line)
    assert caught.value.fault.code == code


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\n\r\n"])
def test_other_line_ends_are_read_and_noted(end: str) -> None:
    content = MSH.replace(b"\r", end.encode()) + end.join(["PID|1||7", "PV1|1|O", ""]).encode()
    lexed = lex(content)
    assert [segment.id for segment in lexed] == ["MSH", "PID", "PV1"]
    assert lexed.warnings == (() if end == "\r" else ("line_feeds",))
    assert lexed.rejoin() == content


def test_a_line_feed_inside_a_text_is_no_segment_end() -> None:
    lexed = message("OBX|1|TX|||one\ntwo", "NTE|1")
    assert lexed.value("OBX-5") == "one\ntwo"
    assert [segment.id for segment in lexed] == ["MSH", "OBX", "NTE"]


def test_segment_ids_match_in_upper_case_and_z_segments_are_addressable() -> None:
    lexed = message("pid|1||5", "ZPD|a|b^c")
    assert lexed.value("PID-3") == "5"
    assert lexed.value("ZPD-2.2") == "c"


def test_a_value_ending_with_the_truncation_character_is_known_to_be_cut() -> None:
    lexed = lex(MSH.replace(b"^~\\&", b"^~\\&#").replace(b"2.5.1", b"2.7") + b"NTE|1||long#")
    assert lexed.segment("NTE").is_truncated("3")
    assert not message("NTE|1||long#").segment("NTE").is_truncated("3")


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("~".join("x" * 500), None),
        ("~".join("x" * 501), "repetitions"),
        ("^".join("x" * 200), None),
        ("^".join("x" * 201), "components"),
        ("&".join("x" * 200), None),
        ("&".join("x" * 201), "subcomponents"),
        ("|".join("x" * 998), None),
        ("|".join("x" * 999), "fields"),
    ],
)
def test_structure_is_capped_per_field_at_the_limit(field: str, kind: str | None) -> None:
    content = f"PID|1||{field}"
    if kind is None:
        assert message(content).rejoin()
        return
    with pytest.raises(Hl7Error, match=kind) as caught:
        message(content)
    assert caught.value.fault.code == 207
    assert caught.value.fault.answer == "AR"


def test_many_delimiters_spread_over_many_fields_are_fine() -> None:
    assert message(*["OBX|1|CWE|a^b^c|1|x~y~z&w" for _ in range(900)]).value("OBX[900]-4") == "1"


def test_segments_and_size_are_capped_at_the_limit() -> None:
    assert len(message(*["ZZZ|1"] * 1999)) == 2000
    with pytest.raises(Hl7Error, match="segments"):
        message(*["ZZZ|1"] * 2000)
    assert lex(MSH, caps=Caps(size=len(MSH)))
    with pytest.raises(Hl7Error, match="larger"):
        lex(MSH, caps=Caps(size=len(MSH) - 1))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixtures_join_to_the_bytes_they_came_from(path: Path) -> None:
    assert lex(path.read_bytes()).rejoin() == path.read_bytes()


PIECES = st.sampled_from([*"|^~\\&", "\r", "\n", "\r\n", '""', "PID", "OBX", "Ä", "\\T\\", "x"])


@settings(max_examples=80, deadline=None)
@given(st.lists(PIECES, max_size=60))
def test_any_text_after_a_header_joins_to_itself_and_can_be_read(pieces: list[str]) -> None:
    content = MSH + "".join(pieces).encode()
    lexed = lex(content)
    assert lexed.rejoin() == content
    for segment in lexed:
        for field in range(1, len(segment.fields) + 2):
            segment.value(f"{field}[1].1.1")
            segment.text_at(f"{field}")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=120), st.booleans())
def test_random_bytes_give_a_message_or_our_error(noise: bytes, with_header: bool) -> None:
    content = MSH + noise if with_header else b"MSH" + noise
    try:
        lexed = lex(content)
    except Hl7Error:
        return
    assert lexed.codec in NOT_REVERSIBLE or lexed.rejoin() == content


LINES = st.sampled_from(
    [
        *('PID|1||a^b&c^""~d', 'PID|""|x&y~""|""^z', 'OBX|1|\\T\\|a&""', "A1B|1|A", "ZZ9|||^~&|"),
        *("PID", "pid|1|b", "|PID|1", "||||", "", "OBX~", "PIDX|1|a", "PI|1|a", "É|1|a"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=7), st.booleans())
def test_segments_and_values_are_those_of_a_plain_split(lines: list[str], ended: bool) -> None:
    content = MSH + "\r".join([*lines, ""] if ended else lines).encode()
    lexed = lex(content)
    assert len(lexed.names) == content.count(b"\r") + 1
    whole = [line for line in content.decode().split("\r") if line][1:]
    assert [segment.id for segment in lexed][1:] == [
        line[:3].upper() if line[3:4] in {"", "|"} else line.partition("|")[0].upper()
        for line in whole
    ]
    for name in ("PID", "OBX", "A1B", "ZZ9"):
        told = [line for line in whole if line.upper().split("|")[0] == name]
        for number, line in enumerate(told, start=1):
            for field, repetition, component, subcomponent in product(
                (1, 2, 3, 4), *[(1, 2, 3)] * 3
            ):
                path = f"{name}[{number}]-{field}[{repetition}].{component}.{subcomponent}"
                expected = plain(line, field, repetition, component, subcomponent)
                assert lexed.value(path) == expected, path


def plain(line: str, field: int, *positions: int) -> str | None:
    """The value there, level by level; a null speaks for all that is inside it."""
    part = [*line.split("|"), *[""] * 9][field]
    for mark, position in zip("~^&", positions, strict=True):
        if part == '""' and mark != "~":
            return ""
        part = [*part.split(mark), *[""] * 3][position - 1]
    return "" if part == '""' else part.replace("\\T\\", "&") or None


PLAIN = [p for p in FIXTURES if p.stem not in {"latin1", "wrong_charset", "odd_delimiters"}]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_the_lexer_and_two_other_parsers_agree_on_fixtures(path: Path) -> None:
    content = path.read_bytes()
    lexed = lex(content)
    theirs = hl7.parse(content.decode())
    assert [segment.id for segment in lexed] == [str(segment[0]) for segment in theirs]
    for ours, other in zip(lexed, theirs, strict=True):
        start = 3 if ours.id == "MSH" else 1
        for field in range(start, len(other)):
            assert (ours.raw(str(field)) or "") == str(other(field)), f"{ours.id}-{field}"
    # hl7apy writes a truncation character at the end of a value as an escape sequence of its own,
    # and a field of empty components as nothing.
    cut = f"{lexed.delimiters.escape}L{lexed.delimiters.escape}"
    flat = parse_message(content.decode(), find_groups=False)
    assert [segment.name for segment in flat.children] == [segment.id for segment in lexed]
    for ours, tree in zip(lexed, flat.children, strict=True):
        for child in {field.name: field for field in tree.children}.values():
            number = int(child.name.rpartition("_")[2])
            fields = [field.to_er7() for field in tree.children if field.name == child.name]
            if ours.id != "MSH" or number > 2:
                theirs_er7 = "~".join(fields).replace(cut, "#")
                raw = ours.raw(str(number)) or ""
                assert (raw if raw.strip("^") else "") == theirs_er7, child.name


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_components_read_in_one_go_are_those_read_one_by_one(path: Path) -> None:
    for segment in lex(path.read_bytes()):
        for field in range(3, len(segment.fields) + 1):
            for repetition in range(1, segment.repetitions(field) + 1):
                at = f"{field}[{repetition}]"
                singly = [segment.value(f"{at}.{number}") for number in range(1, 10)]
                assert segment.values(at, 9) == singly, f"{segment.id}-{at}"
