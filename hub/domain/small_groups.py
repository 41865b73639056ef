"""The small-group rule: what a figure across practices must be made of to be shown to anybody.

The limits are those of the former DOJ/FTC safety zone for exchanges of price and cost information
(Statements of Antitrust Enforcement Policy in Health Care, statement 6; withdrawn in 2023), with
which a figure does not say what one practice did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

SMALLEST_GROUP = 5
LARGEST_SHARE = 4
"""One practice at most a quarter of the weight."""
OLDEST_ENOUGH = timedelta(days=90)
"""How long ago a time must have ended before its wages and prices are shown."""


def is_large_enough(weights: Collection[int] | Collection[Decimal]) -> bool:
    """True if no practice stands out of the group; `weights` are above zero, one per practice."""
    return len(weights) >= SMALLEST_GROUP and max(weights) * LARGEST_SHARE <= sum(weights)


def isolates(shown: Iterable[Mapping[str, Decimal]], group: Mapping[str, Decimal]) -> bool:
    """True if what changed between a group and one whose figure was shown before is no group that
    is large enough itself: subtracting the two figures would tell of a practice. Each group is
    practice → weight; only those large enough were shown."""
    return any(
        not _changed_enough(before, group)
        for before in shown
        if before != group and is_large_enough(before.values())
    )


def _changed_enough(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> bool:
    changes = [
        abs(after.get(practice, Decimal(0)) - before.get(practice, Decimal(0)))
        for practice in before.keys() | after.keys()
    ]
    return is_large_enough([change for change in changes if change])
