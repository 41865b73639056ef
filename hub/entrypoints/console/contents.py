"""A message as a tree: its segments, and their fields with the names the standard gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from connectors.sdk.hl7v2.charsets import codec_for
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lexer import Segment, lex
from hub.errors import Rejected

MOST_SEGMENTS = 500
_SEPARATORS = frozenset({"MSH", "FHS", "BHS"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is not empty: where it is, what the standard calls it, its text as sent."""

    path: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A segment as it came and its fields."""

    id: str
    text: str
    fields: Sequence[Field]


def parsed(text: str) -> list[Parsed]:
    """The segments of a message; as lines without fields where it is none."""
    try:
        message = lex(_encoded(text), charset_fallback="utf-8")
    except Rejected:
        lines = text.replace("\r", "\n").split("\n")[:MOST_SEGMENTS]
        return [Parsed(line[:3], line, ()) for line in lines if line]
    segments = [segment for segment, _ in zip(message, range(MOST_SEGMENTS), strict=False)]
    return [Parsed(one.id, one.text, _fields(one)) for one in segments]


def _encoded(text: str) -> bytes:
    """The text in the character set it declares, which is read by it."""
    header = read_header(text.encode())
    codec = codec_for(header.charset) if header is not None else None
    try:
        return text.encode(codec or "utf-8")
    except UnicodeEncodeError:  # it was not written in that one
        return text.encode()


def _fields(segment: Segment) -> list[Field]:
    shift = 1 if segment.id in _SEPARATORS else 0
    return [
        Field(f"{segment.id}-{number}", field_name(segment.id, number), text)
        for number, text in enumerate(segment.fields[1:], 1 + shift)
        if text
    ]


@lru_cache(maxsize=4096)
def field_name(segment: str, number: int) -> str:
    """What HL7 v2.5.1 calls a field; empty for one it does not have."""
    from hl7apy.v2_5_1 import FIELDS  # few requests open messages, and the tables are large

    known = FIELDS.get(f"{segment}_{number}")
    return str(known[3]).replace("_", " ").capitalize() if known and known[3] else ""
