"""What a message breaks of the standard, as hl7apy sees it; slow, for a process of its own.

hl7apy takes tens of milliseconds a message, quotes values in its errors and drops what it cannot
place. Its input is normalised first, its findings are reduced to a code and a path, and a segment
it lost is a finding too. Nothing here decides whether a message is accepted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import NamedTemporaryFile

from connectors.sdk.hl7v2.acks import version_number
from connectors.sdk.hl7v2.lexer import Message, lex

LARGEST = 100 * 1024
"""Bytes of a message that is looked at: hl7apy's tree is several hundred times as large."""

_PATTERNS = (
    ("missing_required", re.compile(r"Error: Missing required child (\w+)\.(\w+)")),
    ("too_many", re.compile(r"Error: Child limit exceeded (\w+)\.(\w+)")),
    ("data_type", re.compile(r"Error: Datatype \S+ is not correct for (\w+)\.(\w+) .*")),
    ("not_in_table", re.compile(r"Warning: Value .* not in table \S+ in element (\w+)\.(\w+)")),
    ("too_long", re.compile(r"Warning: Exceeded max length \(\d+\) of (\w+)\.(\w+)")),
)
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})_(\d+)")
_PART = re.compile(r"[A-Z0-9]+_(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`code` is one of missing_required, too_many, data_type, not_in_table, too_long,
    not_in_structure, segments_lost, not_readable, too_large; `path` like ``PID-3.4`` or a segment,
    empty where the whole message is meant."""

    code: str
    path: str = ""


def findings(content: bytes, version: str = "") -> tuple[Finding, ...]:
    """What breaks the standard in one message, each thing once; `version` stands in for MSH-12.

    Never raises for anything a message holds.
    """
    if len(content) > LARGEST:
        return (Finding("too_large"),)
    try:
        message = lex(content)
        text = _normalised(message, version or message.value("MSH-12") or "2.5.1")
        return tuple(sorted(set(_validate(text, len(message)))))
    except Exception:  # hl7apy raises whatever comes to hand, with values in the text
        return (Finding("not_readable"),)


def _normalised(message: Message, version: str) -> str:
    """CR ends, no truncation character before 2.7, and the version in MSH-12."""
    lines = [segment.text for segment in message]
    field = message.delimiters.field
    header = lines[0].split(field)
    if version_number(version) < (2, 7):
        header[1] = header[1][:4]
    header += [""] * (12 - len(header))
    header[11] = version
    return "\r".join([field.join(header), *lines[1:]]) + "\r"


def _validate(text: str, segments: int) -> Iterator[Finding]:
    from hl7apy.parser import parse_message
    from hl7apy.validation import VALIDATION_LEVEL, Validator

    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    if sum(1 for line in parsed.to_er7().split("\r") if line) != segments:
        yield Finding("segments_lost")
    for line in _report(Validator, parsed):
        yield from _reduced(line)


def _report(validator: object, parsed: object) -> list[str]:
    """hl7apy writes its findings to a file only: to one in memory where the system has them."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("conformance")
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            _write_report(validator, parsed, f"/proc/self/fd/{handle}")
            return file.read().splitlines()
    with NamedTemporaryFile("r", encoding="utf-8") as file:
        _write_report(validator, parsed, file.name)
        return file.read().splitlines()


def _write_report(validator: object, parsed: object, path: str) -> None:
    from hl7apy.exceptions import HL7apyException

    try:
        validator.validate(parsed, report_file=path)  # type: ignore[attr-defined]
    except HL7apyException:
        return  # the first of what the report lists


def _reduced(line: str) -> Iterator[Finding]:
    for code, pattern in _PATTERNS:
        if found := pattern.fullmatch(line):
            yield Finding(code, _path(*found.groups()))
            return
    if line.startswith("Error: Invalid children detected for"):
        for name in re.findall(r"'([A-Z0-9_]+)'", line.rpartition(":")[2]):
            yield Finding("not_in_structure", _path("", name))
    elif line.startswith("Error:"):
        yield Finding("not_in_structure")


def _path(parent: str, name: str) -> str:
    """``PID-3.4`` of hl7apy's names, which are of segments, fields, data types and groups."""
    within, part = _FIELD.fullmatch(parent), _PART.fullmatch(name)
    if within and part:
        return f"{within[1]}-{within[2]}.{part[1]}"
    field = _FIELD.fullmatch(name)
    return f"{field[1]}-{field[2]}" if field else name
