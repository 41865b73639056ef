"""JSON with a member named twice is refused, however it is written."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.entrypoints.strict_json import parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_json_without_repeated_members_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    try:
        written = text.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    if "\\ud" not in text:
        assert parsed(written) == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"q": [{"x": {"a": 1, "b": 2, "a": 3}}]}',
        b'{"a": "\\u0022\\u0022", "a": 1}',
        b'{"a": "\\u0022", "b": "\\u0022", "": 1, "": 1}',
        b'{"a\\\\u0022": 1, "a\\\\u0022": 1}',
        b"[" * 300 + b'{"a": 1, "a": 1}' + b"]" * 300,
    ],
)
def test_a_member_named_twice_is_refused_at_any_depth(text: bytes) -> None:
    with pytest.raises(ValueError, match="twice"):
        parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": "\\u0022"}',
        b'[{"a": 1}, {"a": 1}]',
        b'{"a": {"a": {"a": "a"}}}',
        b'{"a\\"": 1, "a": "\\""}',
        b"[" * 300 + b"]" * 300,
    ],
)
def test_the_same_name_in_other_objects_and_quotes_in_values_are_allowed(text: bytes) -> None:
    assert parsed(text) == json.loads(text)


@pytest.mark.parametrize("text", [b"", b"NaN", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        parsed(text)
