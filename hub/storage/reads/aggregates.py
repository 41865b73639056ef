"""Figures of the rows of a page: one GROUP BY over its scope, filters and parents.

Where rows are a practice's, every group is within one practice: figures across practices are
metrics, under the small-group rule. Sums and averages are exact: whole numbers and cents are summed
by the database, and divided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Label,
    Select,
    String,
    cast,
    func,
    type_coerce,
)
from sqlalchemy import select as select_

from hub.errors import Rejected
from hub.storage.reads.parts import (
    Access,
    Aggregates,
    Constant,
    Figure,
    Figures,
    GroupCount,
    GroupCurrency,
    GroupKey,
    GroupPractice,
    KeyOf,
    Shape,
    Source,
)
from hub.storage.reads.rows import Json
from hub.storage.reads.select import table_of
from hub.storage.reads.write import WRITERS, global_id
from hub.storage.tables.base import Money

MOST_GROUPS = 1000
AVERAGED_TO = Decimal("0.0001")
_LENGTHS = {"day": 10, "month": 7, "year": 4}
_FIRST = {"day": "", "month": "-01", "year": "-01-01"}
_FOLDS: dict[str, Callable[[Any], ColumnElement[Any]]] = {
    "count": func.count, "sum": func.sum, "minimum": func.min, "maximum": func.max,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """One group: the values that name its parent, its practice, its rows, and what is written."""

    parent: tuple[Any, ...]
    practice: str | None
    count: int
    written: Json


def statement(
    source: Source, wanted: Aggregates, where: ColumnElement[bool], partition: Sequence[str]
) -> Select[Any]:
    """Parent, practice, currency, keys, count and folded columns of each group, in the order of
    the keys."""
    columns = table_of(source).c
    owner = _owner(source)
    named: list[Label[Any]] = [
        *(columns[name].label(f"parent_{place}") for place, name in enumerate(partition)),
        *([] if owner is None else [columns[owner].label("practice")]),
        *([columns.currency.label("currency")] if wanted.by_currency else []),
        *(_grouped(columns[k.column], k).label(f"key_{n}") for n, k in enumerate(wanted.by)),
    ]
    measured = list(dict.fromkeys(figure.column for figure in wanted.figures()))
    values = [type_coerce(columns[name], BigInteger()).label(f"value_{name}") for name in measured]
    rows = select_(columns.id, *named, *values).where(where).subquery("rows")
    keys = [rows.c[label.name] for label in named]
    folded = [fold(rows.c[f"value_{name}"]) for name in measured for fold in _FOLDS.values()]
    return (
        select_(*keys, func.count(), *folded)
        .select_from(rows)
        .group_by(*keys)
        .order_by(*(key.nulls_last() for key in keys))
        .limit(MOST_GROUPS + 1)
    )


def groups(
    source: Source, wanted: Aggregates, partition: Sequence[str], rows: Sequence[Any]
) -> list[Group]:
    """The rows of `statement` as objects. Raises Rejected where there are too many."""
    if len(rows) > MOST_GROUPS:
        raise Rejected(
            f"There are more than {MOST_GROUPS} groups; filter, or group by less.",
            path="groupBy",
        )
    found = [_group(source, wanted, len(partition), row) for row in rows]
    return [group for group in found if group.count]  # without keys, no rows are a group of none


def _group(source: Source, wanted: Aggregates, parents: int, row: Sequence[Any]) -> Group:
    values: Iterator[Any] = iter(row)
    parent = tuple(next(values) for _ in range(parents))
    practice = None if _owner(source) is None else next(values)
    currency = next(values) if wanted.by_currency else None
    keys = {key: next(values) for key in wanted.by}
    count = int(next(values))
    measured = dict.fromkeys(figure.column for figure in wanted.figures())
    folded: dict[tuple[str, str], int | None] = {}
    for column in measured:
        for name in _FOLDS:
            value = next(values)
            folded[column, name] = None if value is None else int(value)
    written: Json = {}
    for item in wanted.items:
        if isinstance(item, Constant):
            written[item.key] = item.value
        elif isinstance(item, GroupCount):
            written[item.key] = count
        elif isinstance(item, GroupPractice):
            written[item.key] = None if practice is None else global_id("Practice", practice)
        elif isinstance(item, GroupCurrency):
            written[item.key] = currency
        else:
            written[item.key] = _figures(item, keys, folded)
    return Group(parent, practice, count, written)


def _figures(
    wanted: Figures, keys: dict[GroupKey, Any], folded: dict[tuple[str, str], int | None]
) -> Json:
    written: Json = {}
    for item in wanted.items:
        if isinstance(item, Constant):
            written[item.key] = item.value
        elif isinstance(item, KeyOf):
            value = None if item.group is None else keys[item.group]
            written[item.key] = None if item.group is None else _key(item.group, value)
        else:
            written[item.key] = _figure(item, folded)
    return written


def _key(group: GroupKey, value: Any) -> Any:
    if value is None:
        return None
    if group.unit:
        return value + _FIRST[group.unit]
    if group.target:
        return global_id(group.target, value)
    writer = WRITERS[group.shape]
    return value if writer is None else writer(value)


def _figure(wanted: Figure, folded: dict[tuple[str, str], int | None]) -> str | None:
    scale = -2 if wanted.shape is Shape.MONEY else 0
    if wanted.fold != "average":
        value = folded[wanted.column, wanted.fold]
        return None if value is None else format(Decimal(value).scaleb(scale), "f")
    total, count = folded[wanted.column, "sum"], folded[wanted.column, "count"]
    if total is None or not count:
        return None
    mean = Decimal(total).scaleb(scale) / count
    return format(mean.quantize(AVERAGED_TO, ROUND_HALF_EVEN), "f")


def _grouped(column: Column[Any], key: GroupKey) -> ColumnElement[Any]:
    """A column as it is grouped by. Both databases write moments as ISO text in UTC."""
    if not key.unit:
        return column
    return func.substr(cast(column, String), 1, _LENGTHS[key.unit])


def _owner(source: Source) -> str | None:
    """The column that names the practice of a row."""
    if source.access is Access.PRACTICES:
        return "id"
    return "practice_id" if "practice_id" in table_of(source).c else None


def can_be_measured(column: Column[Any]) -> bool:
    """True for whole numbers and amounts of money, whose sums are exact on both databases."""
    return isinstance(column.type, Money) or column.type.python_type is int
