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
    lines = content.count(b"\r") + content.count(b"\n") - content.count(b"\r\n")
    if lines >= caps.segments and _segments(content) > caps.segments:
        return _fault("", f"The message has more than {caps.segments} segments.")
    per_field = _per_field(delimiters, caps)
    field = delimiters.field.encode()
    in_doubt = content.count(field) > caps.fields or any(
        content.count(mark) >= most for mark, most, _ in per_field
    )
    return _walk(content, field, per_field, caps) if in_doubt else None


def _segments(content: bytes) -> int:
    return sum(1 for line in content.replace(b"\n", b"\r").split(b"\r") if line)


def _per_field(delimiters: Delimiters, caps: Caps) -> list[tuple[bytes, int, str]]:
    marks = [
        (delimiters.repetition, caps.repetitions, "repetitions"),
        (delimiters.component, caps.components, "components"),
        (delimiters.subcomponent, caps.subcomponents, "subcomponents"),
    ]
    return [(mark.encode(), most, name) for mark, most, name in marks if mark]


def _walk(
    content: bytes, field: bytes, per_field: list[tuple[bytes, int, str]], caps: Caps
) -> Fault | None:
    for line in content.replace(b"\n", b"\r").split(b"\r"):
        name = line[:3].decode("ascii", "replace") if line[:3].isalnum() else ""
        if line.count(field) > caps.fields:
            return _fault(name, f"A segment has more than {caps.fields} fields.")
        for mark, most, kind in per_field:
            if line.count(mark) < most:
                continue
            if any(part.count(mark) >= most for part in line.split(field)):
                return _fault(name, f"A field has more than {most} {kind}.")
    return None


def _fault(path: str, text: str) -> Fault:
    return Fault(207, path, text, "AR")
