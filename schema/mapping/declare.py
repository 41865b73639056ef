"""How a GraphQL type that stands for stored data is declared: once, as data over its table.

The SDL types, the filters, the access rules and the read plan all come from a `Stored`. A
declaration names things; `checks.py` refuses an unsound one at start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, get_args

from sqlalchemy import Column

from hub.domain.agreements import DataClass, Domain
from hub.storage.crypto import Crypto
from hub.storage.reads.made import shape_of_type
from hub.storage.reads.parts import Access, Compute, Order, Shape, SmallGroup, Source
from hub.storage.tables import Base, Practice, PracticeOwned

EQ = frozenset({"eq", "in"})
RANGE = EQ | {"gt", "gte", "lt", "lte"}
PREFIX = EQ | {"prefix"}
IS_NULL = frozenset({"isNull"})
FILTER_KINDS = EQ | RANGE | PREFIX | IS_NULL
MOMENTS = frozenset({Shape.DATE, Shape.TIMESTAMP})
UNITS = ("day", "month", "year")


def snake(name: str) -> str:
    """``birthDate`` → ``birth_date``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@dataclass(frozen=True, slots=True)
class Col:
    """A stored field.

    `identifier`: a direct identifier or free text, null where only limited rows are granted
    (45 CFR 164.514(e)(2)). `suppressed`: a
    figure across practices, null unless the small-group rule holds.
    """

    data_class: DataClass | None
    column: str | None = None
    identifier: bool = False
    suppressed: bool = False
    words: tuple[str, ...] = ()
    enum_name: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class OneLink:
    """To the row `column` points at."""

    target: str
    column: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class ManyLink:
    """To the rows whose `remote` column points here, in the order named."""

    target: str
    remote: str
    order: str | None = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Facet:
    """An object made of columns of the row itself, null where its column `present` is.

    Its type, `type_name`, may stand in many stored types, with the same names of fields; their data
    classes are those of the type it stands in. Each of these types implements `interface`, which
    has the facet alone.
    """

    type_name: str
    interface: str
    present: str
    fields: Mapping[str, Col]
    links: Mapping[str, OneLink]
    help: str = ""

    def column_name(self, name: str) -> str:
        return self.fields[name].column or snake(name)


@dataclass(frozen=True, slots=True)
class Batch:
    """A computed field: one call per level. `returns` is its GraphQL type."""

    compute: Compute
    needs: tuple[str, ...]
    returns: str
    data_class: DataClass | None
    identifier: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class LiveField:
    """A field that a vendor answers when it is asked for: one call per level, after the reads.
    `asks` names the question to whoever knows the vendors."""

    asks: str
    needs: tuple[str, ...]
    returns: str
    data_class: DataClass | None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A field stored encrypted in `column`; `opens` reads it, given the row's id, and is None for
    what nobody can read any more. Never filtered or ordered by."""

    opens: Callable[[Crypto, str, Any], Any]
    column: str
    data_class: DataClass | None
    identifier: bool = False
    help: str = ""
    returns: ClassVar[str] = "str | None"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("id", self.column)


Made = Batch | LiveField | Sealed
"""A field that is no column as it is stored."""


@dataclass(frozen=True)
class Stored:
    """A type over a table. Frozen, and compared by identity of its parts."""

    name: str
    table: type[Base]
    fields: Mapping[str, Col]
    links: Mapping[str, OneLink | ManyLink] = field(default_factory=dict)
    facets: Mapping[str, Facet] = field(default_factory=dict)
    computed: Mapping[str, Made] = field(default_factory=dict)
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    order: str = "id"
    root: str | None = None
    node: bool = True
    access: Access = Access.PRACTICE_ROWS
    domain: Domain | None = None
    subject: str | None = None
    small_group: SmallGroup | None = None
    help: str = ""

    @cached_property
    def source(self) -> Source:
        """What the reads need to know of this type."""
        return Source(
            type_name=self.name,
            table=self.table,
            access=self.access,
            domain=self.domain,
            subject=self.subject,
            small_group=self.small_group,
            suppressed=frozenset(
                self.column_name(name) for name, col in self.fields.items() if col.suppressed
            ),
        )

    def column_name(self, name: str) -> str:
        return self.fields[name].column or snake(name)

    def column(self, column: str) -> Column[Any]:
        """The table's column. Raises KeyError if there is none."""
        return self.table.__table__.c[column]  # type: ignore[return-value]

    @cached_property
    def sort_orders(self) -> dict[str, Order]:
        """Every order by its name: each declared one, its reverse (``-name``), and ``id``."""
        found = {"id": Order(()), "-id": Order((), descending=True)}
        for name, columns in self.orders.items():
            identifier = any(
                col.identifier and self.column_name(field_name) in columns
                for field_name, col in self.fields.items()
            )
            found[name] = Order(columns, identifier=identifier)
            found[f"-{name}"] = Order(columns, descending=True, identifier=identifier)
        return found

    @cached_property
    def groups(self) -> dict[str, tuple[str, str]]:
        """What its rows may be grouped by: name → field or to-one link, and the unit of a date.

        That is what they may be filtered by exactly, and the day, month and year of a date; not the
        practice, which every group is of, nor the patient, nor an identifier.
        """
        found: dict[str, tuple[str, str]] = {}
        for name, kinds in self.filters.items():
            link = self.links.get(name)
            if isinstance(link, OneLink):
                if link.column not in ("practice_id", self.subject):
                    found[name] = (name, "")
            elif not self.fields[name].identifier:
                if shape_of_type(self.column(self.column_name(name))) in MOMENTS:
                    found |= {f"{name}{unit.capitalize()}": (name, unit) for unit in UNITS}
                elif kinds <= EQ | IS_NULL:
                    found[name] = (name, "")
        return found

    def class_of_column(self, column: str) -> DataClass | None:
        """The data class of a column that is declared as a field; None for keys and links."""
        for name, col in self.fields.items():
            if self.column_name(name) == column:
                return col.data_class
        return None


def col(
    data_class: DataClass | None,
    column: str | None = None,
    *,
    identifier: bool = False,
    suppressed: bool = False,
    help: str = "",
) -> Col:
    """A stored field; the column's name is the field's in snake case unless given."""
    return Col(data_class, column, identifier, suppressed, help=help)


def enum(
    data_class: DataClass | None,
    name: str,
    words: Any,
    column: str | None = None,
    *,
    help: str = "",
) -> Col:
    """A stored lower-case word shown as an enum value. `words` is a Literal type or a tuple."""
    listed = tuple(words) if isinstance(words, tuple) else get_args(words)
    return Col(data_class, column, words=listed, enum_name=name, help=help)


def one(target: str, column: str, *, help: str = "") -> OneLink:
    return OneLink(target, column, help)


def many(target: str, remote: str, *, order: str | None = None, help: str = "") -> ManyLink:
    return ManyLink(target, remote, order, help)


def batch(
    compute: Compute,
    data_class: DataClass | None,
    *,
    needs: tuple[str, ...],
    returns: str,
    identifier: bool = False,
    help: str = "",
) -> Batch:
    """A field computed in Python from columns of its row, one call per level."""
    return Batch(compute, needs, returns, data_class, identifier, help)


def live(
    asks: str,
    data_class: DataClass | None,
    *,
    needs: tuple[str, ...],
    returns: str,
    help: str = "",
) -> LiveField:
    """A field that a vendor answers; nullable, so that a vendor who does not answer takes nothing
    else away. Priced per parent, and asked in queries only."""
    return LiveField(asks, needs, returns, data_class, help)


def sealed(
    opens: Callable[[Crypto, str, Any], str | None],
    column: str,
    data_class: DataClass | None,
    *,
    identifier: bool = False,
    help: str = "",
) -> Sealed:
    """A text stored encrypted."""
    return Sealed(opens, column, data_class, identifier, help)


def stored(
    name: str,
    *,
    table: type[Base],
    fields: Mapping[str, Col],
    links: Mapping[str, OneLink | ManyLink] | None = None,
    facets: Mapping[str, Facet] | None = None,
    computed: Mapping[str, Made] | None = None,
    filters: Mapping[str, frozenset[str]] | None = None,
    orders: Mapping[str, tuple[str, ...]] | None = None,
    measures: tuple[str, ...] = (),
    order: str = "id",
    root: str | None = None,
    node: bool = True,
    access: Access | None = None,
    subject: str | None = None,
    small_group: SmallGroup | None = None,
    help: str = "",
) -> Stored:
    """Declare a type over `table`.

    `fields`: response name → column with its data class. `links`: name → `one` or `many`.
    `facets`: name → an object made of the row's own columns.
    `filters`: field or to-one link → kinds. `orders`: name → columns (id breaks ties); `order` is
    the default, ``-name`` the reverse. `measures`: whole numbers and amounts that may be summed and
    averaged. `root`: the name of its connection in Query. `subject`: the
    column that names the patient (`INHERITED`: the row above says). `access`: needed where the
    table is not a practice's.
    """
    owned = issubclass(table, PracticeOwned)
    if access is None:
        if owned:
            access = Access.PRACTICE_ROWS
        elif table is Practice:
            access = Access.PRACTICES
        else:
            raise ValueError(f"{name}: a table without practice needs an access rule")
    return Stored(
        name=name,
        table=table,
        fields=dict(fields),
        links=dict(links or {}),
        facets=dict(facets or {}),
        computed=dict(computed or {}),
        filters=dict(filters or {}),
        orders=dict(orders or {}),
        measures=measures,
        order=order,
        root=root,
        node=node,
        access=access,
        domain=table.domain if issubclass(table, PracticeOwned) else None,
        subject=subject,
        small_group=small_group,
        help=help,
    )
