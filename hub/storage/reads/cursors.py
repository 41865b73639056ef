"""Cursors: where a row stood in an order when it was read.

A cursor carries the sort keys of its row and not its id alone, so that a walk goes on from where it
was even if the row moves in the order meanwhile: no row that stays is left out or met twice. It
says nothing its reader was not shown, since an order is by fields the reader may read. The row must
still be there and in scope. An id by itself is a cursor too, of where its row stands now: the only
one in an order by what identifies a person, because applications log cursors and put them in URLs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from hub.storage.reads.made import read_value, shape_of_type
from hub.storage.reads.parts import Computed, Order, Shape, Source
from hub.storage.reads.select import table_of
from hub.storage.reads.write import WRITERS


@dataclass(frozen=True, slots=True)
class Place:
    """The row's id, and its sort keys where the cursor has them."""

    id: str
    keys: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one order."""

    columns: tuple[str, ...]
    shapes: tuple[Shape, ...]

    def output(self) -> Computed:
        """The cursor as a value that is made of its row's id and keys."""
        return Computed("cursor", ("id", *self.columns), self.written)

    def written(self, rows: Sequence[Mapping[str, Any]], _: datetime) -> list[str | None]:
        """The cursor of each row; null for none."""
        return [None if row["id"] is None else self._written(row) for row in rows]

    def _written(self, row: Mapping[str, Any]) -> str:
        said: list[Any] = [str(row["id"]), ",".join(self.columns)]
        for name, shape in zip(self.columns, self.shapes, strict=True):
            writer = WRITERS[shape]
            said.append(row[name] if writer is None else writer(row[name]))
        return base64.urlsafe_b64encode(orjson.dumps(said)).decode()

    def read(self, text: str) -> Place:
        """What a cursor says; text that is no cursor of this order is taken for an id."""
        return _read(self, text) if self.columns else Place(text)


def cursors_of(source: Source, order: Order) -> Cursors:
    """The cursors of a page of `source`."""
    stored = table_of(source).c
    columns = () if order.identifier else order.columns
    return Cursors(columns, tuple(shape_of_type(stored[name]) for name in columns))


@lru_cache(maxsize=256)
def _read(cursors: Cursors, text: str) -> Place:
    try:
        row_id, columns, *keys = orjson.loads(base64.urlsafe_b64decode(text.encode("ascii")))
        if columns != ",".join(cursors.columns) or not isinstance(row_id, str):
            return Place(text)
        pairs = zip(cursors.shapes, keys, strict=True)
        return Place(row_id, tuple(read_value(shape, value) for shape, value in pairs))
    except (ValueError, TypeError, binascii.Error):
        return Place(text)
