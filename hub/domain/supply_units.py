"""Units of measure and the packs of an item: each in a box, boxes in a case, in any depth.

A quantity is converted by the item's own packs only. What they do not say, or say in two ways, is
no number here but a reason for a person. Unit codes are those of X12 data element 355.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_CODES = {
    "EACH": "EA", "BOX": "BX", "CASE": "CA", "CS": "CA", "PACK": "PK", "PKG": "PK",
    "PACKAGE": "PK", "CARTON": "CT", "CTN": "CT", "BAG": "BG", "ROLL": "RL", "RO": "RL",
    "PAIR": "PR", "BOTTLE": "BT", "BO": "BT", "DOZEN": "DZ", "KIT": "KT", "TRAY": "TY",
    "TUBE": "TB", "VIAL": "VI", "UNIT": "EA",
}  # fmt: skip
LARGEST_QUANTITY = 10_000_000


@dataclass(frozen=True, slots=True)
class PackLevel:
    """One `unit` holds `quantity` of `of_unit`; `gtin` is the pack's own GTIN-14, if it has one."""

    unit: str
    quantity: int
    of_unit: str
    gtin: str = ""


@dataclass(frozen=True, slots=True)
class NoUnits:
    """Why a quantity has no base units: a sentence for the person who reviews it."""

    reason: str


def unit_code(text: str) -> str:
    """The code for a unit as people write it (``box``, ``Boxes``, ``BX``); an unknown word stays
    itself in capitals."""
    word = text.strip().upper().rstrip(".")
    for candidate in (word, word.removesuffix("S"), word.removesuffix("ES")):
        if candidate in _CODES:
            return _CODES[candidate]
    return word


def units_in(levels: Iterable[PackLevel], unit: str, base_unit: str) -> int | NoUnits:
    """Base units in one `unit`, following the packs down to `base_unit`.

    Levels may repeat each other; two ways with different results are ambiguous.
    """
    found = _ways(tuple(levels), unit, base_unit, frozenset())
    if not found:
        return NoUnits(f"The item's packs do not say how many {base_unit} are in one {unit}.")
    if len(found) > 1:
        listed = " or ".join(str(count) for count in sorted(found))
        return NoUnits(f"One {unit} may be {listed} {base_unit}; the item's packs disagree.")
    return found.pop()


def _ways(
    levels: tuple[PackLevel, ...], unit: str, base_unit: str, seen: frozenset[str]
) -> set[int]:
    if unit == base_unit:
        return {1}
    if unit in seen:
        return set()
    return {
        level.quantity * below
        for level in levels
        if level.unit == unit
        for below in _ways(levels, level.of_unit, base_unit, seen | {unit})
    }


def whole_quantity(text: str) -> int | NoUnits:
    """A stated quantity as a whole number above zero."""
    try:
        number = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return NoUnits("The quantity is no number.")
    if not number.is_finite() or number != number.to_integral_value():
        return NoUnits("The quantity is not a whole number.")
    if not 1 <= number <= LARGEST_QUANTITY:
        return NoUnits(f"The quantity must be 1 to {LARGEST_QUANTITY}.")
    return int(number)
