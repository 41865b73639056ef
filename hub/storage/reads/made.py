"""Values the hub makes of stored ones, in an answer that the database writes as text.

Where such a value belongs the statement leaves a hole: between two control characters, which JSON
text never holds unescaped, the number of the field and what it needs of the row. Rows that need the
same are worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Column, Date

from hub.storage.reads.parts import Computed, Shape
from hub.storage.tables.base import ExactDecimal, Money, Timestamp

HOLE = "\x1d"
_OF_TYPE: tuple[tuple[type[Any], Shape], ...] = (
    (Timestamp, Shape.TIMESTAMP),
    (Money, Shape.MONEY),
    (ExactDecimal, Shape.DECIMAL),
    (Date, Shape.DATE),
)
_READ: dict[Shape, Callable[[str], Any]] = {
    Shape.TIMESTAMP: datetime.fromisoformat,
    Shape.MONEY: Decimal,
    Shape.DECIMAL: Decimal,
    Shape.DATE: date.fromisoformat,
}


def shape_of_type(column: Column[Any]) -> Shape:
    """How the values of a column are written if nothing else is said."""
    return next((shape for kind, shape in _OF_TYPE if isinstance(column.type, kind)), Shape.PLAIN)


def read_value(shape: Shape, value: Any) -> Any:
    """A value that is not null, of the JSON it was written as. Raises ValueError or TypeError."""
    reader = _READ.get(shape)
    return value if reader is None else reader(value)


@dataclass(frozen=True, slots=True)
class Made:
    """A computed field and the shapes of what it needs, in its order."""

    output: Computed
    shapes: tuple[Shape, ...]

    def values(self, needed: Sequence[str], now: datetime) -> list[str]:
        """The JSON texts of the field, for the texts of what it needs."""
        readers = [_READ.get(shape) for shape in self.shapes]
        rows = [
            {
                name: value if read is None or value is None else read(value)
                for name, read, value in zip(self.output.needs, readers, listed, strict=True)
            }
            for listed in orjson.loads(f"[{','.join(needed)}]")
        ]
        return [orjson.dumps(value).decode() for value in self.output.compute(rows, now)]


def fill_in(text: str, made: Sequence[Made], now: datetime) -> str:
    """The text with its holes filled."""
    pieces = text.split(HOLE)
    holes: dict[str, list[str]] = {}
    for hole in set(pieces[1::2]):
        number, _, _ = hole.partition("[")
        holes.setdefault(number, []).append(hole)
    values: dict[str, str] = {}
    for number, found in holes.items():
        needed = [hole[len(number) :] for hole in found]
        values.update(zip(found, made[int(number)].values(needed, now), strict=True))
    pieces[1::2] = [values[hole] for hole in pieces[1::2]]
    return "".join(pieces)
