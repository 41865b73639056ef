"""What the makers of objects and of pages share: the row above, and names as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.storage.reads.fragments import From, Sql, checked_name
from hub.storage.reads.parts import Constant, Source

Columns = From | Mapping[str, Sql]


@dataclass(frozen=True, slots=True)
class Row:
    """The row under which something is written.

    `practice` is its practice; `known` the number of the set it was proven to be in. `repeated`:
    it, and what is below it, may stand in the answer more than once. `noted`: its mark names its
    patient; `same_subject`: so does the mark of the row above. `told`: the practice is among those
    its marks, or those above, tell; `above_practice` is the practice of the row above where that is
    so.
    """

    source: Source
    columns: Columns
    practice: Sql | None
    known: int | None
    subject: Sql | None
    repeated: bool
    same_subject: bool = False
    noted: bool = False
    above_practice: Sql | None = None
    told: bool = False


def key_text(name: str, place: int) -> str:
    """A key as it stands in an object."""
    return f'{"," if place else ""}"{checked_name(name)}":'


def constant_text(item: Constant) -> str:
    return "null" if item.value is None else f'"{checked_name(item.value)}"'
