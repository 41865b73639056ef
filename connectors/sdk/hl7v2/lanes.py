"""Which messages must be processed in order: the patients, or the appointment, a message speaks
of.
"""

from __future__ import annotations

from connectors.sdk.hl7v2.lexer import Message, Segment

NEVER_KEYS = frozenset({"SS", "DL"})
"""Identifier types (table 0203) that do not identify a patient to us: social security, driver's
licence.
"""

_MERGES = frozenset({"A40", "A34"})


def lane_keys(message: Message) -> tuple[str, ...]:
    """At most two plain keys: the patient of PID-3 (and MRG-1 of a merge, the second PID of an
    unlink), else SCH-2, else none.

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
    filler = message.value("SCH-2.1")
    return (f"appointment|{filler}",) if filler else ()


def _patient_key(segment: Segment, field: int) -> str:
    for repetition in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{repetition}]"
        value = segment.value(f"{at}.1")
        if value and segment.value(f"{at}.5") not in NEVER_KEYS:
            return f"patient|{segment.value(f'{at}.4') or ''}|{value}"
    return ""
