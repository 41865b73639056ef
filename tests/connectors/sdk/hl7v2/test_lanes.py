"""The short way to a message's order keys gives what the lexer gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lanes import lane_keys, lane_keys_of
from connectors.sdk.hl7v2.lexer import lex

CX = st.text('17^~&\\"F|\nMRS é', max_size=14)
LINES = st.lists(
    st.one_of(
        CX.map(lambda numbers: f"PID|1||{numbers}||Quill^Zeb"),
        CX.map(lambda numbers: f"PID|1||{numbers}"),
        st.sampled_from(
            [
                "PID",
                "pid|1||9^^^A^MR",
                "pıd|1||9^^^A^MR",
                "",
                "EVN|A40",
                "EVN|A04",
                "MRG|8^^^A^MR",
                "SCH|1|F7",
                "PIDX|1||5^^^A^MR",
                "PID|1||4^^^A^SS~5^^^B&1.2&ISO^MR",
                "PID|1||5^^^Añ^MR",
            ]
        ),
    ),
    max_size=5,
)


@given(
    lines=LINES,
    event=st.sampled_from(["ADT^A04", "ADT^A40", "ADT^A37", "ADT", 'ADT^""', "ADT^é"]),
    charset=st.sampled_from(["", "8859/1", "BIG-5", "ISO IR87", "UTF-16", "UNICODE UTF-8"]),
    end=st.sampled_from(["\r", "\r\n", "\n"]),
    codec=st.sampled_from(["utf-8", "iso8859_1"]),
)
def test_keys_read_from_bytes_are_those_of_the_lexer(
    lines: list[str], event: str, charset: str, end: str, codec: str
) -> None:
    msh = f"MSH|^~\\&|EHR|FAC|HUB|TO|20260302||{event}|C1|P|2.5.1||||||{charset}"
    content = end.join([msh, *lines]).encode(codec, "replace")
    header = read_header(content)
    assert header is not None
    expected = lane_keys(lex(content, caps=None))
    assert lane_keys_of(content, header, "cp1252") == expected


@pytest.mark.parametrize(
    ("segments", "keys"),
    [
        ("PID|1||77^^^NORTH^MR", ("patient|NORTH|77",)),
        ("PID|1||1^^^USA^SS~77^^^NORTH&2.16&ISO^MR|", ("patient|NORTH|77",)),
        ("PID|1||7\\F\\7^^^N^MR", ("patient|N|7|7",)),
        ("PID|1||\rSCH|1|F7", ("appointment|F7",)),
    ],
)
def test_a_message_is_ordered_by_its_patient_or_its_appointment(
    segments: str, keys: tuple[str, ...]
) -> None:
    content = f"MSH|^~\\&|EHR|FAC|||20260302||SIU^S12|C1|P|2.5.1\r{segments}\r".encode()
    header = read_header(content)
    assert header is not None
    assert lane_keys_of(content, header, "cp1252") == keys
