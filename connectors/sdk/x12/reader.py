"""Reads X12 interchanges (ASC X12.5, X12.6): tolerant inside, hard at the envelope."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.sdk.x12.model import (
    TA1,
    Delimiters,
    Group,
    Interchange,
    InterchangeHeader,
    NotX12,
    Result,
    Segment,
    TooLarge,
    Transaction,
    TruncatedResponse,
)
from connectors.sdk.x12.scan import BLANKS, find_delimiters, segments
from hub.domain.records import Issue
from hub.errors import DataError


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one input: its bytes, its segments, the characters of one element (X12.6: 4096)."""

    size: int = 16 * 1024 * 1024
    segments: int = 500_000
    element: int = 4096


LIMITS = Limits()


class _Broken(Exception):
    """The envelope does not hold together."""


class _OverLimit(Exception):
    """A limit is passed."""


def read(raw: bytes, limits: Limits = LIMITS) -> tuple[Result, ...]:
    """Read every interchange of `raw`: one result each, at least one, and no exception.

    An interchange that lacks SE, GE or IEA is a `TruncatedResponse`; wrong counts, wrong control
    numbers and stray segments are issues. Text is UTF-8, else Latin-1 with an issue.
    """
    if len(raw) > limits.size:
        return (TooLarge(f"The input is larger than {limits.size} bytes."),)
    text, issues = _decode(raw)
    start = _skip_blanks(text, 0)
    if not _begins_interchange(text, start):
        return (_not_x12(text[start : start + 200]),)
    results: list[Result] = []
    budget = limits.segments
    while _begins_interchange(text, start):
        reading = _Reading(text, start, limits, budget, issues)
        results.append(reading.result())
        budget -= reading.count
        start = _skip_blanks(text, reading.end)
        issues = ()
    if start < len(text):
        results.append(_trailing(results.pop()))
    return tuple(results)


def interchanges(raw: bytes, limits: Limits = LIMITS) -> tuple[Interchange, ...]:
    """Like `read`, where anything but complete interchanges raises DataError.

    Its reason is truncated, not_x12 or too_large.
    """
    complete: list[Interchange] = []
    for result in read(raw, limits):
        match result:
            case Interchange():
                complete.append(result)
            case TruncatedResponse():
                text = f"{result.text} The document was cut off; ask its sender for all of it."
                raise DataError(text, reason="truncated", path="ISA")
            case NotX12():
                raise DataError(result.text, reason="not_x12")
            case TooLarge():
                raise DataError(result.text, reason="too_large")
    return tuple(complete)


def _decode(raw: bytes) -> tuple[str, tuple[Issue, ...]]:
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        text = "The text is not UTF-8 and was read as Latin-1."
        return raw.removeprefix(b"\xef\xbb\xbf").decode("latin-1"), (Issue("charset", "", text),)


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in BLANKS:
        start += 1
    return start


def _begins_interchange(text: str, start: int) -> bool:
    separator = text[start + 3 : start + 4]
    return (
        text.startswith("ISA", start)
        and bool(separator)
        and not separator.isalnum()
        and separator not in BLANKS
    )


def _not_x12(head: str) -> NotX12:
    if not head:
        return NotX12("empty", "The input is empty.")
    if head.startswith("<"):
        return NotX12("html", "The input is markup (HTML or XML) where X12 was due.")
    return NotX12("text", "The input does not begin with an ISA segment.")


def _trailing(last: Result) -> Result:
    if not isinstance(last, Interchange):
        return last
    issue = Issue("trailing_content", "IEA", "Text after the last IEA was not read.")
    return replace(last, issues=(*last.issues, issue))


class _Reading:
    """One interchange being put together; `end` is where the next one may begin."""

    def __init__(
        self, text: str, start: int, limits: Limits, budget: int, issues: tuple[Issue, ...]
    ) -> None:
        self.text, self.start, self.limits, self.budget = text, start, limits, budget
        self.end = len(text)
        self.count = 1
        self.header: InterchangeHeader | None = None
        self.delimiters = Delimiters()
        self.issues = list(issues)
        self.transactions: list[Transaction] = []
        self.ta1s: list[TA1] = []
        self.groups = 0
        self.group: Group | None = None
        self.in_group = 0
        self.body: list[Segment] | None = None

    def result(self) -> Result:
        try:
            return self._interchange()
        except _Broken as fault:
            return TruncatedResponse(str(fault), self.header, tuple(self.transactions), self.count)
        except _OverLimit as fault:
            self.end = len(self.text)
            return TooLarge(str(fault))

    def _interchange(self) -> Interchange:
        found = find_delimiters(self.text, self.start)
        if found is None:
            raise _Broken("The input ends inside its ISA segment.")
        self.delimiters, isa, after = found
        header = self.header = _header(isa.split(self.delimiters.element))
        for body, offset, end in segments(self.text, self.delimiters.segment, after):
            elements = body.split(self.delimiters.element)
            if elements[0] == "ISA":
                self.end = offset
                raise _Broken("The IEA segment is missing before the next ISA.")
            self._check_limits(body, elements)
            if not end and not (elements[0] == "IEA" and elements[2:3] == [header.control]):
                raise _Broken("The input ends inside a segment.")
            if self._take(elements):
                self.end = end or len(self.text)
                return self._complete(header, elements)
        raise _Broken(self._missing())

    def _check_limits(self, body: str, elements: list[str]) -> None:
        self.count += 1
        if self.count > self.budget:
            raise _OverLimit(f"The input has more than {self.limits.segments} segments.")
        longest = self.limits.element
        if len(body) > longest and any(len(element) > longest for element in elements):
            raise _OverLimit(f"An element is longer than {longest} characters.")

    def _missing(self) -> str:
        if self.body is not None:
            return "The SE segment is missing."
        return "The GE segment is missing." if self.group else "The IEA segment is missing."

    def _take(self, elements: list[str]) -> bool:
        """Sort one segment into the envelope; true at IEA."""
        name = elements[0]
        if name in _ENVELOPE:
            if self.body is not None and name != "SE":
                raise _Broken(f"The SE segment is missing before {name}.")
            _ENVELOPE[name](self, elements)
        elif self.body is not None:
            self.body.append(
                Segment(name, tuple(elements[1:]), len(self.body) + 1, self.delimiters)
            )
        elif name == "IEA":
            if self.group is not None:
                raise _Broken("The GE segment is missing.")
            return True
        else:
            text = "A segment stands outside every transaction and was left out."
            self._issue("stray_segment", name[:3], text)
        return False

    def _begin_group(self, elements: list[str]) -> None:
        if self.group is not None:
            raise _Broken("The GE segment is missing before GS.")
        functional_id, sender, receiver, day, time, control, _, version = _fields(elements, 8)
        self.group = Group(functional_id, sender, receiver, day, time, control, version)
        self.groups += 1
        self.in_group = 0

    def _begin_transaction(self, elements: list[str]) -> None:
        if self.group is None:
            raise _Broken("The GS segment is missing before ST.")
        self.body = [Segment("ST", tuple(elements[1:]), 1, self.delimiters)]

    def _end_transaction(self, elements: list[str]) -> None:
        if self.body is None or self.group is None:
            self._issue("stray_segment", "SE", "An SE segment has no ST.")
            return
        end = Segment("SE", tuple(elements[1:]), len(self.body) + 1, self.delimiters)
        self.body.append(end)
        start = self.body[0]
        issues = []
        if end.get(1).lstrip("0") != str(len(self.body)):
            issues.append(Issue("segment_count", "SE-1", "SE01 is not the number of segments."))
        if end.get(2) != start.get(2):
            issues.append(Issue("control_number", "SE-2", "SE02 differs from ST02."))
        version = start.get(3) or self.group.version
        self.transactions.append(
            Transaction(
                start.get(1), start.get(2), version, self.group, tuple(self.body), tuple(issues)
            )
        )
        self.in_group += 1
        self.body = None

    def _end_group(self, elements: list[str]) -> None:
        if self.group is None:
            self._issue("stray_segment", "GE", "A GE segment has no GS.")
            return
        if _element(elements, 1).lstrip("0") != str(self.in_group):
            self._issue("transaction_count", "GE-1", "GE01 is not the number of transactions.")
        if _element(elements, 2) != self.group.control:
            self._issue("control_number", "GE-2", "GE02 differs from GS06.")
        self.group = None

    def _acknowledgment(self, elements: list[str]) -> None:
        control, day, time, status, note = _fields(elements, 5)
        self.ta1s.append(TA1(control, day, time, status, note))

    def _complete(self, header: InterchangeHeader, iea: list[str]) -> Interchange:
        if not self.transactions and not self.ta1s:
            raise _Broken("The interchange holds no transaction.")
        if _element(iea, 1).lstrip("0") != (str(self.groups) if self.groups else ""):
            self._issue("group_count", "IEA-1", "IEA01 is not the number of groups.")
        if _element(iea, 2) != header.control:
            self._issue("control_number", "IEA-2", "IEA02 differs from ISA13.")
        return Interchange(
            header,
            self.delimiters,
            tuple(self.transactions),
            tuple(self.ta1s),
            tuple(self.issues),
        )

    def _issue(self, code: str, path: str, text: str) -> None:
        if len(self.issues) < 100:
            self.issues.append(Issue(code, path, text))


_ENVELOPE = {
    "GS": _Reading._begin_group,
    "ST": _Reading._begin_transaction,
    "SE": _Reading._end_transaction,
    "GE": _Reading._end_group,
    "TA1": _Reading._acknowledgment,
}


def _fields(elements: list[str], count: int) -> list[str]:
    """Elements 01 to `count`, those absent as empty strings."""
    return [_element(elements, number) for number in range(1, count + 1)]


def _element(elements: list[str], number: int) -> str:
    return elements[number].strip() if number < len(elements) else ""


def _header(isa: list[str]) -> InterchangeHeader:
    fields = [field.strip() for field in isa]
    return InterchangeHeader(
        sender_qualifier=fields[5],
        sender=fields[6],
        receiver_qualifier=fields[7],
        receiver=fields[8],
        date=fields[9],
        time=fields[10],
        version=fields[12],
        control=fields[13],
        acknowledgment_requested=fields[14] == "1",
        usage=fields[15],
    )
