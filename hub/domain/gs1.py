"""GS1 keys: the check digit of GTIN-8, -12, -13, -14 and SSCC-18.

Source: GS1 General Specifications, section 7.9 (modulo 10, weights 3 and 1 from the right).
"""

from __future__ import annotations

_GTIN_LENGTHS = {8, 12, 13, 14}


def check_digit(digits: str) -> int:
    """The check digit of a key given without it; `digits` holds ASCII digits only (ValueError)."""
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("A GS1 key holds digits only.")
    total = sum(
        int(digit) * (1 if index % 2 else 3) for index, digit in enumerate(reversed(digits))
    )
    return -total % 10


def is_gtin(value: str) -> bool:
    """True for a GTIN of 8, 12, 13 or 14 digits whose check digit is right."""
    return (
        value.isascii()
        and value.isdigit()
        and len(value) in _GTIN_LENGTHS
        and check_digit(value[:-1]) == int(value[-1])
    )


def is_sscc(value: str) -> bool:
    """True for a serial shipping container code (18 digits) whose check digit is right."""
    return (
        value.isascii()
        and value.isdigit()
        and len(value) == 18
        and check_digit(value[:-1]) == int(value[-1])
    )


def gtin14(value: str) -> str:
    """The 14-digit form (zeros on the left), so that one item has one key; others stay as given."""
    if value.isascii() and value.isdigit() and len(value) in _GTIN_LENGTHS:
        return value.zfill(14)
    return value
