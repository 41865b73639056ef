"""A message as nested text, split only where somebody looks (HL7 v2.5.1 chapter 2).

Nothing is validated against a structure and nothing is dropped: unknown and extra segments, fields
and components stay addressable, and joining the parts gives the input back byte for byte.

Three states of a value are told apart. *Absent or empty*: `value` gives None (the sender says
nothing). *Null*, two double quotes: `value` gives an empty string (the sender clears it). Anything
else is the value, unescaped. `raw` gives the text as sent at the level a path names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter

from connectors.sdk.hl7v2.caps import DEFAULT_CAPS, Caps, crowded, oversized
from connectors.sdk.hl7v2.charsets import decode
from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.escapes import unescape
from connectors.sdk.hl7v2.faults import Fault, Hl7Error
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.paths import Steps, steps
from hub.domain.records import Issue

NULL = '""'
_HEAD = itemgetter(slice(4))
_SEPARATOR_FIRST = frozenset({"MSH", "FHS", "BHS"})
# A line feed alone ends a segment only where a segment or another line end follows; elsewhere it is
# text some senders leave unescaped.
_LINE_END = re.compile(r"(\r\n|\r|\n(?=[A-Z][A-Z0-9]{2}(?:[^\w\s]|[\r\n]|\Z)|[\r\n]|\Z))")


class Segment:
    """One segment; fields are split when first asked for."""

    __slots__ = ("_codec", "_delimiters", "_fields", "_shift", "id", "text")

    def __init__(self, name: str, text: str, delimiters: Delimiters, codec: str) -> None:
        self.text = text
        self.id = name
        self._delimiters = delimiters
        self._codec = codec
        self._fields: list[str] | None = None
        self._shift = 1 if name in _SEPARATOR_FIRST else 0

    @property
    def fields(self) -> list[str]:
        """Raw fields as split; of MSH, FHS and BHS field n stands at n - 1."""
        if self._fields is None:
            self._fields = self.text.split(self._delimiters.field)
        return self._fields

    def __bool__(self) -> bool:
        return bool(self.text)

    def value(self, path: str) -> str | None:
        """The first leaf at or below `path`, unescaped; None if absent or empty, "" if null.

        Descending to the first component and subcomponent is the rule for receivers of data types
        that grew (HL7 v2.5.1 §2.8).
        """
        return self._leaf(steps(path)[3])

    def text_at(self, path: str) -> str | None:
        """Everything at `path`, unescaped; for free text that holds unescaped delimiters."""
        part = self._part(steps(path)[3])
        if not part:
            return None
        return "" if part == NULL else self._unescape(part)

    def raw(self, path: str) -> str | None:
        """The text at `path` as sent: None if absent, "" if empty, two double quotes if null."""
        return self._part(steps(path)[3])

    def values(self, path: str, count: int) -> list[str | None]:
        """`value` of the first `count` components of the repetition at `path`, read in one go."""
        field, repetition, component, subcomponent = steps(path)[3]
        part = self._part((field, repetition or 1, component, subcomponent))
        if not part:
            return [None] * count
        if part == NULL:
            return [""] * count
        _, components, subcomponents, escape = self._delimiters.marks
        pieces = part.split(components, count)[:count]
        if subcomponents in part:
            pieces = [piece.partition(subcomponents)[0] for piece in pieces]
        found = [piece or None for piece in pieces]
        if escape in part or NULL in part:
            found = [self._said(piece) for piece in pieces]
        if len(found) < count:
            found += [None] * (count - len(found))
        return found

    def repetitions(self, field: int) -> int:
        """How many repetitions the field has, empty ones counted; 0 if it is absent or empty."""
        part = self._field(field)
        return part.count(self._delimiters.repetition) + 1 if part else 0

    def components(self, path: str) -> int:
        """How many components stand at `path`; 0 if it is absent or empty."""
        part = self.raw(path)
        return part.count(self._delimiters.component) + 1 if part else 0

    def is_truncated(self, path: str) -> bool:
        """Whether the value ends with the sender's truncation character (HL7 v2.7 §2.5.5.2)."""
        mark = self._delimiters.truncation
        return bool(mark) and (self.raw(path) or "").endswith(mark)

    def rejoin(self) -> str:
        """The segment's text from its split fields."""
        return self._delimiters.field.join(self.fields)

    def _field(self, number: int) -> str | None:
        if self._shift and number == 1:
            return self._delimiters.field
        fields = self.fields
        index = number - self._shift
        return fields[index] if index < len(fields) else None

    def _leaf(self, path: Steps) -> str | None:
        """The value at a path: the hot path, so written out level by level."""
        field, repetition, component, subcomponent = path
        fields = self._fields or self.fields
        index = field - self._shift
        part = fields[index] if index < len(fields) else None
        if not part:
            return None
        if field <= 2 and self._shift:
            return self._field(field)
        repeats, components, subcomponents, escape = self._delimiters.marks
        if repeats in part:
            part = part.partition(repeats)[0] if repetition < 2 else _nth(part, repeats, repetition)
        elif repetition > 1:
            return None
        if part and components in part:
            part = (
                part.partition(components)[0]
                if component < 2
                else _nth(part, components, component)
            )
        elif component > 1:
            return "" if part == NULL else None
        if part and subcomponents in part:
            part = _nth(part, subcomponents, subcomponent)
        elif subcomponent > 1:
            return "" if part == NULL else None
        if not part:
            return None
        if part == NULL:
            return ""
        return unescape(part, self._delimiters, self._codec) if escape in part else part

    def _part(self, path: Steps) -> str | None:
        """The text at the level a path names, as sent."""
        field, repetition, component, subcomponent = path
        fields = self._fields or self.fields
        index = field - self._shift
        part = fields[index] if index < len(fields) else None
        if field <= 2 and self._shift:
            return self._field(field)
        if not part or not (repetition or component):
            return part
        repeats, components, subcomponents, _ = self._delimiters.marks
        if repetition:
            part = _one_of(part, repeats, repetition)
        if component and part:
            part = _one_of(part, components, component)
        if subcomponent and part:
            part = _one_of(part, subcomponents, subcomponent)
        return part

    def _said(self, leaf: str) -> str | None:
        """A leaf's value: None if it is empty, "" if it is null, else the text unescaped."""
        return "" if leaf == NULL else self._unescape(leaf) or None

    def _unescape(self, text: str) -> str:
        escape = self._delimiters.escape
        if escape and escape in text:
            return unescape(text, self._delimiters, self._codec)
        return text


class Message:
    """A lexed message. `issues` holds what decoding found; `warnings` deviations of line ends."""

    __slots__ = (
        "_all",
        "_ends",
        "_lines",
        "_named",
        "_names",
        "_segments",
        "codec",
        "content",
        "delimiters",
        "issues",
    )

    def __init__(
        self,
        content: bytes,
        lines: list[str],
        ends: list[str],
        codec: str,
        delimiters: Delimiters,
        issues: tuple[Issue, ...],
    ) -> None:
        self.content = content
        self.codec = codec
        self.delimiters = delimiters
        self.issues = issues
        self._lines = lines
        self._ends = ends
        self._names: list[str] | None = None
        self._segments: dict[int, Segment] = {}
        self._named: dict[str, Segment] = {}
        self._all: list[Segment] | None = None

    @property
    def names(self) -> list[str]:
        """The segment id of every line, in order; empty for a blank line."""
        if self._names is None:
            self._names = _names(self._lines, self.delimiters.field)
        return self._names

    def segment(self, name: str, occurrence: int = 1) -> Segment:
        """The nth segment of that id; an empty one, which has no values, if there is none."""
        names = self.names
        try:
            number = names.index(name)
            for _ in range(1, occurrence):
                number = names.index(name, number + 1)
        except ValueError:
            return Segment("", "", self.delimiters, self.codec)
        return self._at(number)

    def all(self, name: str) -> list[Segment]:
        """Every segment of that id, in order."""
        return [self._at(number) for number, found in enumerate(self.names) if found == name]

    def __iter__(self) -> Iterator[Segment]:
        if self._all is None:
            self._all = [self._at(number) for number, line in enumerate(self._lines) if line]
        return iter(self._all)

    def __len__(self) -> int:
        return sum(1 for line in self._lines if line)

    def value(self, path: str) -> str | None:
        """`Segment.value` by a full path (``PID-3[2].4``)."""
        key, name, occurrence, at = steps(path)
        segment = self._named.get(key)
        if segment is None:
            segment = self._named[key] = self.segment(name, occurrence)
        return segment._leaf(at)

    def raw(self, path: str) -> str | None:
        """`Segment.raw` by a full path."""
        _, name, occurrence, at = steps(path)
        return self.segment(name, occurrence)._part(at)

    @property
    def warnings(self) -> tuple[str, ...]:
        """``line_feeds`` if segments end otherwise than with CR."""
        return ("line_feeds",) if any("\n" in end for end in self._ends) else ()

    def rejoin(self) -> bytes:
        """The content put together again from its parts: the bytes that came in.

        Where the codec is not reversible (some East Asian sets) the text is the same, the bytes may
        differ; `content` always holds what came in.
        """
        ends = self._ends or ["\r"] * (len(self._lines) - 1)
        pieces: list[str] = []
        for number, line in enumerate(self._lines):
            pieces.append(self._at(number).rejoin() if line else "")
            if number < len(ends):
                pieces.append(ends[number])
        return "".join(pieces).encode(self.codec)

    def _at(self, number: int) -> Segment:
        segment = self._segments.get(number)
        if segment is None:
            segment = Segment(self.names[number], self._lines[number], self.delimiters, self.codec)
            self._segments[number] = segment
        return segment


def _one_of(part: str, mark: str, position: int) -> str | None:
    """One of the parts that a mark separates; a null stands for all of them."""
    if mark in part:
        return _nth(part, mark, position)
    return part if position == 1 or part == NULL else None


def _nth(part: str, mark: str, position: int) -> str | None:
    """One part by its position from 1, 0 standing for the first; None beyond the last."""
    if position < 2:
        return part.partition(mark)[0]
    parts = part.split(mark, position)
    return parts[position - 1] if position <= len(parts) else None


def _names(lines: list[str], field: str) -> list[str]:
    """The segment id of every line; empty for a blank line."""
    together = "".join(map(_HEAD, lines))
    names = together.split(field)
    blank = 0 if lines[-1] else 1
    whole = len(lines) - blank
    # Ids of three capital letters or digits, each before a separator, and no blank line but the
    # last, as nearly always, need no closer look.
    usual = len(names) == whole + 1 and together[3::4] == field * whole and together.isupper()
    if usual:
        return names if blank else names[:-1]
    return [segment_id(line, field) for line in lines]


def segment_id(line: str, separator: str) -> str:
    """The upper-case id at the start of a line: what stands before the first separator."""
    after = line[3:4]
    if not after or after == separator:
        return line[:3].upper()
    return line.split(separator, 1)[0].upper()


def lex(
    content: bytes, *, charset_fallback: str = "cp1252", caps: Caps | None = DEFAULT_CAPS
) -> Message:
    """Make a message of one message's bytes (without MLLP block characters).

    `caps` None is for content whose limits have been checked. Raises `Hl7Error` if there is no
    readable MSH, its delimiters cannot be used, the content holds a NUL byte or a limit is
    exceeded.
    """
    header = read_header(content)
    if header is None:
        raise Hl7Error(Fault(100, "MSH", "The message does not begin with an MSH segment."))
    delimiters = header.delimiters
    if delimiters is None or 0 in content:
        raise Hl7Error(
            Fault(102, "MSH-2", "The delimiters cannot be used, or there is a NUL byte.")
        )
    if caps is not None and (fault := oversized(content, caps)):
        raise Hl7Error(fault)
    text, codec, issue = decode(content, header.charset, charset_fallback)
    if "\n" in text:
        parts = _LINE_END.split(text)
        lines, ends = parts[::2], parts[1::2]
    else:
        lines, ends = text.split("\r"), []
    if caps is not None and (fault := _crowded(text, lines, delimiters, caps)):
        raise Hl7Error(fault)
    return Message(content, lines, ends, codec, delimiters, (issue,) if issue else ())


def _crowded(text: str, lines: list[str], d: Delimiters, caps: Caps) -> Fault | None:
    """As `exceeded` finds it of the bytes: there every line feed ends a line."""
    if "\n" in text:
        lines = text.replace("\n", "\r").split("\r")
    return crowded(lines, (d.field, d.repetition, d.component, d.subcomponent), caps)
