"""JSON text in SQL: how each database writes values, objects and lists.

The texts are byte for byte those of the level-by-level reads: `to_json` and `json_quote` escape as
orjson does, moments have six decimals, money two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from typing import cast as typed

import orjson
from sqlalchemy import JSON, Boolean, Column, Dialect, Integer, Table
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.reads.fragments import (
    NULL,
    From,
    Sql,
    any_of_list,
    call,
    cast,
    chained,
    chained_evenly,
    checked_name,
    choose,
    compare,
    constant,
    derived,
    equal,
    filtered,
    is_null,
    number,
    rows_of,
    rows_of_function,
    scalar,
    select,
    translated,
    unfolded,
    within,
)
from hub.storage.reads.parts import Shape, SmallGroup
from hub.storage.reads.write import PLAIN_ID
from hub.storage.tables.row_security import group_function

Piece = Sql | str
FEW_WORDS = 8
"""So many are compared with sooner than a word is quoted."""


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbouring constants as one."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        elif not isinstance(piece, str) or piece:
            found.append(piece)
    return found


class Writer(ABC):
    """The texts of one database. `value` is never null for a column that is not nullable."""

    dialect: Dialect
    sign: Literal["$", "?"]
    """What stands before the number of a parameter."""
    has_row_security = False
    """Whether a statement must say for whom it reads."""
    copies_columns = False
    """Whether a column of a subselect is copied each time it is used."""
    nesting: int | None = None
    """How deep subselects may lie in one another, in parentheses; None: as a document has them."""

    def value(
        self, column: Sql, stored: Column[Any], shape: Shape, words: Sequence[str] = ()
    ) -> Sql:
        """The JSON text of a stored value, null if it is null. `words` are those it usually is one
        of."""
        if shape is Shape.DATE:
            return self.date(column)
        if shape is Shape.TIMESTAMP:
            return self.timestamp(column)
        if shape is Shape.MONEY:
            return self.money(column)
        if shape is Shape.DECIMAL:
            return self.text(column)
        if shape is Shape.WORD:
            written = self.text(call("upper", column))
            if not 0 < len(words) <= FEW_WORDS:
                return written
            known = {word: f'"{checked_name(word.upper())}"' for word in words}
            return translated(column, known, written)
        if isinstance(stored.type, Boolean):
            return self.boolean(column)
        if isinstance(stored.type, Integer):
            return self.number(column)
        return self.text(column) if stored.type.python_type is str else self.texts(column)

    def needed(self, column: Sql, stored: Column[Any], shape: Shape) -> Sql:
        """Like `value`; a JSON column as it is stored."""
        if isinstance(stored.type, JSON):
            return cast(column, "TEXT")
        return self.value(column, stored, shape)

    @abstractmethod
    def concat(self, pieces: Iterable[Piece]) -> Sql:
        """The texts one after another; none of them is null."""

    @abstractmethod
    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        """The items of a group with commas between, those where `only` holds."""

    @abstractmethod
    def among(self, value: Sql, listed: Sql) -> Sql:
        """True where the value is in a bound list."""

    @abstractmethod
    def bound_list(self, values: Sequence[Any]) -> Any:
        """A list as the driver takes it."""

    @abstractmethod
    def list_text(self, values: Sequence[str]) -> str:
        """A list as one text, written once for many requests."""

    @abstractmethod
    def among_text(self, value: Sql, listed: Sql) -> Sql:
        """True where the value is in a bound list that was written as text."""

    def spread(self, listed: Sql, alias: str) -> From | None:
        """A bound list as rows of `practice_id`, if the database reads many practices better one
        by one."""
        return None

    @abstractmethod
    def shares(self, group: SmallGroup, row_id: Sql) -> From:
        """`practice_id` and `weight` of each share that belongs to a row, whosever it is."""

    @abstractmethod
    def text(self, column: Sql) -> Sql: ...
    @abstractmethod
    def texts(self, column: Sql) -> Sql: ...
    @abstractmethod
    def number(self, column: Sql) -> Sql: ...
    @abstractmethod
    def boolean(self, column: Sql) -> Sql: ...
    @abstractmethod
    def date(self, column: Sql) -> Sql: ...
    @abstractmethod
    def timestamp(self, column: Sql) -> Sql: ...
    @abstractmethod
    def money(self, column: Sql) -> Sql: ...
    @abstractmethod
    def node_id(self, type_name: str, column: Sql) -> Sql: ...


def _pieces(pieces: Iterable[Piece]) -> list[Sql]:
    return [constant(p) if isinstance(p, str) else p for p in merged(pieces)]


class Postgresql(Writer):
    dialect: Dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    sign = "$"
    has_row_security = True

    def concat(self, pieces: Iterable[Piece]) -> Sql:
        # The function of that name writes each argument twice, whatever its type.
        return chained_evenly(_pieces(pieces))

    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        return call("coalesce", filtered(call("string_agg", item, COMMA), only), EMPTY)

    def among(self, value: Sql, listed: Sql) -> Sql:
        return any_of_list(value, listed)

    def bound_list(self, values: Sequence[Any]) -> Any:
        return list(values)

    def list_text(self, values: Sequence[str]) -> str:
        escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        return "{" + ",".join(f'"{value}"' for value in escaped) + "}"

    def among_text(self, value: Sql, listed: Sql) -> Sql:
        return any_of_list(value, cast(listed, "TEXT[]"))

    def spread(self, listed: Sql, alias: str) -> From | None:
        return unfolded(call("unnest", cast(listed, "TEXT[]")), alias, "practice_id", named=True)

    def shares(self, group: SmallGroup, row_id: Sql) -> From:
        function = group_function(group.table.__tablename__)
        return rows_of_function(function, row_id, "shares", ("practice_id", "weight"))

    def text(self, column: Sql) -> Sql:
        return cast(call("to_json", column), "TEXT")

    def texts(self, column: Sql) -> Sql:
        elements = call("jsonb_array_elements_text", column)
        items = unfolded(elements, "items", "value", named=True)
        found = call("string_agg", self.text(items["value"]), COMMA)
        listed = select(call("concat", constant("["), found, constant("]")), items)
        return choose(is_null(column), NULL, scalar(listed))

    def number(self, column: Sql) -> Sql:
        return cast(column, "TEXT")

    def boolean(self, column: Sql) -> Sql:
        return cast(column, "TEXT")

    def date(self, column: Sql) -> Sql:
        return _quoted(cast(column, "TEXT"))  # ISO, as the connections of reads are set

    def timestamp(self, column: Sql) -> Sql:
        # In UTC, as the connections of reads are set; asking for it takes as long as the rest.
        return _quoted(call("to_char", column, constant('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))

    def money(self, column: Sql) -> Sql:
        cent = cast(constant("0.01"), "NUMERIC")
        return _quoted(cast(compare(cast(column, "NUMERIC"), "*", cent), "TEXT"))

    def node_id(self, type_name: str, column: Sql) -> Sql:
        plain = call("concat", constant(f"{type_name}:"), column)
        coded = call("encode", call("convert_to", plain, constant("UTF8")), constant("base64"))
        # Lines end after 76 characters.
        return call("replace", coded, constant("\n"), EMPTY)


COMMA, EMPTY, QUOTE = constant(","), constant(""), constant('"')


def _quoted(text: Sql) -> Sql:
    """Null stays null."""
    return chained([QUOTE, text, QUOTE])


class Sqlite(Writer):
    dialect = sqlite.dialect(paramstyle="qmark")
    sign = "?"
    copies_columns = True
    nesting = 16  # the stack of SQLite 3.40's parser overflows at 19

    def concat(self, pieces: Iterable[Piece]) -> Sql:
        return chained(_pieces(pieces))

    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        return call("coalesce", filtered(call("group_concat", item, COMMA), only), EMPTY)

    def among(self, value: Sql, listed: Sql) -> Sql:
        items = unfolded(call("json_each", listed), "items", "value", named=False)
        return within(value, select(items["value"], items))

    def bound_list(self, values: Sequence[Any]) -> Any:
        return orjson.dumps(list(values)).decode()

    def list_text(self, values: Sequence[str]) -> str:
        return str(self.bound_list(values))

    def among_text(self, value: Sql, listed: Sql) -> Sql:
        return self.among(value, listed)

    def shares(self, group: SmallGroup, row_id: Sql) -> From:
        rows = rows_of(typed(Table, group.table.__table__), "held")
        columns = {"practice_id": rows["practice_id"], "weight": rows[group.weight]}
        return derived(select(columns, rows, [equal(rows[group.column], row_id)]), "shares")

    def text(self, column: Sql) -> Sql:
        return call("json_quote", column)

    def texts(self, column: Sql) -> Sql:
        items = unfolded(call("json_each", column), "items", "value", named=False)
        found = call("group_concat", call("json_quote", items["value"]), COMMA)
        listed = self.concat(["[", call("coalesce", found, EMPTY), "]"])
        return choose(is_null(column), NULL, scalar(select(listed, items)))

    def number(self, column: Sql) -> Sql:
        return cast(column, "TEXT")

    def boolean(self, column: Sql) -> Sql:
        written = choose(column, constant("true"), constant("false"))
        return choose(is_null(column), NULL, written) if column.nullable else written

    def date(self, column: Sql) -> Sql:
        return _quoted(column)

    def timestamp(self, column: Sql) -> Sql:
        return _quoted(column)

    def money(self, column: Sql) -> Sql:
        cents, hundred = call("abs", column), number(100)
        sign = choose(compare(column, "<", number(0)), constant("-"), EMPTY)
        units = compare(cents, "/", hundred), compare(cents, "%", hundred)
        written = call("printf", constant('"%s%d.%02d"'), sign, *units)
        return choose(is_null(column), NULL, written)

    def node_id(self, type_name: str, column: Sql) -> Sql:
        return chained([constant(f"{PLAIN_ID}{type_name}:"), column, constant(PLAIN_ID)])
