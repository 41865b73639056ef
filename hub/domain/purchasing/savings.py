"""What a practice saves: planned against its own earlier price, realised from invoices.

Savings are the sum of (baseline price - net price) times quantity, for goods. The baseline is what
the practice itself paid in the twelve months before, else the list price: the cheapest first price
on offer, which it would pay on its own. It is fixed when the orders leave, and never another
practice's price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Literal

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
Basis = Literal["own_price", "list_price"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A price per base unit, exact, and where it comes from."""

    unit_price: Fraction
    basis: Basis


def baseline_of(own: Fraction | None, offered: Sequence[Fraction]) -> Baseline | None:
    """The baseline from a practice's own last price per unit and the first prices on offer; None
    where neither is known."""
    if own is not None:
        return Baseline(own, "own_price")
    return Baseline(min(offered), "list_price") if offered else None


def at_baseline(unit_price: Fraction, units: int) -> Decimal:
    """What units cost at a baseline price, in whole cents."""
    exact = unit_price * units
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(CENT, ROUND_HALF_EVEN)


def shared_out(amount: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """An amount in proportion to weights, in whole cents that add up to it (largest remainder; ties
    go by name). Without weight it is shared evenly; without names it goes nowhere."""
    names = sorted(weights)
    if not names:
        return {}
    whole = sum(weights.values(), NOTHING)
    parts = {
        name: Fraction(weights[name]) / Fraction(whole) if whole else Fraction(1, len(names))
        for name in names
    }
    cents = int(amount * 100)
    exact = {name: cents * parts[name] for name in names}
    floor = {name: int(exact[name] // 1) for name in names}
    left = cents - sum(floor.values())
    for name in sorted(names, key=lambda n: (floor[n] - exact[n], n))[:left]:
        floor[name] += 1
    return {name: Decimal(floor[name]).scaleb(-2) for name in names}
