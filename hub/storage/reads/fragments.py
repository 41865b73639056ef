"""Pieces of SQL, put together from a closed set of forms: the one place that writes SQL as text.

What goes in are other pieces, names of the mapping (checked), constants (quoted), numbers of
parameters, and words of the sets below, which the type checker knows. There is no way in for the
text of a request, nor for SQL of somebody else's. Making a statement this way takes a fraction of
what compiling an expression tree does, and it is made whenever a query has a new shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from sqlalchemy import Table

_BOUND = "\x1a"
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
Function = Literal[
    "abs", "coalesce", "concat", "convert_to", "encode", "group_concat", "hub_global_id",
    "json_each", "json_quote", "jsonb_array_elements_text", "max", "printf", "replace",
    "string_agg", "sum", "to_char", "to_json", "unnest", "upper",
]  # fmt: skip
Type = Literal["INTEGER", "NUMERIC", "TEXT", "TEXT[]"]
Operator = Literal["=", "<>", "<", "<=", ">", ">=", "*", "/", "%"]


def checked_name(name: str) -> str:
    """A name that may stand in a statement. Raises ValueError for any other."""
    if NAME.fullmatch(name) is None:
        raise ValueError("not a name")
    return name


@lru_cache(maxsize=2_000)
def _quoted(name: str) -> str:
    return f'"{checked_name(name)}"'


class Sql:
    """An expression. Made by this module only."""

    __slots__ = ("nullable", "text")

    def __init__(self, text: str, *, nullable: bool = True) -> None:
        self.text = text
        self.nullable = nullable


class Query:
    """A SELECT, and of each named column whether it may be null."""

    __slots__ = ("columns", "text")

    def __init__(self, text: str, columns: Mapping[str, bool]) -> None:
        self.text = text
        self.columns = columns


class From:
    """Rows under an alias, and of each column whether it may be null."""

    __slots__ = ("alias", "columns", "text")

    def __init__(self, alias: str, text: str, columns: Mapping[str, bool]) -> None:
        self.alias = alias
        self.text = text
        self.columns = columns

    def __getitem__(self, name: str) -> Sql:
        """A column. Raises KeyError for one that is not there."""
        return Sql(f"{self.alias}.{_quoted(name)}", nullable=self.columns[name])


# Rows


@lru_cache(maxsize=500)
def _columns_of(table: Table) -> Mapping[str, bool]:
    return {column.name: bool(column.nullable) for column in table.columns}


def rows_of(table: Table, alias: str) -> From:
    return From(checked_name(alias), f"{_quoted(table.name)} AS {alias}", _columns_of(table))


def derived(query: Query, alias: str) -> From:
    return From(checked_name(alias), f"({query.text}) AS {alias}", query.columns)


def unfolded(call: Sql, alias: str, column: str, *, named: bool) -> From:
    """The rows of a function. `named`: the database lets the column be named; else it is `column`
    by nature."""
    names = f"({_quoted(column)})" if named else ""
    return From(checked_name(alias), f"{call.text} AS {alias}{names}", {column: True})


def rows_of_function(name: str, argument: Sql, alias: str, columns: Sequence[str]) -> From:
    """The rows of a function that the tables were made with, which names its columns itself."""
    text = f"{_quoted(name)}({argument.text}) AS {checked_name(alias)}"
    return From(alias, text, dict.fromkeys(columns, False))


def for_each(rows: From, query: Query, alias: str) -> From:
    """The rows of a query that refers to `rows`, for each of those."""
    text = f"{rows.text} JOIN LATERAL ({query.text}) AS {checked_name(alias)} ON true"
    return From(alias, text, query.columns)


def select(
    columns: Sql | Mapping[str, Sql],
    rows: From | None = None,
    where: Sequence[Sql] = (),
    order: Sequence[Sql] = (),
    limit: Sql | None = None,
    *,
    apart: bool = False,
) -> Query:
    """A SELECT of one expression, or of named ones; `apart` keeps the planner from merging it into
    the query around it."""
    if isinstance(columns, Sql):
        named, selected = {}, columns.text
    else:
        named = {name: column.nullable for name, column in columns.items()}
        listed = [f"{column.text} AS {_quoted(name)}" for name, column in columns.items()]
        selected = ", ".join(listed)
    text = f"SELECT {selected}"
    if rows is not None:
        text += f" FROM {rows.text}"
    if where:
        text += f" WHERE {' AND '.join(clause.text for clause in where)}"
    if order:
        text += f" ORDER BY {_listed(order)}"
    if limit is not None:
        text += f" LIMIT {limit.text}"
    if apart:
        text += " OFFSET 0"
    return Query(text, named)


# Expressions


def _listed(pieces: Sequence[Sql]) -> str:
    return ", ".join([piece.text for piece in pieces])


def constant(text: str) -> Sql:
    """A constant of the mapping or of GraphQL names."""
    if _BOUND in text:
        raise ValueError("not a constant")
    doubled = text.replace("'", "''")
    return Sql(f"'{doubled}'", nullable=False)


def number(value: int) -> Sql:
    return Sql(str(int(value)), nullable=False)


NULL = Sql("NULL")


def parameter(place: int) -> Sql:
    """A bound value, by its place among those known; `numbered` gives it its number."""
    return Sql(f"{_BOUND}{int(place)}{_BOUND}")


def numbered(query: Query, sign: Literal["$", "?"]) -> tuple[str, list[int]]:
    """The statement as the database takes it, and the places of its parameters in their order.
    One that was made and is not used is not among them."""
    pieces = query.text.split(_BOUND)
    numbers: dict[str, int] = {}
    for place in pieces[1::2]:
        numbers.setdefault(place, len(numbers) + 1)
    pieces[1::2] = [f"{sign}{numbers[place]}" for place in pieces[1::2]]
    return "".join(pieces), [int(place) for place in numbers]


def scalar(query: Query) -> Sql:
    return Sql(f"({query.text})")


def exists(query: Query) -> Sql:
    return Sql(f"EXISTS ({query.text})", nullable=False)


def call(function: Function, *arguments: Sql) -> Sql:
    return Sql(f"{function}({_listed(arguments)})")


def set_locally(setting: str, value: Sql) -> Sql:
    """Makes a setting of PostgreSQL until the transaction ends; its value is the text set."""
    return Sql(f"set_config({constant(setting).text}, {value.text}, true)", nullable=False)


def cast(value: Sql, type_: Type) -> Sql:
    return Sql(f"CAST({value.text} AS {type_})", nullable=value.nullable)


def count() -> Sql:
    return Sql("count(*)", nullable=False)


def filtered(aggregate: Sql, only: Sql | None) -> Sql:
    """An aggregate over the rows where `only` holds."""
    if only is None:
        return aggregate
    return Sql(f"{aggregate.text} FILTER (WHERE {only.text})")


def count_of_all() -> Sql:
    return Sql("count(*) OVER ()", nullable=False)


def row_number(order: Sequence[Sql]) -> Sql:
    return Sql(f"row_number() OVER (ORDER BY {_listed(order)})", nullable=False)


def compare(left: Sql, operator: Operator, right: Sql) -> Sql:
    """A comparison or a product; what is compared never is a comparison itself."""
    return Sql(f"{left.text} {operator} {right.text}")


def equal(left: Sql, right: Sql) -> Sql:
    return compare(left, "=", right)


def chained(pieces: Sequence[Sql]) -> Sql:
    """Texts one after another; null if one of them is."""
    return Sql(" || ".join([piece.text for piece in pieces]))


def chained_evenly(pieces: Sequence[Sql]) -> Sql:
    """Like `chained`, in pairs of pairs: however many there are, none is copied more often than
    they can be halved."""
    if len(pieces) < 3:
        return chained(pieces)
    middle = (len(pieces) + 1) // 2
    halves = (chained_evenly(pieces[:middle]), chained_evenly(pieces[middle:]))
    return chained([Sql(f"({half.text})") for half in halves])


def together(values: Sequence[Sql]) -> Sql:
    """Several values as one, compared from the first to the last."""
    return values[0] if len(values) == 1 else Sql(f"({_listed(values)})")


def is_null(value: Sql, *, is_not: bool = False) -> Sql:
    return Sql(f"{value.text} IS {'NOT ' if is_not else ''}NULL", nullable=False)


def within(value: Sql, query: Query) -> Sql:
    return Sql(f"{value.text} IN ({query.text})")


def any_of_list(value: Sql, listed: Sql) -> Sql:
    return Sql(f"{value.text} = ANY ({listed.text})")


def both(left: Sql, right: Sql) -> Sql:
    return Sql(f"({left.text} AND {right.text})")


def either(left: Sql, right: Sql) -> Sql:
    return Sql(f"({left.text} OR {right.text})")


def negated(clause: Sql) -> Sql:
    return Sql(f"NOT ({clause.text})")


def never() -> Sql:
    return Sql("1 = 0", nullable=False)


def choose(condition: Sql, then: Sql, otherwise: Sql) -> Sql:
    nullable = then.nullable or otherwise.nullable
    text = f"CASE WHEN {condition.text} THEN {then.text} ELSE {otherwise.text} END"
    return Sql(text, nullable=nullable)


def translated(value: Sql, words: Mapping[str, str], otherwise: Sql) -> Sql:
    """What `words` says of a text, or something else for one that is not among them."""
    pairs = [f"WHEN {constant(a).text} THEN {constant(b).text}" for a, b in words.items()]
    text = f"CASE {value.text} {' '.join(pairs)} ELSE {otherwise.text} END"
    return Sql(text, nullable=otherwise.nullable)


def ordered(value: Sql, *, descending: bool) -> Sql:
    return Sql(f"{value.text} {'DESC' if descending else 'ASC'}")
