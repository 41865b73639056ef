"""Planning of `aggregates`: what the rows of a connection are grouped by, and how folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from graphql import FieldNode

from hub.domain.agreements import DataClass
from hub.errors import Rejected
from hub.storage.reads.parts import (
    Aggregates,
    Constant,
    Figure,
    Figures,
    Fold,
    GroupCount,
    GroupCurrency,
    GroupKey,
    GroupPractice,
    KeyOf,
    Shape,
)
from schema.mapping.declare import OneLink, Stored
from schema.mapping.types import shape_of

if TYPE_CHECKING:
    from schema.mapping.operation import Operation

MOST_KEYS = 4
CURRENCY = "currency"
Granted = Callable[[Stored, str, DataClass | None], DataClass]
Item = Constant | GroupCount | GroupPractice | GroupCurrency | Figures


def aggregates(
    operation: Operation, granted: Granted, target: Stored, key: str, nodes: Sequence[FieldNode]
) -> Aggregates:
    """The part of one `aggregates` field. Raises Forbidden or Rejected."""
    arguments = operation.arguments(f"{target.name}Connection", nodes[0])
    chosen = [getattr(value, "value", value) for value in arguments.get("groupBy") or ()]
    if len(chosen) > MOST_KEYS:
        raise Rejected(f"Group by at most {MOST_KEYS} keys.", path="groupBy")
    by = {name: _group(target, name) for name in dict.fromkeys(chosen)}
    classes = set()
    for name in by:
        column = target.groups[name][0]
        if column in target.fields:
            classes.add(granted(target, column, target.fields[column].data_class))
    items: list[Item] = []
    for own, selected in operation.below(f"{target.name}Aggregate", nodes).items():
        name = selected[0].name.value
        if name == "count":
            items.append(GroupCount(own))
        elif name == "practiceId":
            items.append(GroupPractice(own))
        elif name == CURRENCY:
            classes.add(granted(target, name, target.fields[name].data_class))
            items.append(GroupCurrency(own))
        elif name == "keys":
            items.append(Figures(own, tuple(_keys(operation, target, by, selected))))
        elif name == "__typename":
            items.append(Constant(own, f"{target.name}Aggregate"))
        else:
            folded = tuple(_folded(operation, granted, target, name, selected, classes))
            items.append(Figures(own, folded))
    made = Aggregates(key, tuple(by.values()), tuple(items), frozenset(classes))
    return replace(made, by_currency=CURRENCY in target.fields and _needs_currency(made))


def _needs_currency(made: Aggregates) -> bool:
    """Amounts in two currencies are never folded into one figure."""
    return any(isinstance(item, GroupCurrency) for item in made.items) or any(
        figure.shape is Shape.MONEY for figure in made.figures()
    )


def _group(target: Stored, name: str) -> GroupKey:
    source, unit = target.groups[name]
    link: Any = target.links.get(source)
    if isinstance(link, OneLink):
        return GroupKey(link.column, Shape.PLAIN, target=link.target)
    column = target.column_name(source)
    return GroupKey(column, shape_of(target.column(column), target.fields[source]), unit)


def _keys(
    operation: Operation, target: Stored, by: Mapping[str, GroupKey], nodes: Sequence[FieldNode]
) -> Iterable[Constant | KeyOf]:
    type_name = f"{target.name}Keys"
    for key, selected in operation.below(type_name, nodes).items():
        name = selected[0].name.value
        yield Constant(key, type_name) if name == "__typename" else KeyOf(key, by.get(name))


def _folded(
    operation: Operation,
    granted: Granted,
    target: Stored,
    fold: str,
    nodes: Sequence[FieldNode],
    classes: set[DataClass],
) -> Iterable[Constant | Figure]:
    type_name = f"{target.name}Figures"
    for key, selected in operation.below(type_name, nodes).items():
        name = selected[0].name.value
        if name == "__typename":
            yield Constant(key, type_name)
            continue
        col = target.fields[name]
        classes.add(granted(target, name, col.data_class))
        column = target.column_name(name)
        yield Figure(key, column, shape_of(target.column(column), col), cast(Fold, fold))
