"""The parameters of a statement: named in the SQL, filled from each request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Column, Integer, Text, and_, bindparam, cast, func

from hub.domain.agreements import Scope
from hub.storage.reads import select as sql
from hub.storage.reads.parts import Bound, Condition, Page
from hub.storage.reads.scoping import ScopeShape, Sets
from hub.storage.reads.text import Sql, Writer, constant

Fill = Callable[[Sequence[Any], Sets, Scope], Any]
"""A parameter from the values of a request and its scope."""


class Binds:
    """Collects how to fill each parameter, by its name."""

    def __init__(self, shape: ScopeShape, writer: Writer) -> None:
        self._shape = shape
        self._writer = writer
        self.fills: dict[str, Fill] = {}

    def own(self) -> BindParameter[Any]:
        return self._bind("own", lambda _, __, scope: scope.own_practice_id)

    def _bind(self, name: str, fill: Fill, type_: Any = None) -> BindParameter[Any]:
        self.fills[name] = fill
        return bindparam(name, type_=type_, required=False)

    def first(self, page: Page, more: int) -> BindParameter[Any]:
        place = page.first.place
        name = f"first_{place}_{more}"
        return self._bind(name, lambda values, _, __: values[place] + more, Integer())

    def member(self, value: Sql, number: int) -> Sql:
        """True where `value` is one of the practices of a set."""
        if self._shape.single[number]:
            return value == self._only(number)
        return self._writer.among_text(value, self.set(number))

    def array(self, number: int) -> Sql:
        """A set of practices as the text of PostgreSQL's array."""
        if self._shape.single[number]:
            return func.concat(
                constant('{"'), cast(self._only(number), Text), constant('"}'), type_=Text()
            )
        return cast(cast(self.set(number), ARRAY(Text)), Text)

    def _only(self, number: int) -> BindParameter[Any]:
        return self._bind(f"set_{number}", lambda _, sets, __: sets[number][0])

    def set(self, number: int) -> BindParameter[Any]:
        writer = self._writer
        return self._bind(f"set_{number}", lambda _, sets, __: _listed(writer, sets[number]))

    def key(self, bound: Bound, column: Column[Any]) -> BindParameter[Any]:
        """An id from outside; null where it cannot be one, which matches no row."""
        place = bound.place
        if column.type.python_type is int:
            return self._bind(f"key_{place}", lambda values, _, __: _whole(values[place]))
        return self._bind(f"key_{place}", lambda values, _, __: values[place])

    def condition(self, column: Sql, stored: Column[Any], item: Condition) -> Sql:
        if item.op in ("null", "not_null"):
            return column.is_(None) if item.op == "null" else column.is_not(None)
        place, name = item.value.place, f"value_{item.value.place}"
        convert = stored.type.dialect_impl(self._writer.dialect).bind_processor(
            self._writer.dialect
        )
        one: Callable[[Any], Any] = convert or (lambda value: value)
        if item.op == "in":
            listed = self._writer.bound_list
            fill: Fill = lambda values, _, __: listed([one(value) for value in values[place]])  # noqa: E731
            return self._writer.among(column, self._bind(name, fill))
        value = self._bind(name, lambda values, _, __: one(values[place]))
        if item.op == "prefix":
            # By code point, so that the index serves it on both databases.
            end = self._bind(
                f"{name}_end", lambda values, _, __: values[place] + sql.LAST_CHARACTER
            )
            return and_(column >= value, column < end)
        return {
            "eq": column.__eq__,
            "gt": column.__gt__,
            "gte": column.__ge__,
            "lt": column.__lt__,
            "lte": column.__le__,
        }[item.op](value)


@lru_cache(maxsize=256)
def _listed(writer: Writer, practices: tuple[str, ...]) -> str:
    """A set of practices as one text; drivers write a list element by element."""
    return writer.list_text(practices)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
