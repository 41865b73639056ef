"""What a declaration may not say; asked at start and by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint

from hub.domain.agreements import DataClass
from hub.storage.reads.aggregates import can_be_measured
from hub.storage.reads.parts import INHERITED, Access
from schema.mapping.declare import FILTER_KINDS, LiveField, ManyLink, OneLink, Stored

PATIENT_CLASSES = {DataClass.PHI, DataClass.PHI_SENSITIVE}


class Unsound(Exception):
    """A declaration that must not go live; the message names type and field."""


def check(types: Sequence[Stored]) -> None:
    """Raises Unsound naming the first declaration that breaks a rule of the mapping."""
    by_name = {declared.name: declared for declared in types}
    if len(by_name) != len(types):
        raise Unsound("two types have one name")
    for declared in types:
        _check_fields(declared)
        _check_subject(declared)
        _check_filters(declared)
        _check_orders(declared)
        _check_links(declared, by_name)
        _check_measures(declared)
        _check_facets(declared, by_name)


def _check_measures(declared: Stored) -> None:
    for name in declared.measures:
        where = f"{declared.name}.{name}"
        if name not in declared.fields:
            raise Unsound(f"{where} is measured and is no field")
        if not can_be_measured(declared.column(declared.column_name(name))):
            raise Unsound(f"{where} is measured and is neither a whole number nor money")
        if declared.fields[name].identifier or declared.fields[name].suppressed:
            raise Unsound(f"{where} is measured and is not always shown")


def _check_facets(declared: Stored, by_name: Mapping[str, Stored]) -> None:
    columns = declared.table.__table__.c
    for name, facet in declared.facets.items():
        where = f"{declared.name}.{name}"
        if facet.present not in columns or not declared.column(facet.present).nullable:
            raise Unsound(f"{where} is not null where nothing is there")
        for field, col in facet.fields.items():
            if col.data_class is None or col.data_class is DataClass.SECRET:
                raise Unsound(f"{where}.{field} has no data class, or is a secret")
            if facet.column_name(field) not in columns:
                raise Unsound(f"{where}.{field} has no column")
            if col.data_class in PATIENT_CLASSES and declared.subject is None:
                raise Unsound(f"{where} holds PHI and its type names no subject")
        for field, link in facet.links.items():
            if link.target not in by_name or link.column not in columns:
                raise Unsound(f"{where}.{field} points at no declared type, or has no column")


def _check_fields(declared: Stored) -> None:
    classes = {name: col.data_class for name, col in declared.fields.items()}
    classes |= {name: made.data_class for name, made in declared.computed.items()}
    for name, data_class in classes.items():
        if data_class is None:
            raise Unsound(f"{declared.name}.{name} has no data class")
        if data_class is DataClass.SECRET:
            raise Unsound(f"{declared.name}.{name} is a secret")
    for name in declared.fields:
        if declared.column_name(name) not in declared.table.__table__.c:
            raise Unsound(f"{declared.name}.{name} has no column")
    for name, computed in declared.computed.items():
        if isinstance(computed, LiveField) and not computed.returns.endswith("| None"):
            raise Unsound(f"{declared.name}.{name} is asked at a vendor and is not nullable")
        if not computed.needs:
            raise Unsound(f"{declared.name}.{name} needs no column")
    if any(col.suppressed for col in declared.fields.values()) and declared.small_group is None:
        raise Unsound(f"{declared.name} suppresses figures of no group")


def _check_subject(declared: Stored) -> None:
    classes = {col.data_class for col in declared.fields.values()}
    classes |= {computed.data_class for computed in declared.computed.values()}
    if classes & PATIENT_CLASSES and declared.subject is None:
        raise Unsound(f"{declared.name} holds PHI and names no subject")
    if declared.subject == INHERITED and (declared.node or declared.root):
        raise Unsound(f"{declared.name} takes its subject from above and can be reached directly")


def _check_filters(declared: Stored) -> None:
    for name, kinds in declared.filters.items():
        if unknown := kinds - FILTER_KINDS:
            raise Unsound(f"{declared.name}.{name} has an unknown filter {sorted(unknown)[0]}")
        if name not in declared.fields and not isinstance(declared.links.get(name), OneLink):
            raise Unsound(f"{declared.name} filters by {name}, which it does not have")
        if name in declared.fields and declared.fields[name].suppressed:
            raise Unsound(f"{declared.name}.{name} is suppressed and cannot be filtered by")


def _check_orders(declared: Stored) -> None:
    if declared.order not in declared.sort_orders:
        raise Unsound(f"{declared.name} has no order {declared.order}")
    for name, columns in declared.orders.items():
        for column in columns:
            if column not in declared.table.__table__.c:
                raise Unsound(f"{declared.name} orders by {column}, which it does not have")
            if declared.column(column).nullable:
                raise Unsound(f"{declared.name}: the order {name} has a nullable key")
        if not _indexed(declared, _owner(declared), columns):
            raise Unsound(f"{declared.name}: no index serves the order {name}")


def _check_links(declared: Stored, by_name: Mapping[str, Stored]) -> None:
    for name, link in declared.links.items():
        where = f"{declared.name}.{name}"
        target = by_name.get(link.target)
        if target is None:
            raise Unsound(f"{where} points at no declared type")
        if isinstance(link, ManyLink):
            _check_many(where, link, target)
        elif link.column not in declared.table.__table__.c:
            raise Unsound(f"{where} has no column")
        elif target.subject == INHERITED:
            raise Unsound(f"{where} reaches {target.name} without the row above it")


def _check_many(where: str, link: ManyLink, target: Stored) -> None:
    if link.remote not in target.table.__table__.c:
        raise Unsound(f"{where} has no column at its target")
    if (link.order or target.order) not in target.sort_orders:
        raise Unsound(f"{where} has an order its target does not have")
    if link.remote != "practice_id" and not _indexed(target, (*_owner(target), link.remote)):
        raise Unsound(f"{where}: no index serves the link")


def _owner(declared: Stored) -> tuple[str, ...]:
    return ("practice_id",) if declared.access is Access.PRACTICE_ROWS else ()


def _indexed(declared: Stored, begins: tuple[str, ...], then: tuple[str, ...] = ()) -> bool:
    """True if an index or key begins so and goes on with `then`, at once or after one column (the
    link under which the rows are listed)."""
    table = declared.table.__table__
    if not isinstance(table, Table):
        return False
    keys: list[Index | PrimaryKeyConstraint | UniqueConstraint] = [*table.indexes]
    keys += [c for c in table.constraints if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)]
    start = len(begins)
    for key in keys:
        names = tuple(column.name for column in key.columns)
        if names[:start] != begins:
            continue
        if names[start:][: len(then)] == then or names[start + 1 :][: len(then)] == then:
            return True
    return False
