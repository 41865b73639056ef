"""Writes one X12 interchange with one functional group (ASC X12.5, X12.6); generic over sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.sdk.x12.model import DELIMITERS, Delimiters
from hub.errors import DataError

Element = str | tuple[str, ...] | list["str | tuple[str, ...]"]
"""A plain element, a composite (tuple), or repetitions of either (list)."""

SegmentDraft = Sequence[Element]
"""A segment to write: its id, then its elements from 01 on."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """ISA and GS. Control numbers come from the caller (a database sequence per sender, receiver).

    `sent_at` is written as it stands, in its own zone; `version` is GS08 (``005010X279A1``,
    ``004010``) and decides ISA12; `group_sender` and `group_receiver` default to the interchange's.
    """

    sender_qualifier: str
    sender: str
    receiver_qualifier: str
    receiver: str
    control: int
    group_control: int
    functional_id: str
    version: str
    sent_at: datetime
    usage: str = "P"
    acknowledgment_requested: bool = False
    group_sender: str = ""
    group_receiver: str = ""
    delimiters: Delimiters = DELIMITERS


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction to write: set id, ST02, and its segments between ST and SE.

    `implementation` is ST03, required by the 005010 implementation guides.
    """

    set_id: str
    control: str
    segments: Sequence[SegmentDraft]
    implementation: str = ""


def write(envelope: Envelope, transactions: Sequence[Draft]) -> bytes:
    """The interchange as UTF-8 bytes, ISA at fixed widths, SE01, GE01 and IEA01 counted.

    Raises DataError naming the element (``850 PO1-7``) for a delimiter or a control character
    inside data, an ISA element that does not fit, or a control number out of range.
    """
    delimiters = envelope.delimiters
    lines = [_isa(envelope), _gs(envelope)]
    for transaction in transactions:
        start: list[Element] = ["ST", transaction.set_id, transaction.control]
        body = [[*start, transaction.implementation], *transaction.segments]
        body.append(["SE", str(len(body) + 1), transaction.control])
        lines += [_segment(transaction.set_id, segment, delimiters) for segment in body]
    group = str(envelope.group_control)
    lines.append(_segment("", ["GE", str(len(transactions)), group], delimiters))
    lines.append(_segment("", ["IEA", "1", f"{envelope.control:09d}"], delimiters))
    return "".join(line + delimiters.segment for line in lines).encode()


def _isa(envelope: Envelope) -> str:
    _check_number(envelope.control, "ISA-13")
    _check_number(envelope.group_control, "GS-06")
    five = envelope.version >= "00402"  # ISA11 separates repetitions from 004020 on
    fields = [
        "ISA", "00", " " * 10, "00", " " * 10,
        _fixed(envelope.sender_qualifier, 2, "ISA-05", envelope.delimiters),
        _fixed(envelope.sender, 15, "ISA-06", envelope.delimiters),
        _fixed(envelope.receiver_qualifier, 2, "ISA-07", envelope.delimiters),
        _fixed(envelope.receiver, 15, "ISA-08", envelope.delimiters),
        f"{envelope.sent_at:%y%m%d}",
        f"{envelope.sent_at:%H%M}",
        envelope.delimiters.repetition if five else "U",
        envelope.version[:5],
        f"{envelope.control:09d}",
        "1" if envelope.acknowledgment_requested else "0",
        _fixed(envelope.usage, 1, "ISA-15", envelope.delimiters),
        envelope.delimiters.component,
    ]  # fmt: skip
    return envelope.delimiters.element.join(fields)


def _gs(envelope: Envelope) -> str:
    fields: list[Element] = [
        "GS",
        envelope.functional_id,
        envelope.group_sender or envelope.sender,
        envelope.group_receiver or envelope.receiver,
        f"{envelope.sent_at:%Y%m%d}",
        f"{envelope.sent_at:%H%M}",
        str(envelope.group_control),
        "X",
        envelope.version,
    ]
    return _segment("", fields, envelope.delimiters)


def _segment(set_id: str, segment: SegmentDraft, delimiters: Delimiters) -> str:
    name = segment[0]
    if not isinstance(name, str) or not name.isalnum():
        raise DataError("A segment needs its id first.", reason="segment_id", path=set_id)
    prefix = f"{set_id} {name}".strip()
    written = [
        _element(element, f"{prefix}-{number}", delimiters)
        for number, element in enumerate(segment[1:], start=1)
    ]
    while written and not written[-1]:
        written.pop()
    return delimiters.element.join([name, *written])


def _element(element: Element, path: str, delimiters: Delimiters) -> str:
    if isinstance(element, str):
        return _checked(element, path, delimiters)
    if isinstance(element, tuple):
        parts = [_checked(part, path, delimiters) for part in element]
        return delimiters.component.join(parts).rstrip(delimiters.component)
    if len(element) > 1 and not delimiters.repetition:
        raise DataError(
            "The interchange has no repetition separator.", reason="repetition", path=path
        )
    return delimiters.repetition.join(_element(part, path, delimiters) for part in element)


def _checked(value: str, path: str, delimiters: Delimiters) -> str:
    for name in ("element", "segment", "component", "repetition"):
        separator = getattr(delimiters, name)
        if separator and separator in value:
            raise DataError(
                f"The value holds the {name} separator; remove it or choose another separator.",
                reason="delimiter_in_data",
                path=path,
            )
    if not value.isprintable():
        raise DataError(
            "The value holds a control character.", reason="control_character", path=path
        )
    return value


def _fixed(value: str, width: int, path: str, delimiters: Delimiters) -> str:
    if len(value) > width or not value:
        raise DataError(f"The value must have 1 to {width} characters.", reason="width", path=path)
    return _checked(value, path, delimiters).ljust(width)


def _check_number(value: int, path: str) -> None:
    if not 0 < value <= 999_999_999:
        raise DataError(
            "A control number lies between 1 and 999999999.", reason="control_number", path=path
        )
