"""Which messages must be processed in order: the patients a message speaks of, or the
appointment, order or document.
"""

from __future__ import annotations

from connectors.sdk.hl7v2.charsets import keeps_ascii
from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.header import Header
from connectors.sdk.hl7v2.lexer import Message, Segment, lex

NEVER_KEYS = frozenset({"SS", "DL"})
"""Identifier types (table 0203) that do not identify a patient to us: social security, driver's
licence.
"""

_MERGES = frozenset({"A40", "A34"})
_OF_TWO = _MERGES | {"A37"}
_WITHOUT_PATIENT = (("appointment", "SCH-2.1"), ("order", "ORC-3.1"), ("document", "TXA-12.1"))


def lane_keys(message: Message) -> tuple[str, ...]:
    """At most two plain keys: the patient of PID-3 (and MRG-1 of a merge, the second PID of an
    unlink), else SCH-2, ORC-3 or TXA-12, else none.

    An empty tuple means the order of the connection. Keys contain identifiers: digest before
    storing.
    """
    patient = _patient_key(message.segment("PID"), 3)
    if patient:
        event = message.value("MSH-9.2") or message.value("EVN-1")
        prior = _patient_key(message.segment("MRG"), 1) if event in _MERGES else ""
        if event == "A37":
            prior = _patient_key(message.segment("PID", 2), 3)
        return tuple(dict.fromkeys(key for key in (patient, prior) if key))
    for name, path in _WITHOUT_PATIENT:
        if number := message.value(path):
            return (f"{name}|{number}",)
    return ()


def lane_keys_of(content: bytes, header: Header, charset_fallback: str) -> tuple[str, ...]:
    """`lane_keys` of a message's bytes; nearly always without decoding or splitting them."""
    key = _plain_patient(content, header, charset_fallback)
    if key:
        return (key,)
    return lane_keys(lex(content, charset_fallback=charset_fallback, caps=None))


def _plain_patient(content: bytes, header: Header, charset_fallback: str) -> str:
    """The key of a message of one patient whose PID-3 is plain ASCII without escapes or nulls;
    empty where it takes a closer look."""
    marks, event = header.delimiters, header.event
    if marks is None or not event.isalnum() or event in _OF_TWO or b"\n" in content:
        return ""
    at = content.find(b"\rPID" + marks.field_byte)
    before = content[: max(at, 0)]
    if not before.isascii() or b"\rPID" in before.upper():
        return ""
    fields = content[at + 1 :].split(b"\r", 1)[0].split(marks.field_byte, 4)
    numbers = fields[3] if at > 0 and len(fields) > 3 else b""
    special = b'"' in numbers or (marks.escape_byte and marks.escape_byte in numbers)
    if special or not numbers.isascii() or not keeps_ascii(header.charset, charset_fallback):
        return ""
    for repetition in numbers.decode("ascii").split(marks.repetition):
        value, *_, authority, type = _firsts(repetition, marks)
        if value and type not in NEVER_KEYS:
            return f"patient|{authority}|{value}"
    return ""


def _firsts(repetition: str, marks: Delimiters) -> list[str]:
    """The first subcomponents of the first five components."""
    parts = [*repetition.split(marks.component, 5), "", "", "", "", ""][:5]
    if marks.subcomponent and marks.subcomponent in repetition:
        return [part.partition(marks.subcomponent)[0] for part in parts]
    return parts


def _patient_key(segment: Segment, field: int) -> str:
    for repetition in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{repetition}]"
        value = segment.value(f"{at}.1")
        if value and segment.value(f"{at}.5") not in NEVER_KEYS:
            return f"patient|{segment.value(f'{at}.4') or ''}|{value}"
    return ""
