"""The parameters of a statement: named in the SQL, filled from each request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column

from hub.domain.agreements import Scope
from hub.storage.consents import CONSENTS
from hub.storage.reads import select as sql
from hub.storage.reads.cursors import Cursors
from hub.storage.reads.fragments import (
    Operator,
    Sql,
    both,
    cast,
    compare,
    equal,
    is_null,
    parameter,
)
from hub.storage.reads.parts import Bound, Condition, Page
from hub.storage.reads.scoping import ScopeShape, Sets
from hub.storage.reads.text import Writer
from hub.storage.tables.row_security import sensitive_keys

Fill = Callable[[Sequence[Any], Sets, Scope], Any]
"""A parameter from the values of a request and its scope."""
_CONSENT_STARTS = CONSENTS.c.starts_at.type
COMPARED: dict[str, Operator] = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Binds:
    """Collects how to fill each parameter. One of a name it has already is the same.

    With `only`, all rows of the statement belong to the practices with these ids: of each set of
    practices those alone are bound.
    """

    def __init__(self, shape: ScopeShape, writer: Writer, only: Sequence[Bound] = ()) -> None:
        self._shape = shape
        self._writer = writer
        self._only = tuple(only)
        self.fills: list[Fill] = []
        self._places: dict[str, int] = {}

    def own(self) -> Sql:
        return self._bind("own", lambda _, __, scope: scope.own_practice_id)

    def _bind(self, name: str, fill: Fill) -> Sql:
        place = self._places.setdefault(name, len(self.fills))
        if place == len(self.fills):
            self.fills.append(fill)
        return parameter(place)

    def first(self, page: Page, more: int) -> Sql:
        place = page.first.place
        name = f"first_{place}_{more}"
        return cast(self._bind(name, lambda values, _, __: values[place] + more), "INTEGER")

    def member(self, value: Sql, number: int) -> Sql:
        """True where `value` is one of the practices of a set."""
        if self._shape.single[number]:
            only = self._bind(f"set_{number}", lambda _, sets, __: sets[number][0])
            return equal(value, only)
        return self._writer.among_text(value, self.set(number))

    def set(self, number: int) -> Sql:
        return self._bind(f"set_{number}", self._list(number))

    def _list(self, number: int) -> Fill:
        writer, only = self._writer, self._only
        if not only:
            return lambda _, sets, __: _listed(writer, sets[number])
        places = [bound.place for bound in only]
        return lambda values, sets, _: _listed(
            writer, _of_both([values[place] for place in places], sets[number])
        )

    def readable(self, number: int) -> Sql:
        """A set of practices as the text of a list, also where it has only one."""
        if not self._shape.single[number]:
            return self.set(number)
        return self._bind(f"list_{number}", self._list(number))

    def readable_or_own(self, number: int) -> Sql:
        """Like `readable`, with the practice whose credential asks."""
        if not self._shape.has_own:
            return self.readable(number)
        writer = self._writer
        return self._bind(
            f"list_{number}_own",
            lambda _, sets, scope: _listed(
                writer, tuple(sorted({*sets[number], str(scope.own_practice_id)}))
            ),
        )

    def sensitive(self) -> Sql:
        """The practices whose labelled rows are shown, as row-level security compares them."""
        writer = self._writer
        return self._bind(
            "sensitive",
            lambda _, __, scope: _listed(writer, tuple(sorted(sensitive_keys(scope)))),
        )

    def consents_at(self) -> Sql:
        """The moment at which consents are asked for, as they hold their own."""
        convert = _CONSENT_STARTS.dialect_impl(self._writer.dialect).bind_processor(
            self._writer.dialect
        )
        one: Callable[[Any], Any] = convert or (lambda value: value)
        return self._bind("consents_at", lambda _, __, scope: one(scope.consents_at))

    def consents_at_text(self) -> Sql:
        """The same as row-level security compares it."""
        return self._bind(
            "consents_at_text",
            lambda _, __, scope: scope.consents_at and scope.consents_at.isoformat(),
        )

    def purpose(self) -> Sql:
        return self._bind("purpose", lambda _, __, scope: scope.purpose.value)

    def patient(self) -> Sql:
        """The patient of an emergency."""
        return self._bind(
            "patient",
            lambda _, __, scope: None if scope.emergency is None else scope.emergency.patient_id,
        )

    def key(self, bound: Bound, column: Column[Any]) -> Sql:
        """An id from outside; null where it cannot be one, which matches no row."""
        place = bound.place
        if column.type.python_type is int:
            return self._bind(f"key_{place}", lambda values, _, __: _whole(values[place]))
        return self._bind(f"key_{place}", lambda values, _, __: values[place])

    def cursor_id(self, bound: Bound, cursors: Cursors, column: Column[Any]) -> Sql:
        """The id of a cursor's row, like `key`."""
        place, number = bound.place, column.type.python_type is int
        return self._bind(
            f"cursor_{place}",
            lambda values, _, __: (
                _whole(cursors.read(values[place]).id) if number else cursors.read(values[place]).id
            ),
        )

    def cursor_key(self, bound: Bound, cursors: Cursors, number: int, stored: Column[Any]) -> Sql:
        """A sort key of a cursor; null where it has none."""
        place = bound.place
        dialect = self._writer.dialect
        convert = stored.type.dialect_impl(dialect).bind_processor(dialect)

        def fill(values: Sequence[Any], _: Sets, __: Scope) -> Any:
            keys = cursors.read(values[place]).keys
            if keys is None:
                return None
            return keys[number] if convert is None else convert(keys[number])

        return self._bind(f"cursor_{place}_{number}", fill)

    def condition(self, column: Sql, stored: Column[Any], item: Condition) -> Sql:
        if item.op in ("null", "not_null"):
            return is_null(column, is_not=item.op == "not_null")
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
            return both(compare(column, ">=", value), compare(column, "<", end))
        return compare(column, COMPARED[item.op], value)


@lru_cache(maxsize=256)
def _listed(writer: Writer, practices: tuple[str, ...]) -> str:
    """A set of practices as one text; drivers write a list element by element."""
    return writer.list_text(practices)


def _of_both(ids: Sequence[str], practices: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some ids that are in a sorted set."""
    found = [each for each in ids if _holds(practices, each)]
    return tuple(found if len(found) < 2 else sorted(set(found)))


def _holds(practices: tuple[str, ...], practice_id: str) -> bool:
    place = bisect_left(practices, practice_id)
    return place < len(practices) and practices[place] == practice_id


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
