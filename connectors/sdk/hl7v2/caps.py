"""Limits on structure, checked by counting delimiters before anything is split.

Only segments long enough to exceed a limit are counted (one pass of `bytes.count` each), and fields
are walked only in a segment whose own total exceeds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    if len(content) > caps.size:
        return _fault("", f"The message is larger than {caps.size} bytes.")
    if b"\n" in content:
        content = content.replace(b"\n", b"\r")
    # A segment takes a byte and its end at least.
    if len(content) >= 2 * caps.segments and _segments(content, caps.segments) > caps.segments:
        return _fault("", f"The message has more than {caps.segments} segments.")
    short, walked = caps.short, caps.walked
    components, subcomponents = caps.components, caps.subcomponents
    component, subcomponent = delimiters.component_byte, delimiters.subcomponent_byte
    for line in [line for line in content.split(b"\r") if len(line) >= short]:
        in_doubt = (
            len(line) >= walked
            or line.count(component) >= components
            or (subcomponent and line.count(subcomponent) >= subcomponents)
        )
        if in_doubt and (fault := _long(line, delimiters, caps)):
            return fault
    return None


def _segments(content: bytes, most: int) -> int:
    """How many there are; they are looked at only where their ends are too many."""
    ends = content.count(b"\r")
    return ends if ends < most else sum(1 for line in content.split(b"\r") if line)


def _long(line: bytes, delimiters: Delimiters, caps: Caps) -> Fault | None:
    """The first limit a segment exceeds; fields are walked only where its total does."""
    field, count = delimiters.field_byte, line.count
    if count(field) > caps.fields:
        return _fault(_name(line), f"A segment has more than {caps.fields} fields.")
    for mark, most, kind in (
        (delimiters.repetition_byte, caps.repetitions, "repetitions"),
        (delimiters.component_byte, caps.components, "components"),
        (delimiters.subcomponent_byte, caps.subcomponents, "subcomponents"),
    ):
        if not mark or count(mark) < most:
            continue
        if any(part.count(mark) >= most for part in line.split(field)):
            return _fault(_name(line), f"A field has more than {most} {kind}.")
    return None


def _name(line: bytes) -> str:
    return line[:3].decode("ascii", "replace") if line[:3].isalnum() else ""


def _fault(path: str, text: str) -> Fault:
    return Fault(207, path, text, "AR")
