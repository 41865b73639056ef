"""Figures across practices as text: shown where the small-group rule holds (`select.py` says the
same of reads by level)."""

from __future__ import annotations

from collections.abc import Callable

from hub.storage.reads import select as sql
from hub.storage.reads.fragments import (
    Sql,
    both,
    call,
    compare,
    count,
    either,
    equal,
    exists,
    negated,
    number,
    rows_of,
    scalar,
    select,
)
from hub.storage.reads.parts import SmallGroup

Covered = Callable[[Sql], Sql]


def figures_shown(group: SmallGroup, row_id: Sql, covered: Covered | None) -> Sql:
    """True where a figure across practices may be shown: the group is large, or the MSO asks and
    its agreements cover every practice in it. `covered` is given for the MSO only."""
    rows = rows_of(sql.shares_of(group), "shares")
    weight = rows[group.weight]
    many = compare(count(), ">=", number(sql.SMALLEST_GROUP))
    largest = compare(call("max", weight), "*", number(sql.LARGEST_SHARE))
    spread = compare(largest, "<=", call("sum", weight))
    own = equal(rows[group.column], row_id)
    large = scalar(select(both(many, spread), rows, [own]))
    if covered is None:
        return large
    outside = select(number(1), rows, [own, negated(covered(rows["practice_id"]))])
    return either(large, negated(exists(outside)))
