"""From a validated document to read parts: which rows, which columns, under which response keys.

The planner coerces arguments and refuses a field the credential may not read before anything is
read. It knows no SQL. What it makes holds no value
of the request: those are read apart (`Planner.values`), so that a plan serves many requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from graphql import FieldNode

from hub.domain.agreements import DataClass, Scope
from hub.errors import Forbidden, Rejected
from hub.storage.crypto import Crypto
from hub.storage.reads.parts import (
    Bound,
    ById,
    ByIds,
    Computed,
    Condition,
    Constant,
    Cursor,
    Edges,
    GlobalId,
    Leaf,
    Live,
    Many,
    Nodes,
    Objects,
    One,
    Order,
    Output,
    Own,
    Page,
    PageInfo,
    PageOutput,
    Root,
    RootPage,
    Total,
)
from hub.storage.reads.write import read_global_id
from schema.mapping.aggregates import aggregates
from schema.mapping.declare import Batch, Col, Made, ManyLink, OneLink, Sealed, Stored
from schema.mapping.inputs import Arguments, Read
from schema.mapping.operation import Operation
from schema.mapping.types import shape_of
from schema.mapping.values import LARGEST_PAGE, each, id_of, page_size, plain, row_id, then


@dataclass(frozen=True, slots=True)
class _Opening:
    """Reads a column stored encrypted; equal ones make equal parts, so that a statement serves all
    documents that write the same."""

    crypto: Crypto
    field: Sealed

    def __call__(self, rows: Sequence[Mapping[str, Any]], _: datetime) -> Sequence[Any]:
        opens, column = self.field.opens, self.field.column
        return [opens(self.crypto, row["id"], row[column]) for row in rows]


class Planner:
    """Plans root fields and nested selections for one scope; `inputs` are the values its parts are
    bound to, each as a way to read it from the variables. `crypto` opens what is stored encrypted.
    With `live`, vendors may be asked."""

    def __init__(
        self,
        declared: Mapping[str, Stored],
        operation: Operation,
        scope: Scope,
        crypto: Crypto,
        *,
        live: bool = False,
    ) -> None:
        self._crypto = crypto
        self._live = live
        self._declared = declared
        self._by_root = {item.root: item for item in declared.values() if item.root}
        self._operation = operation
        self._scope = scope
        self.inputs: list[Read] = []

    def values(self) -> list[Any]:
        """The values of this request. Raises Rejected for one that may not be."""
        return [read(self._operation.variables) for read in self.inputs]

    def can(self, field_name: str) -> bool:
        """True if a field of Query stands for stored data."""
        return field_name in self._by_root or field_name in ("node", "nodes", "__typename")

    def root(self, key: str, nodes: Sequence[FieldNode]) -> Root:
        """The part of one root field. Raises Forbidden or Rejected before anything is read."""
        name = nodes[0].name.value
        if name == "__typename":
            return Constant(key, self._operation.root_type.name)
        arguments = self._operation.arguments(self._operation.root_type.name, nodes[0])
        if name == "node":
            return self._node(key, nodes, arguments)
        if name == "nodes":
            return self._nodes(key, nodes, arguments)
        target = self._by_root[name]
        return RootPage(key, self._page(target, nodes, arguments, target.order, single=True))

    def by_id(self, key: str, type_name: str, row_id: str, nodes: Sequence[FieldNode]) -> ById:
        """The part of a field that holds one known row (the payload of a mutation)."""
        return self._by_id(key, type_name, lambda _: row_id, nodes)

    def _by_id(self, key: str, type_name: str, read: Read, nodes: Sequence[FieldNode]) -> ById:
        objects = self._objects(self._declared[type_name], nodes, single=True)
        return ById(key, self._bind(read), objects)

    def _node(self, key: str, nodes: Sequence[FieldNode], arguments: Arguments) -> Root:
        wanted = self._wanted(arguments["id"])
        if wanted is None:
            return Constant(key, None)
        return self._by_id(key, wanted[0], then(arguments.reader("id"), id_of), nodes)

    def _nodes(self, key: str, nodes: Sequence[FieldNode], arguments: Arguments) -> Root:
        ids = arguments["ids"]
        names = sorted({found[0] for found in map(self._wanted, ids[: LARGEST_PAGE + 1]) if found})
        single = len(ids) == 1
        objects = [
            (name, self._objects(self._declared[name], nodes, single=single)) for name in names
        ]
        wanted = self._bind(then(arguments.reader("ids"), self._all_wanted))
        return ByIds(key, wanted, tuple(objects))

    def _all_wanted(self, ids: Sequence[str]) -> tuple[tuple[str, str] | None, ...]:
        if len(ids) > LARGEST_PAGE:
            raise Rejected(f"At most {LARGEST_PAGE} ids can be asked for at once.")
        return tuple(map(self._wanted, ids))

    def _bind(self, read: Read) -> Bound:
        self.inputs.append(read)
        return Bound(len(self.inputs) - 1)

    def _wanted(self, global_id: str) -> tuple[str, str] | None:
        found = read_global_id(global_id)
        if found is None or found[0] not in self._declared or not self._declared[found[0]].node:
            return None
        return found

    # Objects

    def _objects(self, item: Stored, nodes: Sequence[FieldNode], *, single: bool) -> Objects:
        outputs: list[Output] = []
        classes: set[DataClass] = set()
        for key, selected in self._operation.below(item.name, nodes).items():
            name = selected[0].name.value
            if name == "__typename":
                outputs.append(Constant(key, item.name))
            elif name == "id" and item.node:
                outputs.append(GlobalId(key))
            elif name in item.fields:
                classes.add(self._granted(item, name, item.fields[name].data_class))
                outputs.append(_leaf(item, key, item.fields[name], item.column_name(name)))
            elif name in item.facets:
                own = self._own(item, name, key, selected)
                classes |= own.objects.classes
                outputs.append(own)
            elif name in item.computed:
                made = item.computed[name]
                classes.add(self._granted(item, name, made.data_class))
                outputs.append(self._made(item, name, key, made))
            else:
                outputs.append(self._link(item, key, item.links[name], selected, single))
        return Objects(item.source, tuple(outputs), frozenset(classes))

    def _own(self, item: Stored, name: str, key: str, nodes: Sequence[FieldNode]) -> Own:
        facet = item.facets[name]
        outputs: list[Output] = []
        classes: set[DataClass] = set()
        for inner, selected in self._operation.below(facet.type_name, nodes).items():
            field = selected[0].name.value
            if field == "__typename":
                outputs.append(Constant(inner, facet.type_name))
            elif field in facet.fields:
                col = facet.fields[field]
                classes.add(self._granted(item, f"{name}.{field}", col.data_class))
                outputs.append(_leaf(item, inner, col, facet.column_name(field)))
            else:
                outputs.append(self._link(item, inner, facet.links[field], selected, False))
        return Own(key, facet.present, Objects(item.source, tuple(outputs), frozenset(classes)))

    def _made(self, item: Stored, name: str, key: str, made: Made) -> Output:
        if isinstance(made, Batch):
            return Computed(key, made.needs, made.compute, made.identifier)
        if isinstance(made, Sealed):
            return Computed(key, made.needs, _Opening(self._crypto, made), made.identifier)
        if not self._live:
            raise Rejected(f"{item.name}.{name} is asked at the vendor, in a query only.")
        return Live(key, made.asks, made.needs)

    def _link(
        self,
        item: Stored,
        key: str,
        link: OneLink | ManyLink,
        nodes: Sequence[FieldNode],
        single: bool,
    ) -> Output:
        target = self._declared[link.target]
        if isinstance(link, OneLink):
            return One(key, link.column, self._objects(target, nodes, single=single))
        arguments = self._operation.arguments(item.name, nodes[0])
        order = link.order or target.order
        return Many(key, link.remote, self._page(target, nodes, arguments, order, single=single))

    def _granted(self, item: Stored, name: str, data_class: DataClass | None) -> DataClass:
        if data_class is None or data_class not in self._scope.classes:
            raise Forbidden(f"The field {item.name}.{name} is not granted to this credential.")
        return data_class

    # Pages

    def _page(
        self,
        target: Stored,
        nodes: Sequence[FieldNode],
        arguments: Arguments,
        default_order: str,
        *,
        single: bool,
    ) -> Page:
        first = self._bind(then(arguments.reader("first"), page_size))
        after = None
        if arguments.get("after") is not None:
            if not single:
                raise Rejected("`after` works only where the list has one parent.", path="after")
            after = self._bind(arguments.reader("after"))
        conditions, classes = self._conditions(target, arguments)
        order = self._order(target, arguments.get("orderBy"), default_order, classes)
        return Page(
            source=target.source,
            outputs=tuple(self._page_outputs(target, nodes)),
            order=order,
            first=first,
            after=after,
            conditions=tuple(conditions),
            classes=frozenset(classes),
        )

    def _page_outputs(self, target: Stored, nodes: Sequence[FieldNode]) -> Iterable[PageOutput]:
        type_name = f"{target.name}Connection"
        for key, selected in self._operation.below(type_name, nodes).items():
            name = selected[0].name.value
            if name == "nodes":
                yield Nodes(key, self._objects(target, selected, single=False))
            elif name == "edges":
                yield Edges(key, tuple(self._edge(target, selected)))
            elif name == "pageInfo":
                yield PageInfo(key, tuple(self._page_info(selected)))
            elif name == "totalCount":
                yield Total(key)
            elif name == "aggregates":
                yield aggregates(self._operation, self._granted, target, key, selected)
            else:
                yield Constant(key, type_name)

    def _edge(
        self, target: Stored, nodes: Sequence[FieldNode]
    ) -> Iterable[Cursor | Nodes | Constant]:
        type_name = f"{target.name}Edge"
        for key, selected in self._operation.below(type_name, nodes).items():
            name = selected[0].name.value
            if name == "cursor":
                yield Cursor(key)
            elif name == "node":
                yield Nodes(key, self._objects(target, selected, single=False))
            else:
                yield Constant(key, type_name)

    def _page_info(self, nodes: Sequence[FieldNode]) -> Iterable[Constant | tuple[str, str]]:
        for key, selected in self._operation.below("PageInfo", nodes).items():
            name = selected[0].name.value
            yield Constant(key, "PageInfo") if name == "__typename" else (key, name)

    def _order(self, target: Stored, chosen: Any, default: str, classes: set[DataClass]) -> Order:
        order = target.sort_orders[default if chosen is None else plain(chosen)]
        found = {target.class_of_column(column) for column in order.columns} - {None}
        if chosen is not None:
            for data_class in found:
                classes.add(self._granted(target, "orderBy", data_class))
            return order
        limited = bool(target.domain and self._scope.limited.get(target.domain))
        if not found <= self._scope.classes or (order.identifier and limited):
            return Order(())  # an order nobody asked for must not say what may not be read
        return order

    def _conditions(
        self, target: Stored, arguments: Arguments
    ) -> tuple[list[Condition], set[DataClass]]:
        conditions: list[Condition] = []
        classes: set[DataClass] = set()
        for name, operators in (arguments.get("where") or {}).items():
            if operators is None:
                continue
            convert: Callable[[Any], Any] = plain
            if name in target.fields:
                col = target.fields[name]
                classes.add(self._granted(target, name, col.data_class))
                column, identifier = target.column_name(name), col.identifier
            else:
                column, identifier = _pointing_column(target, name), False
                convert = partial(row_id, target.links[name].target)
            for operator, value in operators.items():
                if value is None:
                    raise Rejected("A filter needs a value; `isNull` asks for null.", path=name)
                read = arguments.reader("where", name, operator)
                bound = self._bind(then(read, each(convert) if operator == "in" else convert))
                operator = ("null" if value else "not_null") if operator == "isNull" else operator
                conditions.append(Condition(column, operator, bound, identifier))
        return conditions, classes


def _leaf(item: Stored, key: str, col: Col, column: str) -> Leaf:
    return Leaf(key, column, shape_of(item.column(column), col), col.identifier, col.words)


def _pointing_column(item: Stored, name: str) -> str:
    """The column behind a to-one link that is filtered by."""
    link = item.links[name]
    if not isinstance(link, OneLink):
        raise Rejected("The list cannot be filtered by that.", path=name)
    return link.column
