"""National Provider Identifiers (45 CFR 162.406)."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[12]\d{9}")
_PREFIX = (8, 0, 8, 4, 0)
"""The issuer (80, health applications; 840, United States) counts in the check digit."""


def is_npi(text: str) -> bool:
    """Whether a text is ten digits that begin with 1 or 2 and end with the check digit of ISO/IEC
    7812-1 over the issuer's prefix and the others."""
    if not _DIGITS.fullmatch(text) or not text.isascii():
        return False
    digits = (*_PREFIX, *map(int, text))
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
