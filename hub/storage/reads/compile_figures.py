"""Figures across practices as text: shown where the small-group rule holds (`select.py` says the
same of reads by level)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.domain.small_groups import LARGEST_SHARE, SMALLEST_GROUP
from hub.storage.reads.fragments import (
    From,
    Sql,
    both,
    call,
    compare,
    count,
    either,
    exists,
    negated,
    number,
    scalar,
    select,
)

Covered = Callable[[Sql], Sql]


def figures_shown(shares: From, isolating: Sql, covered: Covered | None) -> Sql:
    """True where a figure across practices may be shown, by the shares it is made of: the group is
    large and the figure does not isolate a practice, or the MSO asks and its agreements cover every
    practice in it. Where they cover some of it the MSO can subtract those, so that the others have
    to be a large group as well. `covered` is given for the MSO only."""
    large = both(_is_large(shares), negated(isolating))
    if covered is None:
        return large
    others = [negated(covered(shares["practice_id"]))]
    shown = both(large, _is_large(shares, others))
    outside = select(number(1), shares, others)
    return either(shown, negated(exists(outside)))


def _is_large(shares: From, among: Sequence[Sql] = ()) -> Sql:
    many = compare(count(), ">=", number(SMALLEST_GROUP))
    largest = compare(call("max", shares["weight"]), "*", number(LARGEST_SHARE))
    spread = compare(largest, "<=", call("sum", shares["weight"]))
    return scalar(select(both(many, spread), shares, among))
