"""Coded values and free text, as many segments hold them."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.sdk.hl7v2.lexer import NULL, Segment

CODED = frozenset({"CWE", "CE", "CNE", "CF"})
"""The types of OBX-2 that hold a code."""

Coded = tuple[str | None, str | None, str | None]


def coded(segment: Segment, at: str) -> Coded:
    """Code, text and coding system of a CE or CWE; of its alternates (4 to 6) where there is no
    code. None where the sender says nothing."""
    code, text, system, other_code, other_text, other_system, *_, original = segment.values(at, 9)
    if code is None and other_code is not None:
        return other_code, other_text or text, other_system
    if code is None:
        return None, text or original, None
    return code, text, system


def each_coded(segment: Segment, position: int) -> str:
    """What the repetitions of a coded field say in words, one line each: the text of each, else its
    code."""
    count = segment.repetitions(position)
    found = (coded(segment, f"{position}[{number}]") for number in range(1, count + 1))
    return "\n".join(text or code or "" for code, text, _ in found)


def notes(segments: Iterable[Segment]) -> str | None:
    """The comments of NTE segments (NTE-3), one line each: None where they say nothing, empty where
    they are null."""
    segments = list(segments)
    text = "\n".join(lines(segment, 3) for segment in segments)
    if text.strip("\n"):
        return text
    return "" if any(segment.raw("3") == NULL for segment in segments) else None


def lines(segment: Segment, position: int) -> str:
    """The repetitions of a text field, one line each."""
    count = segment.repetitions(position)
    texts = (segment.text_at(f"{position}[{number}]") for number in range(1, count + 1))
    return "\n".join(text or "" for text in texts)
