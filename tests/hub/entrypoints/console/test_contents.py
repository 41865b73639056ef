"""A message as a tree."""

from __future__ import annotations

import pytest

from hub.entrypoints.console.contents import field_name, parsed


def test_fields_that_are_not_empty_have_their_place_and_name() -> None:
    first, second = parsed("MSH|^~\\&|EHR||HUB\rPID|1||77^^^FAC^MR||Quill^Mo\r")
    assert [(one.path, one.text) for one in first.fields] == [
        ("MSH-2", "^~\\&"), ("MSH-3", "EHR"), ("MSH-5", "HUB"),
    ]  # fmt: skip
    assert [(one.path, one.name) for one in second.fields] == [
        ("PID-1", "Set id pid"), ("PID-3", "Patient identifier list"), ("PID-5", "Patient name"),
    ]  # fmt: skip
    assert second.text == "PID|1||77^^^FAC^MR||Quill^Mo"


@pytest.mark.parametrize("charset", ["", "ASCII", "8859/1", "8859/2", "UNICODE UTF-8", "odd"])
def test_names_are_as_sent_in_each_character_set(charset: str) -> None:
    _, second = parsed(f"MSH|^~\\&|{'|' * 15}{charset}\rPID|||||Müller^Jörg\r")
    assert [one.text for one in second.fields] == ["Müller^Jörg"]


def test_what_is_no_message_is_shown_as_lines() -> None:
    found = parsed("no message\rat all")
    assert [(one.text, one.fields) for one in found] == [("no message", ()), ("at all", ())]


def test_a_field_that_the_standard_does_not_have_has_no_name() -> None:
    assert (field_name("ZPI", 1), field_name("PID", 99)) == ("", "")


def test_what_senders_write_does_not_fill_the_memory() -> None:
    assert field_name.cache_info().maxsize is not None
