"""JSON text in SQL: how each database writes values, objects and lists.

Everything is SQLAlchemy Core. The texts are byte for byte those of the level-by-level reads:
`to_json` and `json_quote` escape as orjson does, moments have six decimals, money two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Integer,
    Numeric,
    String,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.reads.parts import Shape

Sql = ColumnElement[Any]
Piece = Sql | str
MOST_ARGUMENTS = 100
SQLITE_NODE_ID = "hub_global_id"
"""The function of two arguments (type name, row id) that a SQLite connection must have."""


def constant(text: str) -> Sql:
    """A constant of the mapping or of GraphQL names, written by the dialect's literal processor."""
    return bindparam(None, text, type_=String(), unique=True, literal_execute=True)


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
    nesting: int | None = None
    """How deep subselects may lie in one another, in parentheses; None: as a document has them."""
    has_row_security = False
    """Whether a statement must say for whom it reads."""

    def value(self, column: Sql, stored: Column[Any], shape: Shape) -> Sql:
        """The JSON text of a stored value, null if it is null."""
        if shape is Shape.DATE:
            return self.date(column)
        if shape is Shape.TIMESTAMP:
            return self.timestamp(column)
        if shape is Shape.MONEY:
            return self.money(column)
        if shape is Shape.DECIMAL:
            return self.text(column)
        if shape is Shape.WORD:
            return self.text(func.upper(column, type_=String()))
        if isinstance(stored.type, Boolean):
            return self.boolean(column)
        if isinstance(stored.type, Integer):
            return self.number(column)
        return self.text(column) if stored.type.python_type is str else self.texts(column)

    def needed(self, column: Sql, stored: Column[Any], shape: Shape) -> Sql:
        """Like `value`; a JSON column as it is stored."""
        if isinstance(stored.type, JSON):
            return cast(column, Text)
        return self.value(column, stored, shape)

    @abstractmethod
    def concat(self, pieces: Iterable[Piece]) -> Sql:
        """The texts one after another; none of them is null."""

    @abstractmethod
    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        """The items of a group with commas between, those where `only` holds."""

    @abstractmethod
    def among(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        """True where the value is in a bound list."""

    @abstractmethod
    def bound_list(self, values: Sequence[Any]) -> Any:
        """A list as the driver takes it."""

    @abstractmethod
    def list_text(self, values: Sequence[str]) -> str:
        """A list as one text, written once for many requests."""

    @abstractmethod
    def among_text(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        """True where the value is in a bound list that was written as text."""

    def spread(self, listed: BindParameter[Any]) -> Any:
        """A bound list as rows, if the database reads many practices better one by one."""
        return None

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
    has_row_security = True

    def concat(self, pieces: Iterable[Piece]) -> Sql:
        listed = _pieces(pieces)
        while len(listed) > MOST_ARGUMENTS:
            chunks = range(0, len(listed), MOST_ARGUMENTS)
            listed = [_concat(listed[i : i + MOST_ARGUMENTS]) for i in chunks]
        return _concat(listed)

    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        found = func.string_agg(item, constant(","), type_=Text())
        return func.coalesce(found if only is None else found.filter(only), constant(""))

    def among(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        return value == func.any(listed)

    def bound_list(self, values: Sequence[Any]) -> Any:
        return list(values)

    def list_text(self, values: Sequence[str]) -> str:
        escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        return "{" + ",".join(f'"{value}"' for value in escaped) + "}"

    def among_text(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        return value == func.any(cast(listed, ARRAY(Text)))

    def spread(self, listed: BindParameter[Any]) -> Any:
        listed_rows = func.unnest(cast(listed, ARRAY(Text))).table_valued("practice_id")
        return listed_rows.render_derived()

    def text(self, column: Sql) -> Sql:
        return cast(func.to_json(column), Text)

    def texts(self, column: Sql) -> Sql:
        items = func.jsonb_array_elements_text(column).table_valued("item").render_derived()
        found = func.string_agg(self.text(items.c.item), constant(","), type_=Text())
        listed = select(func.concat(constant("["), found, constant("]"))).select_from(items)
        return case((column.is_(None), None), else_=listed.scalar_subquery())

    def number(self, column: Sql) -> Sql:
        return cast(column, Text)

    def boolean(self, column: Sql) -> Sql:
        return cast(column, Text)

    def date(self, column: Sql) -> Sql:
        return cast(func.to_json(column), Text)

    def timestamp(self, column: Sql) -> Sql:
        form = constant('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        return _quoted(func.to_char(func.timezone(constant("UTC"), column), form, type_=Text()))

    def money(self, column: Sql) -> Sql:
        units = cast(column, Numeric).op("*")(cast(constant("0.01"), Numeric))
        return _quoted(cast(units, Text))

    def node_id(self, type_name: str, column: Sql) -> Sql:
        plain = func.concat(constant(f"{type_name}:"), column)
        coded = func.encode(func.convert_to(plain, constant("UTF8")), constant("base64"))
        # Lines end after 76 characters.
        return func.replace(coded, constant("\n"), constant(""), type_=String())


def _quoted(text: Sql) -> Sql:
    """Null stays null."""
    quote = constant('"')
    return quote.concat(text).concat(quote)


def _concat(listed: Sequence[Sql]) -> Sql:
    return listed[0] if len(listed) == 1 else func.concat(*listed, type_=Text())


class Sqlite(Writer):
    dialect = sqlite.dialect(paramstyle="qmark")
    nesting = 16  # the stack of SQLite 3.40's parser overflows at 19

    def concat(self, pieces: Iterable[Piece]) -> Sql:
        first, *others = _pieces(pieces)
        for piece in others:
            first = first.concat(piece)
        return first

    def joined(self, item: Sql, only: Sql | None = None) -> Sql:
        found = func.group_concat(item, constant(","), type_=Text())
        return func.coalesce(found if only is None else found.filter(only), constant(""))

    def among(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        return value.in_(select(func.json_each(listed).table_valued("value").c.value))

    def bound_list(self, values: Sequence[Any]) -> Any:
        return orjson.dumps(list(values)).decode()

    def list_text(self, values: Sequence[str]) -> str:
        return str(self.bound_list(values))

    def among_text(self, value: Sql, listed: BindParameter[Any]) -> Sql:
        return self.among(value, listed)

    def text(self, column: Sql) -> Sql:
        return func.json_quote(column, type_=Text())

    def texts(self, column: Sql) -> Sql:
        items = func.json_each(column).table_valued("value")
        found = func.group_concat(func.json_quote(items.c.value), constant(","), type_=Text())
        listed = select(self.concat(["[", func.coalesce(found, constant("")), "]"]))
        return case((column.is_not(None), listed.select_from(items).scalar_subquery()))

    def number(self, column: Sql) -> Sql:
        return cast(column, Text)

    def boolean(self, column: Sql) -> Sql:
        return case((column, constant("true")), (~column, constant("false")))

    def date(self, column: Sql) -> Sql:
        return _quoted(column)

    def timestamp(self, column: Sql) -> Sql:
        return _quoted(column)

    def money(self, column: Sql) -> Sql:
        cents = func.abs(column)
        form = constant('"%s%d.%02d"')
        sign = case((column < literal(0, literal_execute=True), constant("-")), else_=constant(""))
        hundred = literal(100, literal_execute=True)
        written = func.printf(form, sign, cents.op("/")(hundred), cents.op("%")(hundred))
        return case((column.is_not(None), written))

    def node_id(self, type_name: str, column: Sql) -> Sql:
        coded: Sql = getattr(func, SQLITE_NODE_ID)(constant(type_name), column, type_=String())
        return coded
