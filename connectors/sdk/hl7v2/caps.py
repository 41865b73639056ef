"""Limits on structure, checked by counting delimiters before anything is split.

Totals are compared first (one pass of `bytes.count` each); fields are walked only in a segment
whose own total exceeds a limit.
"""

from __future__ import annotations

from dataclasses import dataclass

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


DEFAULT_CAPS = Caps()


def exceeded(content: bytes, delimiters: Delimiters, caps: Caps = DEFAULT_CAPS) -> Fault | None:
    """The first limit a message exceeds, or None. Milliseconds for any content within
    `caps.size`.
    """
    if len(content) > caps.size:
        return _fault("", f"The message is larger than {caps.size} bytes.")
    lines = content.count(b"\r") + content.count(b"\n")
    if lines >= caps.segments and _segments(content) > caps.segments:
        return _fault("", f"The message has more than {caps.segments} segments.")
    field, count = delimiters.field_byte, content.count
    in_doubt: list[tuple[bytes, int, str]] = []
    if count(field) > caps.fields:
        in_doubt.append((field, caps.fields + 1, "fields"))
    if count(delimiters.repetition_byte) >= caps.repetitions:
        in_doubt.append((delimiters.repetition_byte, caps.repetitions, "repetitions"))
    if count(delimiters.component_byte) >= caps.components:
        in_doubt.append((delimiters.component_byte, caps.components, "components"))
    part = delimiters.subcomponent_byte
    if part and count(part) >= caps.subcomponents:
        in_doubt.append((part, caps.subcomponents, "subcomponents"))
    return _walk(content, field, in_doubt) if in_doubt else None


def _segments(content: bytes) -> int:
    return sum(1 for line in content.replace(b"\n", b"\r").split(b"\r") if line)


def _walk(content: bytes, field: bytes, marks: list[tuple[bytes, int, str]]) -> Fault | None:
    if b"\n" in content:
        content = content.replace(b"\n", b"\r")
    shortest = min(most for _, most, _ in marks)
    for line in content.split(b"\r"):
        if len(line) < shortest:
            continue
        for mark, most, kind in marks:
            if line.count(mark) < most:
                continue
            if kind == "fields":
                return _fault(_name(line), f"A segment has more than {most - 1} fields.")
            if any(part.count(mark) >= most for part in line.split(field)):
                return _fault(_name(line), f"A field has more than {most} {kind}.")
    return None


def _name(line: bytes) -> str:
    return line[:3].decode("ascii", "replace") if line[:3].isalnum() else ""


def _fault(path: str, text: str) -> Fault:
    return Fault(207, path, text, "AR")
