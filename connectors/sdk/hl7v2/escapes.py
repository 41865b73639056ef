"""Escape sequences (HL7 v2.5.1 §2.7), resolved once, left to right, after splitting."""

from __future__ import annotations

import re
from functools import lru_cache

from connectors.sdk.hl7v2.delimiters import Delimiters


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    r"""Resolve ``\F\ \S\ \T\ \R\ \E\ \P\``, ``\Xhh..\`` (bytes of `codec`) and ``\.br\`` (newline).

    Highlighting, character set switches, unknown and unclosed sequences stay as they are, and so
    does one that would hold a NUL, which no message and no database takes as text.
    """
    escape = delimiters.escape
    if not escape or escape not in text:
        return text
    known = _known(delimiters)

    def resolve(match: re.Match[str]) -> str:
        body = match.group(1)
        if body in known:
            return known[body]
        if body[:1] == "X":
            return _hex(body[1:], codec) or match.group(0)
        return match.group(0)

    return _pattern(escape).sub(resolve, text)


def escape(text: str, delimiters: Delimiters) -> str:
    """Write `text` so that `unescape` gives it back; line ends become ``\\.br\\``."""
    mark = delimiters.escape
    present = set(delimiters.field + delimiters.encoding_characters + "\n")
    table = {
        ord(char): f"{mark}{name}{mark}"
        for name, char in _known(delimiters).items()
        if char in present
    }
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(table)


@lru_cache(maxsize=64)
def _pattern(escape_character: str) -> re.Pattern[str]:
    mark = re.escape(escape_character)
    return re.compile(f"{mark}([^{mark}]*){mark}")


@lru_cache(maxsize=64)
def _known(delimiters: Delimiters) -> dict[str, str]:
    return {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent or "&",
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
        ".br": "\n",
    }


def _hex(digits: str, codec: str) -> str | None:
    try:
        text = bytes.fromhex(digits).decode(codec)
    except ValueError:
        return None
    return None if "\0" in text else text
