"""XTN: how somebody is reached (HL7 v2.5.1 §2.A.89)."""

from __future__ import annotations

from connectors.sdk.hl7v2.lexer import NULL, Segment


def telecom(segment: Segment, field: int) -> tuple[str | None, str | None]:
    """The first phone and the first email of a field: XTN-12, else 5 to 8, else 1; email XTN-4.

    None where the sender says nothing, empty where the field is null.
    """
    phone: str | None = None
    email: str | None = None
    for repetition in range(1, segment.repetitions(field) + 1):
        at = f"{field}[{repetition}]"
        if segment.raw(at) == NULL:
            return "", ""
        email = segment.value(f"{at}.4") if email is None else email
        if phone is None and segment.value(f"{at}.3") != "Internet":
            phone = number(segment, at)
    return phone, email


def number(segment: Segment, at: str) -> str | None:
    """The phone number of one XTN."""
    parts = [segment.value(f"{at}.{position}") for position in range(5, 9)]
    digits = " ".join(part for part in parts if part)
    return segment.value(f"{at}.12") or digits or segment.value(f"{at}.1")
