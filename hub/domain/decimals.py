"""Which decimals are numbers of this world."""

from __future__ import annotations

from decimal import Decimal

MOST_DIGITS = 15
MOST_DECIMALS = 30


def is_storable(number: Decimal) -> bool:
    """Whether a stated number is finite, below 10^15, with at most 30 decimals: what is kept
    exactly, on both databases, in 64 characters. Nothing is computed, so that a number like
    1E+9999999 costs and raises nothing."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):  # a NaN or an infinity
        return False
    return number.adjusted() < MOST_DIGITS and exponent >= -MOST_DECIMALS
