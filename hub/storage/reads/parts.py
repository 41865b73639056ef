"""What a query wants, as data: filled in by the planner, read by the executor.

A part names tables, columns and response keys; it holds no SQL and no resolver, so that the same
part can be run level by level (`run.py`) or compiled into one statement (`compile.py`). Values of a
request stand apart, as `Bound`: parts that ask for the same with other values are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from hub.domain.agreements import DataClass, Domain
from hub.storage.tables import Base, Labelled

SENSITIVE = frozenset({DataClass.PHI, DataClass.PHI_SENSITIVE, DataClass.PAYROLL})
"""Classes whose reading is written to the audit trail."""


class Access(StrEnum):
    """How the rows of a table are scoped.

    `PRACTICE_ROWS`: by practice, per domain. `PRACTICES`: the practices themselves. `OPERATED`:
    all of them for the MSO, its own (`practice_id`) for a practice. `MSO`: for the MSO only.
    `CATALOGUE`: for everybody, because no row belongs to a practice.
    """

    PRACTICE_ROWS = "practice_rows"
    PRACTICES = "practices"
    OPERATED = "operated"
    MSO = "mso"
    CATALOGUE = "catalogue"


@dataclass(frozen=True, slots=True)
class Bound:
    """A value of the request: its place among the values handed in when the part is run."""

    place: int

    def among(self, values: Sequence[Any]) -> Any:
        return values[self.place]


class Shape(StrEnum):
    """How a stored value is written in JSON."""

    PLAIN = "plain"
    DATE = "date"
    TIMESTAMP = "timestamp"
    MONEY = "money"
    DECIMAL = "decimal"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class SmallGroup:
    """Where the rows that add up to a cross-practice figure lie: one per practice, with its
    weight, in one domain. The row with the figure says in its own column `isolating` whether
    subtracting it from one shown before would tell of a practice."""

    table: type[Base]
    column: str
    weight: str
    domain: Domain


@dataclass(frozen=True, slots=True)
class Source:
    """A table behind a type.

    `subject` is the column that names the patient, `INHERITED` where the row has none and the row
    above it says who it is about. `suppressed` columns obey `small_group`.
    """

    type_name: str
    table: type[Base]
    access: Access
    domain: Domain | None = None
    subject: str | None = None
    small_group: SmallGroup | None = None
    suppressed: frozenset[str] = frozenset()

    @property
    def owned(self) -> bool:
        """True if every row belongs to one practice and its key is ``(practice_id, id)``."""
        return self.access is Access.PRACTICE_ROWS

    @property
    def labelled(self) -> bool:
        """True if its rows may have a sensitivity label, which not every scope includes."""
        return issubclass(self.table, Labelled)


INHERITED = "inherited"


@dataclass(frozen=True, slots=True)
class Constant:
    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class GlobalId:
    key: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stored value. `identifier`: null where only limited rows are granted; `words`: what a WORD
    usually is one of, in lower case."""

    key: str
    column: str
    shape: Shape
    identifier: bool = False
    words: tuple[str, ...] = ()


Compute = Callable[[Sequence[Mapping[str, Any]], datetime], Sequence[Any]]
"""Rows (the columns it needs) and the present moment in, one JSON value per row out."""


@dataclass(frozen=True, slots=True)
class Computed:
    key: str
    needs: tuple[str, ...]
    compute: Compute
    identifier: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """A value a vendor gives now, asked for by the name `asks` once the rows are read."""

    key: str
    asks: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class One:
    """The row that `column` points at, in the same practice where both tables are a practice's."""

    key: str
    column: str
    objects: Objects


@dataclass(frozen=True, slots=True)
class Many:
    """The rows whose `remote` column points here, a page per parent."""

    key: str
    remote: str
    page: Page


@dataclass(frozen=True, slots=True)
class Own:
    """An object made of columns of the row itself, null where the column `present` is. What it
    reads is counted with the row: its classes are among those of the selection it stands in."""

    key: str
    present: str
    objects: Objects


Output = Constant | GlobalId | Leaf | Computed | Live | One | Many | Own


@dataclass(frozen=True, slots=True)
class Objects:
    """What to write of each row, in the order of the document, and the data classes that reads."""

    source: Source
    outputs: tuple[Output, ...]
    classes: frozenset[DataClass]


@dataclass(frozen=True, slots=True)
class Condition:
    """One typed filter: `op` is eq, in, gt, gte, lt, lte, prefix or null."""

    column: str
    op: str
    value: Bound
    identifier: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Sort keys, all in one direction; the row's id breaks ties."""

    columns: tuple[str, ...]
    descending: bool = False
    identifier: bool = False


@dataclass(frozen=True, slots=True)
class Nodes:
    key: str
    objects: Objects


@dataclass(frozen=True, slots=True)
class Cursor:
    key: str


@dataclass(frozen=True, slots=True)
class Edges:
    key: str
    items: tuple[Cursor | Nodes | Constant, ...]


@dataclass(frozen=True, slots=True)
class PageInfo:
    """`items` are pairs of response key and what it holds (hasNextPage, endCursor …)."""

    key: str
    items: tuple[Constant | tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Total:
    key: str


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What rows are grouped by: a column, or the `unit` (day, month, year) of UTC that a date or a
    moment falls in. `target`: the type of the row whose id the column holds."""

    column: str
    shape: Shape
    unit: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class KeyOf:
    """The value of a group; null where nothing is grouped by it (`group` None)."""

    key: str
    group: GroupKey | None


Fold = Literal["sum", "average", "minimum", "maximum"]


@dataclass(frozen=True, slots=True)
class Figure:
    """The values of a column of a group, folded to one."""

    key: str
    column: str
    shape: Shape
    fold: Fold


@dataclass(frozen=True, slots=True)
class Figures:
    """An object of keys or of figures."""

    key: str
    items: tuple[Constant | KeyOf | Figure, ...]


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many rows a group has."""

    key: str


@dataclass(frozen=True, slots=True)
class GroupPractice:
    """The practice a group is of: no group spans two."""

    key: str


@dataclass(frozen=True, slots=True)
class GroupCurrency:
    """The currency of a group's amounts: no group has two, if amounts are asked for."""

    key: str


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Figures of a page's rows, whatever its size: one object per group and practice, and per
    currency where `by_currency`. `classes` are those of groups and figures."""

    key: str
    by: tuple[GroupKey, ...]
    items: tuple[Constant | GroupCount | GroupPractice | GroupCurrency | Figures, ...]
    classes: frozenset[DataClass]
    by_currency: bool = False

    def figures(self) -> tuple[Figure, ...]:
        """Every figure asked for."""
        return tuple(
            item
            for figures in self.items
            if isinstance(figures, Figures)
            for item in figures.items
            if isinstance(item, Figure)
        )


PageOutput = Nodes | Edges | PageInfo | Total | Aggregates | Constant


@dataclass(frozen=True, slots=True)
class Page:
    """A connection. `after` is the id of the last row seen; `classes` those of filters and
    order."""

    source: Source
    outputs: tuple[PageOutput, ...]
    order: Order
    first: Bound
    after: Bound | None = None
    conditions: tuple[Condition, ...] = ()
    classes: frozenset[DataClass] = frozenset()

    def selections(self) -> tuple[Objects, ...]:
        """Every selection made of the page's rows."""
        found = [output.objects for output in self.outputs if isinstance(output, Nodes)]
        for output in self.outputs:
            if isinstance(output, Edges):
                found += [item.objects for item in output.items if isinstance(item, Nodes)]
        return tuple(found)

    def needs_rows(self) -> bool:
        """False if only a total or aggregates were asked for."""
        return any(isinstance(output, Nodes | Edges | PageInfo) for output in self.outputs)


@dataclass(frozen=True, slots=True)
class ById:
    """One row by its id; null if it is missing or not in scope."""

    key: str
    id: Bound
    objects: Objects


@dataclass(frozen=True, slots=True)
class RootPage:
    key: str
    page: Page


@dataclass(frozen=True, slots=True)
class ByIds:
    """Rows by id in the order asked for; the values of `wanted` are pairs of type name and id, None
    if unreadable. `objects` are by type name."""

    key: str
    wanted: Bound
    objects: tuple[tuple[str, Objects], ...]


Root = ById | ByIds | RootPage | Constant
