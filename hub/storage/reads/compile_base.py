"""What the makers of objects and of pages share: the row above, and names as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, FromClause

from hub.storage.reads.parts import Constant, Source
from hub.storage.reads.text import Sql

NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


@dataclass(frozen=True, slots=True)
class Row:
    """The row under which something is written.

    `practice` is its practice; `known` the number of the set it was proven to be in. `outer` are
    the FROM clauses a subselect may refer to. `repeated`: the row, and what is below it, may stand
    in the answer more than once. `noted`: its mark names its patient; `same_subject`: so does the
    mark of the row above. `told`: the practice is among those its marks, or those above, tell;
    `above_practice` is the practice of the row above where that is so.
    """

    source: Source
    columns: Mapping[str, Any]
    practice: Sql | None
    known: int | None
    subject: Sql | None
    outer: tuple[FromClause, ...]
    repeated: bool
    same_subject: bool = False
    noted: bool = False
    above_practice: Sql | None = None
    told: bool = False


def key_text(name: str, place: int) -> str:
    """A key as it stands in an object."""
    return f'{"," if place else ""}"{checked_name(name)}":'


def checked_name(name: str) -> str:
    """A name that may stand in the text. Raises ValueError for any other."""
    if NAME.fullmatch(name) is None:
        raise ValueError("not a GraphQL name")
    return name


def constant_text(item: Constant) -> str:
    return "null" if item.value is None else f'"{checked_name(item.value)}"'


def is_nullable(column: Sql) -> bool:
    base = next(iter(column.base_columns), None)
    return not isinstance(base, Column) or bool(base.nullable)
