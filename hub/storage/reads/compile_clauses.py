"""What the rows of a page must fulfil: practice, parent, filters, labels, and where its cursor
stands."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from hub.storage.reads import select as sql
from hub.storage.reads.compile_base import Row
from hub.storage.reads.cursors import cursors_of
from hub.storage.reads.fragments import (
    From,
    Sql,
    both,
    call,
    choose,
    compare,
    constant,
    either,
    equal,
    exists,
    number,
    scalar,
    select,
    together,
)
from hub.storage.reads.marks import EDGE, NO_CURSOR
from hub.storage.reads.parts import Bound, Condition, Order, Page
from hub.storage.reads.text import Piece

if TYPE_CHECKING:
    from hub.storage.reads.compile_objects import Compiler


@lru_cache(maxsize=500)
def _is_indexed(table: Table, fixed: frozenset[str], order: Order) -> bool:
    """True if an index or key has the columns `fixed`, then those of the order, then the id."""
    keys: list[Index | PrimaryKeyConstraint] = [table.primary_key, *table.indexes]
    for names in ([column.name for column in key.columns] for key in keys):
        begin, rest = frozenset(names[: len(fixed)]), names[len(fixed) :]
        if begin == fixed and rest == [*order.columns, "id"]:
            return True
    return False


class PageClauses:
    """What the rows of a page must fulfil, for whatever alias of its table."""

    def __init__(self, compiler: Compiler, page: Page, above: Row | None, remote: str) -> None:
        self._compiler = compiler
        self._page = page
        self._above = above
        self.remote = remote
        self._cursors = cursors_of(page.source, page.order)
        full_rows = sql.needs_full_rows(page)
        self.number = compiler.shape.set_of(page.source, full_rows=full_rows)

    def all(self, table: From) -> list[Sql]:
        compiler, page, above = self._compiler, self._page, self._above
        found = [] if above is None else [equal(table[self.remote], above.columns["id"])]
        found += compiler.inside(page.source, table, self.number, above, self.remote)
        return found + self.filters(table)

    def filters(self, table: From) -> list[Sql]:
        """Without practices and parent."""
        return self._compiler.label_clauses(self._page.source, table) + [
            self._filter(table, item) for item in self._page.conditions
        ]

    def _filter(self, table: From, item: Condition) -> Sql:
        stored = sql.table_of(self._page.source).c[item.column]
        found = self._compiler.binds.condition(table[item.column], stored, item)
        unindexed = sql.not_indexed_while(stored)
        if unindexed is None:
            return found
        name, value = unindexed
        indexed = compare(table[name], "<>", constant(value))
        return either(both(found, indexed), both(found, equal(table[name], constant(value))))

    def are_in_order(self) -> bool:
        """True if an index gives the rows in their order, those of no other parent among them."""
        page, above = self._page, self._above
        if page.conditions or not page.source.owned:
            return False  # the database may prefer an index that serves one of the conditions
        if above is None:
            fixed = {"practice_id"}
            known = self.number is not None and self._compiler.shape.single[self.number]
        else:
            fixed = {"practice_id", self.remote}
            known = above.practice is not None
        return known and _is_indexed(sql.table_of(page.source), frozenset(fixed), page.order)

    def _cursor_row(self, after: Bound) -> tuple[From, list[Sql]]:
        page = self._page
        table = self._compiler.alias(page.source)
        own = self._compiler.own_clause(page.source, table, self.number)
        stored = sql.table_of(page.source).c.id
        key = self._compiler.binds.cursor_id(after, self._cursors, stored)
        labels = self._compiler.label_clauses(page.source, table)
        return table, [equal(table["id"], key), *([] if own is None else [own]), *labels]

    def cursor_mark(self) -> list[Piece]:
        """Says that there is no such cursor, so that it never looks like an empty page."""
        page = self._page
        if page.after is None:
            return []
        table, wanted = self._cursor_row(page.after)
        there = exists(select(table["id"], table, wanted))
        return [choose(there, constant(""), constant(f"{EDGE}{NO_CURSOR}{EDGE}"))]

    def position(self, table: From) -> list[Sql]:
        """Rows that come after the cursor's."""
        page = self._page
        if page.after is None:
            return []
        names, stored = page.order.columns, sql.table_of(page.source).c
        binds, keys = self._compiler.binds, list[Sql]()
        for place, name in enumerate(names):
            there, wanted = self._cursor_row(page.after)
            now = scalar(select(there[name], there, wanted, limit=number(1)))
            carried = binds.cursor_key(page.after, self._cursors, place, stored[name])
            keys.append(call("coalesce", carried, now))
        keys.append(binds.cursor_id(page.after, self._cursors, stored.id))
        left = together([table[name] for name in (*names, "id")])
        return [compare(left, "<" if page.order.descending else ">", together(keys))]

    def spread(self) -> From | None:
        """The practices in scope as rows, where each is better read on its own."""
        page = self._page
        number = self.number
        if not page.source.owned or number is None or self._compiler.shape.single[number]:
            return None
        compiler = self._compiler
        return compiler.writer.spread(compiler.binds.set(number), f"p{compiler.count()}")
