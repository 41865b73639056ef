"""Parts to SQLAlchemy selects: every statement names its scope, every value is bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)

from hub.domain.agreements import Scope
from hub.domain.small_groups import LARGEST_SHARE, SMALLEST_GROUP
from hub.errors import NotFound
from hub.storage.consents import consented
from hub.storage.reads.groups import shares_of_group
from hub.storage.reads.parts import (
    INHERITED,
    Access,
    Computed,
    Condition,
    Cursor,
    Edges,
    Leaf,
    Live,
    Objects,
    One,
    Order,
    Own,
    Page,
    SmallGroup,
    Source,
)
from hub.storage.tables import Labelled

LABEL = "sensitivity"
LAST_CHARACTER = "\U0010ffff"
Values = Sequence[Any]
Covered = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""True of the practices that the agreements of the asking MSO cover."""


def table_of(source: Source) -> Table:
    return cast(Table, source.table.__table__)


def needed_columns(
    source: Source, selections: Iterable[Objects], *, labels: bool = False
) -> tuple[str, ...]:
    """The columns to fetch for some selections of the same rows, each once; with `labels` that of
    the sensitivity label."""
    names = ["id"]
    if "practice_id" in table_of(source).c:
        names.append("practice_id")
    if source.subject is not None and source.subject != INHERITED:
        names.append(source.subject)
    if labels:
        names.append(LABEL)
    for objects in selections:
        names.extend(_columns_of(objects))
    return tuple(dict.fromkeys(names))


def _columns_of(objects: Objects) -> Iterator[str]:
    for output in objects.outputs:
        if isinstance(output, Leaf | One):
            yield output.column
        elif isinstance(output, Computed | Live):
            yield from output.needs
        elif isinstance(output, Own):
            yield output.present
            yield from _columns_of(output.objects)


def practice_ids(source: Source, scope: Scope, *, full_rows: bool) -> frozenset[str]:
    """The practices whose rows of `source` may be read; `full_rows` leaves out limited ones."""
    if source.domain is None:
        return scope.all_practices()
    if full_rows:
        return scope.rows.get(source.domain, frozenset())
    return scope.practices(source.domain)


def access_clause(
    source: Source, scope: Scope, *, full_rows: bool = False
) -> ColumnElement[bool] | None:
    """The rows in scope; None if all of them are."""
    columns = table_of(source).c
    if source.access is Access.CATALOGUE or scope.unrestricted:
        return None
    if source.access is Access.PRACTICE_ROWS:
        listed = _among(columns.practice_id, practice_ids(source, scope, full_rows=full_rows))
        return and_(listed, _label_clause(source, scope))
    if source.access is Access.PRACTICES:
        return _among(columns.id, scope.all_practices())
    if scope.is_mso:
        return None
    if source.access is Access.OPERATED and scope.own_practice_id is not None:
        return columns.practice_id == scope.own_practice_id
    return false()


def shows_labels(source: Source, scope: Scope) -> bool:
    """True if some rows of `source` with a sensitivity label may be read."""
    if not source.labelled or source.domain is None or scope.unrestricted:
        return False
    return scope.consents_at is not None or bool(scope.sensitive_practices(source.domain))


def labelled_patient(source: Source) -> str:
    """The column of rows that may have a label which names whom they are about."""
    return cast("type[Labelled]", source.table).of_patient


def _label_clause(source: Source, scope: Scope) -> ColumnElement[bool]:
    """The rows without a sensitivity label, and those with one that the scope includes."""
    if not source.labelled or source.domain is None:
        return true()
    columns, allowed = table_of(source).c, scope.sensitive_practices(source.domain)
    opened = _among(columns.practice_id, allowed)
    if scope.emergency is not None:
        opened = and_(opened, columns[labelled_patient(source)] == scope.emergency.patient_id)
    elif allowed == scope.practices(source.domain):
        return true()
    by_consent = consented(cast("type[Labelled]", source.table), columns, scope)
    given = () if by_consent is None else (by_consent,)
    return or_(columns[LABEL] == "", opened, *given)


def _among(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    listed = sorted(values)
    if not listed:
        return false()
    return column == listed[0] if len(listed) == 1 else column.in_(listed)


def outputs(source: Source, scope: Scope, names: Sequence[str]) -> list[ColumnElement[Any]]:
    """The columns as selected: figures across practices only where the small-group rule holds."""
    columns = table_of(source).c
    group = source.small_group
    if scope.unrestricted or group is None:
        return [columns[name] for name in names]
    readable = scope.practices(group.domain)
    covered: Covered | None = (
        (lambda practice: _among(practice, readable)) if scope.is_mso else None
    )
    shown = figures_shown(group, columns, covered)
    return [
        case((shown, columns[name]), else_=None).label(name)
        if name in source.suppressed
        else columns[name]
        for name in names
    ]


def figures_shown(group: SmallGroup, columns: Any, covered: Covered | None) -> ColumnElement[bool]:
    """True where a figure across practices may be shown: the group is large and the figure does not
    isolate a practice, or the MSO asks and its agreements cover every practice in it. Where they
    cover some of it the MSO can subtract those, so that the others have to be a large group as
    well. `columns` are those of the row with the figure, `covered` is given for the MSO only."""
    large = and_(group_is_large(group, columns.id), ~columns.isolating)
    if covered is None:
        return large
    shares = shares_of_group(group, columns.id)
    outside = exists().select_from(shares).where(~covered(shares.c.practice_id))
    others_are_large = group_is_large(group, columns.id, lambda practice: ~covered(practice))
    return or_(and_(large, others_are_large), ~outside)


def group_is_large(
    group: SmallGroup, row_id: ColumnElement[Any], among: Covered | None = None
) -> ColumnElement[bool]:
    """Whether the practices of a group, or those `among` them, are a large one."""
    shares = shares_of_group(group, row_id)
    weight = type_coerce(shares.c.weight, BigInteger())
    large = and_(
        func.count() >= SMALLEST_GROUP, func.max(weight) * LARGEST_SHARE <= func.sum(weight)
    )
    found = select(large).select_from(shares)
    if among is not None:
        found = found.where(among(shares.c.practice_id))
    return found.scalar_subquery()


def conditions(
    source: Source, wanted: Sequence[Condition], values: Values
) -> list[ColumnElement[bool]]:
    columns = table_of(source).c
    return [_filter(columns[item.column], item.op, item.value.among(values)) for item in wanted]


def not_indexed_while(column: Column[Any]) -> tuple[str, str] | None:
    """The column and its value with which rows are left out of this one's index: a filter then asks
    for those and for the others apart, in the words of the index."""
    found: tuple[str, str] | None = column.info.get("not_indexed_while")
    return found


def _filter(column: Column[Any], op: str, value: Any) -> ColumnElement[bool]:
    found = _condition(column, op, value)
    unindexed = not_indexed_while(column)
    if unindexed is None:
        return found
    name, without = unindexed
    other, constant = column.table.c[name], literal(without, literal_execute=True)
    return or_(and_(found, other != constant), and_(found, other == constant))


def _condition(column: ColumnElement[Any], op: str, value: Any) -> ColumnElement[bool]:
    if op in ("null", "not_null"):
        return column.is_(None) if op == "null" else column.is_not(None)
    if op == "in":
        return _among(column, set(value))
    if op == "prefix":
        # By code point, so that the index serves it on both databases.
        return and_(column >= value, column < value + LAST_CHARACTER)
    return {
        "eq": column.__eq__,
        "gt": column.__gt__,
        "gte": column.__ge__,
        "lt": column.__lt__,
        "lte": column.__le__,
    }[op](value)


def order_by(source: Source, order: Order) -> list[ColumnElement[Any]]:
    keys = [table_of(source).c[name] for name in (*order.columns, "id")]
    return [key.desc() for key in keys] if order.descending else [key.asc() for key in keys]


def row_after(source: Source, order: Order, keys: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come after the one with these sort keys (id last)."""
    columns = [table_of(source).c[name] for name in (*order.columns, "id")]
    bound = [literal(value, column.type) for value, column in zip(keys, columns, strict=True)]
    if len(columns) == 1:
        return columns[0] < bound[0] if order.descending else columns[0] > bound[0]
    left, right = tuple_(*columns), tuple_(*bound)
    return left < right if order.descending else left > right


def key_value(source: Source, text: str) -> Any:
    """An id as its column holds it. Raises NotFound if it cannot be one."""
    if table_of(source).c.id.type.python_type is not int:
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound
    return int(text)


def by_ids(source: Source, scope: Scope, names: Sequence[str], ids: Sequence[Any]) -> Select[Any]:
    return select(*outputs(source, scope, names)).where(
        _given(access_clause(source, scope)), _among(table_of(source).c.id, set(ids))
    )


def cursor_keys(source: Source, scope: Scope, page: Page, row_id: Any) -> Select[Any]:
    """The sort keys of the row a cursor names, if it is in scope."""
    columns = table_of(source).c
    return select(*(columns[name] for name in (*page.order.columns, "id"))).where(
        _given(access_clause(source, scope, full_rows=needs_full_rows(page))), columns.id == row_id
    )


def shows_cursors(page: Page) -> bool:
    """True if an edge shows its cursor."""
    edges = [output for output in page.outputs if isinstance(output, Edges)]
    return any(isinstance(item, Cursor) for output in edges for item in output.items)


def needs_full_rows(page: Page) -> bool:
    """True if a filter or an order uses an identifier: limited rows would answer a guess."""
    return page.order.identifier or any(item.identifier for item in page.conditions)


def matching(
    source: Source, scope: Scope, page: Page, values: Values, parents: ColumnElement[bool] | None
) -> ColumnElement[bool]:
    """Scope, filters and parents of a page, without its position."""
    return and_(
        _given(access_clause(source, scope, full_rows=needs_full_rows(page))),
        _given(parents),
        *conditions(source, page.conditions, values),
    )


def whole_page(
    source: Source,
    scope: Scope,
    page: Page,
    values: Values,
    names: Sequence[str],
    parents: ColumnElement[bool] | None,
    position: ColumnElement[bool] | None,
) -> Select[Any]:
    """One page and one row more, to know whether there is a next one."""
    return (
        select(*outputs(source, scope, names))
        .where(matching(source, scope, page, values, parents), _given(position))
        .order_by(*order_by(source, page.order))
        .limit(page.first.among(values) + 1)
    )


def pages_per_parent(
    source: Source,
    scope: Scope,
    page: Page,
    values: Values,
    names: Sequence[str],
    parents: ColumnElement[bool],
    partition: Sequence[str],
) -> Select[Any]:
    """A page for each parent in one statement."""
    columns = table_of(source).c
    number = func.row_number().over(
        partition_by=[columns[name] for name in partition],
        order_by=order_by(source, page.order),
    )
    ranked = (
        select(*outputs(source, scope, names), number.label("row_number_"))
        .where(matching(source, scope, page, values, parents))
        .subquery("ranked")
    )
    return (
        select(*(ranked.c[name] for name in names))
        .where(ranked.c.row_number_ <= page.first.among(values) + 1)
        .order_by(ranked.c.row_number_)
    )


def totals(
    source: Source,
    scope: Scope,
    page: Page,
    values: Values,
    parents: ColumnElement[bool] | None,
    partition: Sequence[str],
) -> Select[Any]:
    columns = [table_of(source).c[name] for name in partition]
    return (
        select(*columns, func.count())
        .select_from(table_of(source))
        .where(matching(source, scope, page, values, parents))
        .group_by(*columns)
    )


def children_of(
    source: Source, remote: str, parents: Iterable[tuple[str | None, Any]]
) -> ColumnElement[bool]:
    """Rows whose `remote` column points at one of the parents, ``(practice id or None, id)``.

    Practice and id are two lists: a row that joins the practice of one parent to the id of another
    is dropped when rows are handed to their parents.
    """
    listed = list(parents)
    columns = table_of(source).c
    practices = {practice for practice, _ in listed if practice is not None}
    pointed = _among(columns[remote], {value for _, value in listed})
    if practices and remote != "practice_id":
        return and_(_among(columns.practice_id, practices), pointed)
    return pointed


def _given(clause: ColumnElement[bool] | None) -> ColumnElement[bool]:
    return true() if clause is None else clause
