"""What a practice should order to be back at its par levels, with the arithmetic in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil

LOOK_BACK = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Stock:
    """What is known of one item at one practice, in base units; None where nobody said.

    `pack_units` is the smallest pack it is sold in, with its multiple.
    """

    item_id: str
    par_units: int | None
    on_hand_units: int | None
    on_order_units: int = 0
    pack_units: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Base units used in `days` days from `starts_on` on."""

    item_id: str
    starts_on: date
    days: int
    units: int


@dataclass(frozen=True, slots=True)
class Need:
    """A suggested quantity: whole packs, in base units, and why in one sentence."""

    item_id: str
    units: int
    why: str


def suggest(stock: Stock, usages: Sequence[Usage], *, today: date, cover_days: int) -> Need | None:
    """What to order so that the shelf is full and lasts `cover_days` days; None if nothing.

    Aimed at is the par level, or what is used in that time where that is more. Usage is the average
    per day over the periods that began in the last 90 days. Stock nobody counted counts as none.
    """
    recent = [u for u in usages if today - LOOK_BACK <= u.starts_on <= today]
    days = sum(usage.days for usage in recent)
    daily = Fraction(sum(usage.units for usage in recent), days) if days else Fraction(0)
    expected = ceil(daily * cover_days)
    aim = max(stock.par_units or 0, expected)
    short = aim - (stock.on_hand_units or 0) - stock.on_order_units
    if short <= 0:
        return None
    units = -(-short // stock.pack_units) * stock.pack_units
    said = [
        "no par level" if stock.par_units is None else f"par {stock.par_units}",
        "not counted" if stock.on_hand_units is None else f"on hand {stock.on_hand_units}",
        f"on order {stock.on_order_units}",
    ]
    if days:
        said.append(f"used {float(daily):.1f} a day, {expected} in {cover_days} days")
    said.append(f"short {short}, packs of {stock.pack_units}")
    return Need(stock.item_id, units, f"{'; '.join(said).capitalize()}.")
