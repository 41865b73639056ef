"""JSON as it must be said: no member of an object twice, where parsers would silently take one."""

from __future__ import annotations

import json
from typing import Any

import orjson

_QUOTE, _ESCAPED_QUOTE = b'"', b"\\u0022"


def parsed(text: bytes) -> Any:
    """The value of a JSON text. Raises ValueError for no JSON and for a member named twice."""
    found = orjson.loads(text)
    if _has_repeated_members(text, found):
        raise ValueError("a member is named twice")
    return found


def _has_repeated_members(text: bytes, found: Any) -> bool:
    """Counts quotes first: what was dropped took its quotes along. Only where that cannot tell is
    the text read again, slower."""
    try:
        if _ESCAPED_QUOTE not in text and text.count(_QUOTE) == orjson.dumps(found).count(_QUOTE):
            return False
    except orjson.JSONEncodeError:
        pass  # nested deeper than it writes
    try:
        json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return True
    return False


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member is named twice")
