"""Character sets by MSH-18 (HL7 table 0211) and the decoding of a message body."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from hub.domain.records import Issue

_TABLE_0211 = {
    "": "utf-8",
    "ASCII": "utf-8",  # strict UTF-8 reads ASCII, and finds what is neither
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
_SINGLE_BYTE = re.compile(r"ascii|utf-8|iso8859-\d+|cp125\d")
NOT_REVERSIBLE = frozenset({"gb18030", "big5", "euc_kr", "shift_jis", "iso2022_jp", "iso2022_jp_1"})
"""Codecs in which two byte strings may decode to one text."""


@lru_cache(maxsize=256)
def codec_for(declared: str) -> str | None:
    """Python's codec for the first repetition of MSH-18, or None if the table has no such name."""
    return _TABLE_0211.get(declared.strip().upper())


@lru_cache(maxsize=256)
def keeps_ascii(declared: str, fallback: str) -> bool:
    """Whether bytes below 128 stand for their ASCII characters alone, whichever of the two
    character sets a message turns out to be written in."""
    names = (codec_for(declared) or fallback, fallback)
    return all(_SINGLE_BYTE.fullmatch(codecs.lookup(name).name) for name in names)


@lru_cache(maxsize=64)
def is_known_codec(name: str) -> bool:
    """Whether Python can decode `name`, for the check of a connection's settings."""
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def decode(content: bytes, declared: str, fallback: str) -> tuple[str, str, Issue | None]:
    """Text, the codec that gave it and an issue if it was not the declared one.

    An unknown name or undecodable bytes fall back to the connection's `fallback` and, where that
    leaves holes too (windows-1252 has five), to ISO 8859-1, which maps every byte: nothing is lost
    and nothing becomes a question mark.
    """
    codec = codec_for(declared)
    if content.isascii() and codec not in {"iso2022_jp", "iso2022_jp_1"}:
        return content.decode("ascii"), codec or "utf-8", None
    issue = Issue("charset_unknown", "MSH-18", "The character set is not in HL7 table 0211.")
    if codec is not None:
        try:
            return content.decode(codec), codec, None
        except UnicodeDecodeError:
            issue = Issue(
                "charset_mismatch",
                "MSH-18",
                "The message is not written in the character set it declares; the connection's"
                " fallback was used.",
            )
    try:
        return content.decode(fallback), fallback, issue
    except UnicodeDecodeError:
        return content.decode("iso8859_1"), "iso8859_1", issue
