"""Rows of every table and documents of every shape, drawn at random from the declared schema."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)
from sqlalchemy import Boolean, Column, Date, Integer, Table
from sqlalchemy.exc import IntegrityError

from hub.domain.agreements import unrestricted_scope
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from hub.storage.tables import Base
from hub.storage.tables.base import ExactDecimal, Money, Timestamp
from schema.mapping.declare import Stored
from schema.root import TYPES

Rows = dict[str, list[Any]]

TEXTS = [
    "Abe",
    "Abel",
    "",
    'O"Brien\\ / <b>',
    "\x01\x08\t\n\x0b\x0c\r\x1e\x1f\x7f",
    "\u00e9\u0161\u017f\u2028\u2029\ufeff",
    "\U0001f600 \U0010ffff",
    "null",
    '{"a":1}',
]
DAYS = [date(1980, 5, 17), date(2026, 3, 2), date(2026, 2, 28)]
MOMENTS = [
    datetime(2026, 3, 2, 15, tzinfo=UTC),
    datetime(2026, 3, 2, 15, 0, 0, 120, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
AMOUNTS = [Decimal("0.00"), Decimal("12.50"), Decimal("-0.05"), Decimal("123456789.01")]
NUMBERS = [Decimal("1.50"), Decimal("-0.001"), Decimal("100")]
COUNTS = [0, 1, 7, -3]
LISTS: list[list[str]] = [[], ["25", "59"], ['a"b', "é\x01"]]


class Filler:
    """Fills tables in the order of their keys."""

    def __init__(self, declared: dict[str, Stored], practices: int, each: int) -> None:
        self._random = random.Random(20260302)
        self._tables: dict[str, Stored] = {}
        for item in declared.values():
            self._tables.setdefault(item.table.__tablename__, item)
        self._practices = practices
        self._each = each
        self._number = 0
        self.rows: Rows = {}

    def fill(self, database: Database) -> Rows:
        """Rows by table name, every one stored."""

        def work(session: Any) -> None:
            for table in Base.metadata.sorted_tables:
                if table.name in self._tables:
                    self._fill(session, table)

        database.transaction(unrestricted_scope("test"), work)
        return self.rows

    def _fill(self, session: Any, table: Table) -> None:
        kept = self.rows.setdefault(table.name, [])
        owners: list[Any] = [row.id for row in self.rows.get("practices", [])] or [None]
        amount = self._each if table.name != "practices" else self._practices
        for owner in owners if "practice_id" in table.c else [None]:
            for _ in range(amount):
                row = self._row(table, owner)
                if row is None:
                    continue
                try:
                    with session.begin_nested():
                        session.add(row)
                except IntegrityError:
                    continue
                kept.append(row)

    def _row(self, table: Table, owner: str | None) -> Any:
        stored = self._tables[table.name]
        values: dict[str, Any] = {}
        for key in table.foreign_key_constraints:
            target, [*names] = key.referred_table.name, [c.name for c in key.columns]
            pointer = next((n for n in names if n != "practice_id"), None)
            if pointer is None:
                continue
            found = [
                row
                for row in self.rows.get(target, [])
                if "practice_id" not in names or row.practice_id == owner
            ]
            if table.c[pointer].nullable and self._random.random() < 0.3:
                found = []
            if not found and not table.c[pointer].nullable:
                return None
            values[pointer] = self._random.choice(found).id if found else None
        if "practice_id" in table.c:
            values["practice_id"] = owner
        for column in table.c:
            if column.name not in values:
                values[column.name] = self._value(stored, column)
        return stored.table(**values)

    def _value(self, stored: Stored, column: Column[Any]) -> Any:
        pick = self._random.choice
        if column.primary_key and isinstance(column.type, Integer):
            self._number += 1
            return self._number
        if column.name in ("id", "external_id", "control_id"):
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        if column.nullable and self._random.random() < 0.3:
            return None
        for name, col in stored.fields.items():
            if col.words and stored.column_name(name) == column.name:
                return pick(col.words)
        if column.name == "sensitivity":
            return pick(["", "", "SUD", "HIV"])
        if column.name == "zone":
            return "America/Chicago"
        if column.name == "rules":  # of a round: read by name, so never a list
            return {}
        return self._of_type(column, pick)

    def _of_type(self, column: Column[Any], pick: Any) -> Any:
        kinds = [(Timestamp, MOMENTS), (Money, AMOUNTS), (ExactDecimal, NUMBERS), (Date, DAYS)]
        for kind, values in [*kinds, (Boolean, [True, False]), (Integer, COUNTS)]:
            if isinstance(column.type, kind):
                return pick(values)
        if column.type.python_type is str:
            return pick(TEXTS)
        if column.type.python_type is bytes:
            return b"x"
        return pick(LISTS) if column.default is None or column.name != "config" else {}


# Documents


@dataclass
class Writer:
    """Writes one document; every choice follows from the seed."""

    random: random.Random
    schema: GraphQLSchema
    rows: Rows
    variables: dict[str, Any] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    aliases: int = 0

    def pick(self, values: Any) -> Any:
        return self.random.choice(list(values))

    def often(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def document(self) -> str:
        query = self.schema.query_type
        assert query is not None
        roots = [name for name in query.fields if name != "connectors"]
        written = [
            self.field(query, self.pick(roots), 0, f"root{number}")
            for number in range(self.random.randint(1, 3))
        ]
        stated = f"({', '.join(self.definitions)})" if self.definitions else ""
        return f"query{stated} {{ {' '.join(written)} }} {' '.join(self.fragments)}"

    def field(self, owner: GraphQLObjectType, name: str, depth: int, alias: str = "") -> str:
        stated = owner.fields[name]
        target = get_named_type(stated.type)
        if not alias and self.aliases < 8 and self.often(15):
            self.aliases += 1
            alias = f"a{self.aliases}"
        text = f"{alias}: {name}" if alias else name
        arguments = [
            f"{argument}: {value}"
            for argument, declared in stated.args.items()
            if (value := self.argument(argument, declared.type, depth)) is not None
        ]
        text += f"({', '.join(arguments)})" if arguments else ""
        if self.often(10):
            text += f" @{self.pick(['include', 'skip'])}(if: {self.boolean()})"
        if not is_leaf_type(target):
            text += f" {{ {self.selection(target, depth + 1)} }}"
        return text

    def selection(self, target: Any, depth: int) -> str:
        if isinstance(target, GraphQLInterfaceType):
            kinds = [self.pick(self.schema.get_possible_types(target)) for _ in range(2)]
            inner = {kind.name: self.selection(kind, depth) for kind in kinds}
            return "id __typename " + " ".join(f"... on {n} {{ {s} }}" for n, s in inner.items())
        leaves = [n for n, f in target.fields.items() if is_leaf_type(get_named_type(f.type))]
        deeper = [n for n in target.fields if n not in leaves]
        if target.name == "PageInfo" or depth > 7:
            deeper = []
        wrapper = target.name.endswith(("Connection", "Edge")) and target.name != "Connection"
        chosen = [self.pick(deeper)] if wrapper and deeper else []
        for name in ([self.pick(leaves)] if leaves else []) + [
            self.pick(target.fields) for _ in range(self.random.randint(0, 3))
        ]:
            if name in leaves or (name in deeper and (wrapper or self.often(60 - 8 * depth))):
                chosen.append(name)
        parts = [self.field(target, name, depth) for name in dict.fromkeys(chosen)]
        if self.often(15):
            parts.insert(0, "__typename")
        if leaves and self.often(15):
            parts.append(self.fragment(target, self.pick(leaves)))
        return " ".join(parts) or "__typename"

    def fragment(self, target: GraphQLObjectType, leaf: str) -> str:
        if self.often(50):
            return f"... on {target.name} {{ {leaf} __typename }}"
        name = f"f{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {target.name} {{ {leaf} __typename }}")
        return f"...{name}"

    def boolean(self) -> str:
        value = self.often(60)
        return self.variable("Boolean!", value) if self.often(60) else str(value).lower()

    def variable(self, declared: str, value: Any) -> str:
        name = f"v{len(self.definitions)}"
        self.definitions.append(f"${name}: {declared}")
        self.variables[name] = value
        return f"${name}"

    # Arguments

    def argument(self, name: str, declared: Any, depth: int) -> str | None:
        if name == "first":
            if depth and self.often(20):
                return None if self.often(30) else "null"
            size = self.random.randint(1, 4)
            return self.variable("Int", size) if self.often(40) else str(size)
        if name == "after":
            return self.variable("String", self.some_id()) if not depth and self.often(15) else None
        if name in ("id", "ids"):
            value = self.node_id() if name == "id" else [self.node_id(), self.node_id()]
            return self.variable("ID!" if name == "id" else "[ID!]!", value)
        if not self.often(40):
            return None
        named = get_named_type(declared)
        value = self.value(named)
        return self.variable(named.name, value) if self.often(50) else literal(value, named)

    def some_id(self) -> str:
        table = self.pick([name for name, rows in self.rows.items() if rows])
        return str(self.pick(self.rows[table]).id) if self.often(90) else "nonsense"

    def node_id(self) -> str:
        item = self.pick([item for item in TYPES if item.node])
        rows = self.rows.get(item.table.__tablename__, [])
        if not rows or self.often(10):
            return self.pick(["%%%", global_id(item.name, uuid.UUID(int=4)), global_id("X", 1)])
        return global_id(item.name, self.pick(rows).id)

    def value(self, named: Any) -> Any:
        if isinstance(named, GraphQLEnumType):
            return self.pick(named.values)
        if isinstance(named, GraphQLInputObjectType):
            chosen = dict.fromkeys(self.pick(named.fields) for _ in range(1))
            return {name: self.input(named.fields[name].type) for name in chosen}
        return {
            "String": lambda: self.pick(TEXTS),
            "ID": self.node_id,
            "Int": lambda: self.pick(COUNTS),
            "Boolean": lambda: self.often(50),
            "Date": lambda: self.pick(DAYS).isoformat(),
            "DateTime": lambda: self.pick(MOMENTS).isoformat(),
            "Decimal": lambda: str(self.pick(AMOUNTS + NUMBERS[:1])),
        }[named.name]()

    def input(self, declared: Any) -> Any:
        inner = declared.of_type if isinstance(declared, GraphQLNonNull) else declared
        if isinstance(inner, GraphQLList):
            named = get_named_type(inner)
            return [self.value(named) for _ in range(self.random.randint(0, 3))]
        return self.value(inner)


def literal(value: Any, named: Any) -> str:
    """A value as GraphQL writes it."""
    if isinstance(named, GraphQLEnumType):
        if isinstance(value, list):
            return f"[{', '.join(value)}]"
        return str(value)
    if isinstance(named, GraphQLInputObjectType):
        inner = {
            key: literal(item, get_named_type(named.fields[key].type))
            for key, item in value.items()
        }
        return "{" + ", ".join(f"{key}: {item}" for key, item in inner.items()) + "}"
    return orjson.dumps(value).decode().replace("\x7f", "\\u007f")
