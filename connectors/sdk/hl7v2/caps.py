"""Limits on structure, checked by counting delimiters before anything is split.

Only segments long enough to exceed a limit are counted (one pass of `bytes.count` each), and fields
are walked only in a segment whose own total exceeds one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import AnyStr

from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.faults import Fault


@dataclass(frozen=True, slots=True)
class Caps:
    """Most of each that a message may hold; `size` in bytes."""

    size: int = 1024 * 1024
    segments: int = 2000
    fields: int = 1000
    repetitions: int = 500
    components: int = 200
    subcomponents: int = 200
    short: int = field(init=False, repr=False, compare=False)
    """A shorter line cannot hold too many of anything."""
    walked: int = field(init=False, repr=False, compare=False)
    """A line so long may hold too many fields or repetitions."""

    def __post_init__(self) -> None:
        walked = min(self.fields, self.repetitions)
        object.__setattr__(self, "walked", walked)
        object.__setattr__(self, "short", min(walked, self.components, self.subcomponents))


DEFAULT_CAPS = Caps()


def exceeded(content: bytes, delimiters: Delimiters, caps: Caps = DEFAULT_CAPS) -> Fault | None:
    """The first limit a message exceeds, or None. Milliseconds for any content within
    `caps.size`.
    """
    fault = oversized(content, caps)
    if fault is not None:
        return fault
    if b"\n" in content:
        content = content.replace(b"\n", b"\r")
    d = delimiters
    marks = (d.field_byte, d.repetition_byte, d.component_byte, d.subcomponent_byte)
    return crowded(content.split(b"\r"), marks, caps)


def oversized(content: bytes, caps: Caps) -> Fault | None:
    """Whether a message has too many bytes or segments, which is known without splitting it."""
    if len(content) > caps.size:
        return _fault("", f"The message is larger than {caps.size} bytes.")
    # A segment takes a byte and its end at least.
    if len(content) >= 2 * caps.segments and _segments(content, caps.segments) > caps.segments:
        return _fault("", f"The message has more than {caps.segments} segments.")
    return None


def crowded(
    lines: Iterable[AnyStr], marks: tuple[AnyStr, AnyStr, AnyStr, AnyStr], caps: Caps
) -> Fault | None:
    """The first limit that one of a message's lines, bytes or text, exceeds. `marks` separate
    fields, repetitions, components and subcomponents; the last is empty if there is none.
    """
    short, walked = caps.short, caps.walked
    components, subcomponents = caps.components, caps.subcomponents
    _, _, component, subcomponent = marks
    for line in [line for line in lines if len(line) >= short]:
        in_doubt = (
            len(line) >= walked
            or line.count(component) >= components
            or (subcomponent and subcomponent in line and line.count(subcomponent) >= subcomponents)
        )
        if in_doubt and (fault := _long(line, marks, caps)):
            return fault
    return None


def _segments(content: bytes, most: int) -> int:
    """How many there are; they are looked at only where their ends are too many."""
    ends = content.count(b"\r") + content.count(b"\n")
    return ends if ends < most else sum(1 for line in content.splitlines() if line)


def _long(line: AnyStr, marks: tuple[AnyStr, AnyStr, AnyStr, AnyStr], caps: Caps) -> Fault | None:
    """The first limit a segment exceeds; fields are walked only where its total does."""
    field, repetition, component, subcomponent = marks
    count = line.count
    if count(field) > caps.fields:
        return _fault(_name(line), f"A segment has more than {caps.fields} fields.")
    for mark, most, kind in (
        (repetition, caps.repetitions, "repetitions"),
        (component, caps.components, "components"),
        (subcomponent, caps.subcomponents, "subcomponents"),
    ):
        if not mark or count(mark) < most:
            continue
        if any(part.count(mark) >= most for part in line.split(field)):
            return _fault(_name(line), f"A field has more than {most} {kind}.")
    return None


def _name(line: str | bytes) -> str:
    name = line[:3] if isinstance(line, str) else line[:3].decode("ascii", "replace")
    return name if name.isascii() and name.isalnum() else ""


def _fault(path: str, text: str) -> Fault:
    return Fault(207, path, text, "AR")
