"""XTN: how somebody is reached (HL7 v2.5.1 §2.A.89)."""

from __future__ import annotations

from collections.abc import Sequence

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
        parts = segment.values(at, 12)
        email = email_of(parts) if email is None else email
        if phone is None and parts[2] != "Internet":
            phone = number(parts)
    return phone, email


def number(parts: Sequence[str | None]) -> str | None:
    """The phone number among the twelve components of an XTN."""
    return parts[11] or " ".join(part for part in parts[4:8] if part) or parts[0]


def email_of(parts: Sequence[str | None]) -> str | None:
    """The email address among the components of an XTN: XTN-4, or XTN-1 of what is no telephone, as
    older senders have it."""
    if parts[3] is None and parts[2] == "Internet" and "@" in (parts[0] or ""):
        return parts[0]
    return parts[3]
