"""Paths into a message: ``PID-3[2].4.2``, ``OBX[3]-5``; without a segment inside one:
``3[2].4.2``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_PATH = re.compile(
    r"(?:([A-Z][A-Z0-9]{2})(?:\[(\d{1,5})\])?-)?(\d{1,4})(?:\[(\d{1,4})\])?"
    r"(?:\.(\d{1,4})(?:\.(\d{1,4}))?)?",
    re.ASCII,
)


class Path(NamedTuple):
    """Positions count from 1; 0 means the path does not go so deep (or names no repetition)."""

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int


Steps = tuple[int, int, int, int]
"""Field, repetition, component and subcomponent as a bare tuple, which the interpreter takes apart
in a third of the time."""


@lru_cache(maxsize=4096)
def steps(text: str) -> tuple[str, str, int, Steps]:
    """`parse_path` for who reads many values: the segment with its occurrence, as one key (``PID``,
    ``OBX[2]``) and each alone, and the steps inside it. ValueError if it is none."""
    path = parse_path(text)
    name, occurrence = path.segment, path.occurrence
    return name if occurrence == 1 else f"{name}[{occurrence}]", name, occurrence, path[2:]


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Read a path; ValueError if it is none."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no path like PID-3[2].4.2")
    segment, occurrence, field, repetition, component, subcomponent = match.groups()
    path = Path(
        segment or "",
        int(occurrence or 1),
        int(field),
        int(repetition or 0),
        int(component or 0),
        int(subcomponent or 0),
    )
    if path.field == 0 or "0" in {occurrence, repetition, component, subcomponent}:
        raise ValueError(f"{text!r}: positions count from 1")
    return path
