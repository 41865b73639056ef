"""Where the values of a payload stand, and the payload with some of them changed.

JSON, HL7 v2 and X12 are told apart by how they begin; an X12 interchange may also stand inside
another text, such as a SOAP envelope. A place is where values of one meaning stand: in JSON the
keys down to them with ``[]`` for every item of a list (``data[].state``), in segments ``PID-8``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]*")
_ENVELOPES = {"MSH", "ISA", "GS", "ST", "SE", "GE", "IEA"}
_SEGMENT_ID = re.compile(r"[A-Z][A-Z0-9]{1,2}")

ROWS = "[]"
Change = Callable[[Any], Any]


class Absent:
    """What a change gives where the value is to be left out."""


class Shape(Protocol):
    """A payload taken apart."""

    def places(self) -> tuple[str, ...]:
        """Where values stand, in the payload's order."""
        ...

    def words(self) -> tuple[str, ...]:
        """The places all of whose values are words, as codes and names are."""
        ...

    def changed(self, place: str, change: Change) -> bytes:
        """The payload with each value of a place changed, or left out by `Absent`."""
        ...

    def with_more(self) -> bytes:
        """The payload with what no vendor has announced: more keys, one more segment."""
        ...


def shape_of(content: bytes) -> Shape | None:
    """The shape of a payload; None for one that is of none of the kinds known."""
    if content.lstrip().startswith(b"MSH"):
        return _hl7(content)
    if b"ISA" in content[:4000] and b"IEA" in content:
        return _x12(content)
    try:
        document = json.loads(content, parse_float=Decimal)
    except (ValueError, UnicodeDecodeError):
        return None
    return Json(document) if isinstance(document, dict | list) else None


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document; numbers keep their digits."""

    document: Any

    def places(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place for place, _ in _walk(self.document)))

    def words(self) -> tuple[str, ...]:
        found: dict[str, list[Any]] = {}
        for place, value in _walk(self.document):
            found.setdefault(place, []).append(value)
        return tuple(
            place
            for place, values in found.items()
            if all(isinstance(v, str | None) for v in values)
            and any(values)
            and all(_WORD.fullmatch(v) for v in values if v)
        )

    def changed(self, place: str, change: Change) -> bytes:
        return _dump(_with(self.document, "", place, change))

    def with_more(self) -> bytes:
        return _dump(_more(self.document))

    def list_of(self, keys: Sequence[str]) -> tuple[str, list[Any]] | None:
        """The first list of as many objects as there are keys and where it stands; a list of one
        must hold its key. None if there is none."""
        document = {"": self.document} if isinstance(self.document, list) else self.document
        for place, value in _walk(document):
            if not isinstance(value, list) or len(value) != len(keys):
                continue
            if not all(isinstance(one, dict) for one in value):
                continue
            if len(keys) > 1 or keys[0] in value[0].values():
                return place, value
        return None


def _walk(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{place}.{key}" if place else key
            yield where, inner
            yield from _walk(inner, where)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, place + ROWS)


def _with(value: Any, where: str, place: str, change: Change) -> Any:
    if isinstance(value, list):
        return [_with(inner, where + ROWS, place, change) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, inner in value.items():
        here = f"{where}.{key}" if where else key
        result = change(inner) if here == place else _with(inner, here, place, change)
        if result is not Absent:
            found[key] = result
    return found


def _more(value: Any) -> Any:
    if isinstance(value, list):
        return [_more(inner) for inner in value]
    if isinstance(value, dict):
        return {**{key: _more(inner) for key, inner in value.items()}, "kit_new_key": {"kit": 1}}
    return value


def _dump(document: Any) -> bytes:
    """Exact numbers as they were: a float would lose digits."""
    kept: list[str] = []

    def mark(value: Any) -> str:
        kept.append(str(value))
        return f"@kit{len(kept) - 1}@"

    text = json.dumps(document, default=mark, ensure_ascii=False)
    return re.sub(r'"@kit(\d+)@"', lambda found: kept[int(found[1])], text).encode()


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of delimited elements between what comes before and after them, as Latin-1 text so
    that every byte stays itself."""

    before: str
    segments: tuple[tuple[str, ...], ...]
    after: str
    element: str
    end: str
    new: tuple[str, ...]
    counted: bool = False

    def places(self) -> tuple[str, ...]:
        found = (
            f"{segment[0]}-{number}"
            for segment in self._inner()
            for number, value in enumerate(segment)
            if number and value
        )
        return tuple(dict.fromkeys(found))

    def words(self) -> tuple[str, ...]:
        found: dict[str, bool] = {}
        for segment in self._inner():
            for number, value in enumerate(segment[1:], 1):
                if value:
                    place = f"{segment[0]}-{number}"
                    found[place] = found.get(place, True) and bool(_WORD.fullmatch(value))
        return tuple(place for place, wordy in found.items() if wordy)

    def changed(self, place: str, change: Change) -> bytes:
        name, _, number = place.partition("-")
        return self._joined([self._change(s, name, int(number), change) for s in self.segments])

    def with_more(self) -> bytes:
        place = 3 if self.counted else 1
        found = [*self.segments[:place], self.new, *self.segments[place:]]
        if self.counted:
            found = [(s[0], str(int(s[1]) + 1), *s[2:]) if s[0] == "SE" else s for s in found]
        return self._joined(found)

    def _inner(self) -> list[tuple[str, ...]]:
        return [s for s in self.segments if _SEGMENT_ID.fullmatch(s[0]) and s[0] not in _ENVELOPES]

    def _change(
        self, segment: tuple[str, ...], name: str, number: int, change: Change
    ) -> tuple[str, ...]:
        if segment[0] != name or number >= len(segment) or not segment[number]:
            return segment
        result = change(segment[number])
        text = "" if result is Absent else str(result)
        return (*segment[:number], text, *segment[number + 1 :])

    def _joined(self, segments: list[tuple[str, ...]]) -> bytes:
        text = self.end.join(self.element.join(segment) for segment in segments)
        return (self.before + text + self.after).encode("latin-1")


def _hl7(content: bytes) -> Segments | None:
    text = content.decode("latin-1")
    body = text.rstrip("\r\n")
    if len(body) < 8:
        return None
    element = body.lstrip()[3]
    end = "\r" if "\r" in body else "\n"
    segments = tuple(tuple(line.split(element)) for line in body.split(end))
    after = text[len(body) :]
    return Segments("", segments, after, element, end, ("ZKT", "1", "kit"))


def _x12(content: bytes) -> Segments | None:
    text = content.decode("latin-1")
    begin = text.index("ISA")
    if len(text) < begin + 106:
        return None
    element, end = text[begin + 3], text[begin + 105]
    last = text.rfind("IEA")
    stop = text.find(end, last)
    if end.isalnum() or stop < 0:
        return None
    lines = text[begin:stop].split(end)
    gap = re.match(r"[\r\n]*", lines[1])[0] if len(lines) > 1 else ""  # type: ignore[index]
    segments = tuple(tuple(line.strip("\r\n").split(element)) for line in lines)
    counts = [s for s in segments if s[0] == "SE"]
    counted = len(counts) == 1 and len(counts[0]) > 1 and counts[0][1].isdigit()
    if len(segments) < 4 or not counted:
        return None
    return Segments(
        text[:begin], segments, text[stop:], element, end + gap, ("K3", "KIT"), counted=True
    )
