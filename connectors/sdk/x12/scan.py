"""The lowest level of X12: delimiters out of the ISA, then one segment's text after another."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sdk.x12.model import Delimiters

BLANKS = " \t\r\n"
_ISA_SEPARATORS = 16
_ISA16 = 104  # offset of the component separator where every ISA element has its fixed width


def segments(text: str, terminator: str, start: int = 0) -> Iterator[tuple[str, int, int]]:
    """Yield (segment text, its offset, the offset after its terminator) from `start`.

    Blanks and line ends around segments are dropped, empty segments skipped. The offset after is 0
    for a last segment without terminator.
    """
    end = len(text)
    while start < end:
        stop = text.find(terminator, start)
        body = text[start : stop if stop >= 0 else end].strip(BLANKS)
        if body:
            yield body, start, stop + 1
        start = stop + 1 if stop >= 0 else end


def find_delimiters(text: str, start: int = 0) -> tuple[Delimiters, str, int] | None:
    """Delimiters from the ISA at `start`, the ISA's text, the offset after it; None if cut short.

    Elements of the wrong width are accepted: ISA16 is the one character after the sixteenth
    separator and the next character ends the segment.
    """
    separator = text[start + 3]
    place = start + _ISA16 - 1
    if text[place : place + 1] != separator or text.count(separator, start, place) != 15:
        place = start + 2
        for _ in range(_ISA_SEPARATORS):
            place = text.find(separator, place + 1)
            if place < 0:
                return None
    component, terminator = text[place + 1 : place + 2], text[place + 2 : place + 3]
    after = place + 3
    if terminator.isalnum() and not component.isalnum():  # ISA16 left out
        component, terminator, after = "", component, place + 2
    if not terminator or separator in {component, terminator} or terminator.isalnum():
        return None
    isa = text[start : place + 1] + component
    repetition = isa.split(separator)[11].strip()[:1]
    if repetition.isalnum() or repetition == terminator:
        repetition = ""
    return Delimiters(separator, repetition, component, terminator), isa, after
