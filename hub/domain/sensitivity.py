"""Labels of records that need more than a grant of their kind: 42 CFR Part 2 and its like.

A label is a code of HL7's information sensitivity policies (HL7 v3 ActCode), or of HL7 table 0177
where the sender only says how confidential a record is. Any label hides a record alike; which one
it is, is for whoever may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RESTRICTED = "R"
"""A record somebody restricted without saying why, in words the hub does not know, or for more than
one reason. It names no kind of records, so nobody consents to it."""

LABELS: Mapping[str, str] = {
    # HL7 v3 ActCode, information sensitivity policies.
    **{code: code for code in ("SUD", "ETH", "ETHUD", "OPIOIDUD", "PSY", "MH", "BH", "HIV", "STD")},
    **{code: code for code in ("SDV", "SEX", "GDIS", "SICKLE", "VIO", "SPI", "PREGNANT")},
    # HL7 table 0177, confidentiality code.
    **{"AID": "HIV", "R": "R", "V": "V", "UWM": "R", "EMP": "EMP", "VIP": "CEL"},
    # HL7 table 0717, access restriction value.
    **{"DRG": "SUD", "ALL": "R", "SMD": "R", "DEM": "R", "LOC": "R", "OI": "R", "OO": "R"},
    **{"PID-7": "R", "PID-17": "R"},
    # Usual control, unrestricted, normal, moderate, low, none.
    **dict.fromkeys(("U", "N", "M", "L", "NO"), ""),
}
"""Codes as sent → the label; empty for codes that restrict nothing."""


def label_of(code: str) -> str | None:
    """The label a code means, empty if it means none; None for a code that is not known."""
    return LABELS.get(code.strip().upper())


def label_for_all(labels: Iterable[str]) -> str:
    """One label that stands for several, empty ones aside. Of two kinds it names neither: whoever
    may see records of one kind is not shown what tells of the other as well."""
    found = {label for label in labels if label}
    return found.pop() if len(found) == 1 else RESTRICTED if found else ""
