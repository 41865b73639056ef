"""Requisition files: every line is kept, faults have a sentence, and other files are refused."""

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.purchasing.matching import Said
from hub.domain.purchasing.requisition_file import FileLine, read_requisition
from hub.errors import Rejected


def test_headings_are_read_in_any_order_case_and_common_spelling() -> None:
    found = read_requisition(
        b"\xef\xbb\xbfQTY;UoM;Mfr;Part_Number\r\n3;box;Acme;A-1\r\n\r\n;;;B\r\n"
    )
    assert found == [
        FileLine(2, Said(manufacturer="Acme", part="A-1"), "3", "box"),
        FileLine(4, Said(part="B")),
    ]


def test_a_line_that_names_nothing_stays_with_its_sentence() -> None:
    [line, good] = read_requisition(b"quantity,description\n5,\n6,gauze\n")
    assert (line.number, line.quantity, line.issue) == (2, "5", "The line names no item.")
    assert good.issue == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"quantity,gtin\n", "no lines"),
        (b"amount,gtin\n1,2\n", "headings"),
        (b"quantity,unit\n1,EA\n", "headings"),
        (b"quantity,gtin\n1,\xff\n", "Line 2 is not in UTF-8"),
        (b"x" * 5_000_001, "5000000 bytes"),
        (b"quantity,gtin\n" + b"1,1\n" * 20_001, "20000 lines"),
    ],
)
def test_a_file_that_is_no_requisition_is_refused_with_what_to_do(
    content: bytes, sentence: str
) -> None:
    with pytest.raises(Rejected, match=sentence):
        read_requisition(content)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.binary(max_size=60))
def test_no_line_is_lost_whatever_it_holds(descriptions: list[str], tail: bytes) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["quantity", "description"])
    for description in descriptions:
        writer.writerow(["1", description.replace("\x00", "")])
    found = read_requisition(text.getvalue().encode("utf-8", "replace"))
    assert len(found) == len(descriptions)
    with contextlib.suppress(Rejected):  # anything else would be a fault of ours
        read_requisition(b"quantity,gtin\n" + tail)
