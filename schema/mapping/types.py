"""Strawberry types made from declarations: objects, connections, filters and orders."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import strawberry
from sqlalchemy import Boolean, Column, Integer
from strawberry.annotation import StrawberryAnnotation
from strawberry.scalars import JSON
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import get_object_definition
from strawberry.types.field import StrawberryField

from hub.storage.reads.made import shape_of_type
from hub.storage.reads.parts import Access, Shape
from schema import common
from schema.mapping.declare import Col, LiveField, OneLink, Stored

PAGE_SIZE = 25
FOLDS = (
    ("sum", ""),
    ("average", "Rounded to four decimals, half to even; of the rows that have a value."),
    ("minimum", ""),
    ("maximum", ""),
)
LIVE_COST = 20
NAMES: dict[str, Any] = {
    "ID": strawberry.ID,
    "Date": common.Date,
    "DateTime": common.DateTime,
    "Decimal": common.Decimal,
    "JSON": JSON,
    "Node": common.Node,
    "PageInfo": common.PageInfo,
}
_NEVER_MADE = {name: getattr(object, name) for name in ("__init__", "__repr__", "__eq__")}
"""Stored rows are written without objects of their types. What a dataclass would be given for them
takes 2 MB."""
_SCALAR_OF_SHAPE = {
    Shape.DATE: "Date",
    Shape.TIMESTAMP: "DateTime",
    Shape.MONEY: "Decimal",
    Shape.DECIMAL: "Decimal",
}


def shape_of(column: Column[Any], col: Col) -> Shape:
    """How values of a column are written."""
    return Shape.WORD if col.words else shape_of_type(column)


def scalar_of(column: Column[Any], col: Col) -> str:
    """The GraphQL type of a column's values, by its name in Python annotations."""
    shape = shape_of(column, col)
    if shape is Shape.WORD:
        return col.enum_name
    if shape is not Shape.PLAIN:
        return _SCALAR_OF_SHAPE[shape]
    if isinstance(column.type, Boolean):
        return "bool"
    if isinstance(column.type, Integer):
        return "int"
    return "str" if column.type.python_type is str else "list[str]"


class TypeMaker:
    """Makes the Strawberry types of some declarations; `names` holds them all by name."""

    def __init__(self, declared: Sequence[Stored]) -> None:
        self.declared = {item.name: item for item in declared}
        self.names: dict[str, Any] = dict(NAMES)
        for item in declared:
            self._enums(item)
        for item in declared:
            self._facets(item)
        for item in declared:
            self._order(item)
            self._filter(item)
            self._object(item)
            aggregated = self._aggregate(item)
            self._connection(item, aggregated)

    def roots(self) -> list[StrawberryField]:
        """The connection fields of Query."""
        return [
            self.field(item.root, f"{item.name}Connection", item.help, self._page_arguments(item))
            for item in self.declared.values()
            if item.root
        ]

    def node_roots(self) -> list[StrawberryField]:
        """Relay's ways to read rows by global id."""
        return [
            self.field(
                "node",
                "Node | None",
                "One object by its global id; null if it is missing or not granted.",
                [self.argument("id", "ID")],
            ),
            self.field(
                "nodes",
                "list[Node | None]",
                "Objects by global id, in the order asked for; at most 100.",
                [self.argument("ids", "list[ID]")],
            ),
        ]

    def make(
        self,
        name: str,
        fields: Iterable[StrawberryField],
        *,
        bases: tuple[type, ...] = (),
        is_input: bool = False,
        is_interface: bool = False,
        help: str = "",
    ) -> type:
        """A Strawberry type whose fields may name types that do not exist yet."""
        listed = list(fields)
        annotations = {field.python_name: field.type_annotation for field in listed}
        body: dict[str, Any] = {field.python_name: field for field in listed}
        body["__annotations__"] = dict.fromkeys(annotations, Any)
        if not is_input:
            body |= _NEVER_MADE
        for field in listed:
            field.type_annotation = None
        fill: Callable[[dict[str, Any]], None] = lambda namespace: namespace.update(body)  # noqa: E731
        made = strawberry.type(
            types.new_class(name, bases, {}, fill),
            name=name,
            is_input=is_input,
            is_interface=is_interface,
            description=help or None,
        )
        # dataclasses overwrite annotations that cannot be resolved yet: put them back
        for field in get_object_definition(made, strict=True).fields:
            if field.python_name in annotations:
                field.type_annotation = annotations[field.python_name]
        self.names[name] = made
        return made

    def field(
        self,
        name: str,
        annotation: str,
        help: str = "",
        arguments: Sequence[Any] = (),
        *,
        cost: int = 0,
    ) -> StrawberryField:
        field = StrawberryField(
            python_name=f"{name}_",
            graphql_name=name,
            type_annotation=StrawberryAnnotation(annotation, namespace=self.names),
            description=help or None,
            metadata={"cost": cost},
        )
        field.arguments = list(arguments)
        return field

    def argument(self, name: str, annotation: str, **default: Any) -> StrawberryArgument:
        return StrawberryArgument(
            python_name=name,
            graphql_name=name,
            type_annotation=StrawberryAnnotation(annotation, namespace=self.names),
            **default,
        )

    def _page_arguments(self, target: Stored) -> list[StrawberryArgument]:
        arguments = [
            self.argument("first", "int | None", default=PAGE_SIZE),
            self.argument("after", "str | None"),
        ]
        if target.filters:
            arguments.append(self.argument("where", f"{target.name}Filter | None"))
        arguments.append(self.argument("orderBy", f"{target.name}Order | None"))
        return arguments

    def _object(self, item: Stored) -> None:
        fields = [] if not item.node else [self.field("id", "ID")]
        for name, col in item.fields.items():
            column = item.column(item.column_name(name))
            fields.append(self.field(name, _annotated(column, col), col.help))
        for name, computed in item.computed.items():
            cost = LIVE_COST if isinstance(computed, LiveField) else 0
            fields.append(self.field(name, computed.returns, computed.help, cost=cost))
        for name, link in item.links.items():
            if isinstance(link, OneLink):
                fields.append(self.field(name, f"{link.target} | None", link.help))
            else:
                arguments = self._page_arguments(self.declared[link.target])
                fields.append(self.field(name, f"{link.target}Connection", link.help, arguments))
        bases = (common.Node,) if item.node else ()
        for name, facet in item.facets.items():
            fields.append(self.field(name, f"{facet.type_name} | None", facet.help))
            bases = (*bases, self.names[facet.interface])
        self.make(item.name, fields, bases=bases, help=item.help)

    def _facets(self, item: Stored) -> None:
        """The types of its facets, and the interfaces of those who have them."""
        for name, facet in item.facets.items():
            if facet.type_name in self.names:
                continue
            fields = [
                self.field(field, _annotated(item.column(facet.column_name(field)), col), col.help)
                for field, col in facet.fields.items()
            ]
            fields += [
                self.field(field, f"{link.target} | None", link.help)
                for field, link in facet.links.items()
            ]
            self.make(facet.type_name, fields, help=facet.help)
            shown = [self.field(name, f"{facet.type_name} | None", facet.help)]
            self.make(facet.interface, shown, is_interface=True)

    def _connection(self, item: Stored, aggregated: Sequence[StrawberryField]) -> None:
        self.make(f"{item.name}Edge", [self.field("cursor", "str"), self.field("node", item.name)])
        self.make(
            f"{item.name}Connection",
            [
                self.field("nodes", f"list[{item.name}]"),
                self.field("edges", f"list[{item.name}Edge]"),
                self.field("pageInfo", "PageInfo"),
                self.field("totalCount", "int"),
                *aggregated,
            ],
        )

    def _aggregate(self, item: Stored) -> list[StrawberryField]:
        """The field of a connection that folds its rows, where there is something to fold by."""
        if not item.groups and not item.measures:
            return []
        owned = "ID" if item.access in (Access.PRACTICE_ROWS, Access.PRACTICES) else "ID | None"
        fields = [
            self.field("practiceId", owned, "The practice all its rows are of."),
            self.field("count", "int"),
        ]
        arguments = []
        if item.groups:
            keys = []
            for name, (source, unit) in item.groups.items():
                col = item.fields.get(source)
                annotation = "ID" if col is None else "Date" if unit else ""
                if col is not None and not unit:
                    annotation = scalar_of(item.column(item.column_name(source)), col)
                help = {"": "", "day": "In UTC."}.get(unit, "Its first day, in UTC.")
                keys.append(self.field(name, f"{annotation} | None", help))
            self.make(f"{item.name}Keys", keys, help="Null for what is not grouped by.")
            self.enum(f"{item.name}GroupBy", {order_value(name): name for name in item.groups})
            fields.append(self.field("keys", f"{item.name}Keys"))
            arguments.append(self.argument("groupBy", f"list[{item.name}GroupBy] | None"))
        if item.measures:
            figures = [
                self.field(name, "Decimal | None", item.fields[name].help) for name in item.measures
            ]
            self.make(f"{item.name}Figures", figures)
            fields += [self.field(name, f"{item.name}Figures", help) for name, help in FOLDS]
            if "currency" in item.fields:
                help = "That of the amounts; who asks for an amount gets an object per currency."
                fields.append(self.field("currency", "str | None", help))
        self.make(f"{item.name}Aggregate", fields)
        return [
            self.field(
                "aggregates",
                f"list[{item.name}Aggregate]",
                "Figures of all rows of the list, whatever the size of the page: one object per "
                "group and practice, at most 1000.",
                arguments,
            )
        ]

    def _enums(self, item: Stored) -> None:
        for col in item.fields.values():
            if col.words and col.enum_name not in self.names:
                self.enum(col.enum_name, {word.upper(): word for word in col.words})

    def enum(self, name: str, values: dict[str, str], help: str = "") -> None:
        make: Any = enum.Enum
        self.names[name] = strawberry.enum(make(name, values), name=name, description=help or None)

    def _order(self, item: Stored) -> None:
        telling = any(order.identifier for order in item.sort_orders.values())
        values = {order_value(name): name for name in item.sort_orders}
        self.enum(f"{item.name}Order", values, LEFT_OUT if telling else "")

    def _filter(self, item: Stored) -> None:
        if not item.filters:
            return
        fields = []
        for name, kinds in item.filters.items():
            if name in item.fields:
                column = item.column(item.column_name(name))
                annotation = self._operators(scalar_of(column, item.fields[name]), kinds)
            else:
                annotation = self._operators("ID", kinds)
            fields.append(self.field(name, f"{annotation} | None"))
        telling = any(n in item.fields and item.fields[n].identifier for n in item.filters)
        help = f"All of these hold. {LEFT_OUT}" if telling else "All of these hold."
        self.make(f"{item.name}Filter", fields, is_input=True, help=help)

    def _operators(self, scalar: str, kinds: frozenset[str]) -> str:
        """The input type of one filter, shared by all fields of the same type and kinds."""
        shown = {"str": "String", "int": "Int", "bool": "Boolean"}.get(scalar, scalar)
        kind = "Range" if "gt" in kinds else "Prefix" if "prefix" in kinds else ""
        name = f"{shown}{kind}{'OrNull' if 'isNull' in kinds else ''}Filter"
        if name not in self.names:
            fields = []
            for operator in sorted(kinds):
                inner = {"in": f"list[{scalar}]", "isNull": "bool"}.get(operator, scalar)
                fields.append(self.field(operator, f"{inner} | None"))
            self.make(name, fields, is_input=True)
        return name


def _annotated(column: Column[Any], col: Col) -> str:
    optional = column.nullable or col.identifier or col.suppressed
    return scalar_of(column, col) + (" | None" if optional else "")


LEFT_OUT = "By an identifier, rows of practices whose agreement is LIMITED are left out."
"""Of filters and orders; it names none, as the schema of a credential may lack them."""


def order_value(name: str) -> str:
    """``birthDate`` → ``BIRTH_DATE``, ``-birthDate`` → ``BIRTH_DATE_DESC``."""
    plain = "".join(f"_{c}" if c.isupper() else c for c in name.lstrip("-")).upper()
    return f"{plain}_DESC" if name.startswith("-") else plain
