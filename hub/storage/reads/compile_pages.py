"""Pages as text: a connection's rows in order and to its limit, and what is said of them
together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hub.storage.reads import select as sql
from hub.storage.reads.compile_base import Columns, Row, constant_text, key_text
from hub.storage.reads.cursors import cursors_of
from hub.storage.reads.fragments import (
    From,
    Query,
    Sql,
    both,
    call,
    cast,
    choose,
    compare,
    constant,
    count,
    count_of_all,
    derived,
    either,
    equal,
    exists,
    filtered,
    for_each,
    number,
    ordered,
    row_number,
    scalar,
    select,
    together,
)
from hub.storage.reads.marks import EDGE, NO_CURSOR, ROWS, TOTAL, Mark
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Aggregates,
    Bound,
    Constant,
    Cursor,
    Edges,
    Nodes,
    Page,
    PageInfo,
    Source,
    Total,
)
from hub.storage.reads.text import Piece

if TYPE_CHECKING:
    from hub.storage.reads.compile_objects import Compiler

_NUMBER, _COUNT = "row_number_", "row_count_"


def page_text(
    compiler: Compiler, page: Page, above: Row | None, remote: str, root: int | None = None
) -> Sql:
    """The text of a connection; `root` is the number of the root field it is."""
    clauses = PageClauses(compiler, page, above, remote)
    pieces: list[Piece] = ["{"]
    rows = PageRows(compiler, page, above, clauses) if page.needs_rows() else None
    counted = bool(page.classes & SENSITIVE)
    if rows is not None:
        pieces += clauses.cursor_mark()
    for place, output in enumerate(page.outputs):
        pieces.append(key_text(output.key, place))
        if isinstance(output, Constant):
            pieces.append(constant_text(output))
        elif isinstance(output, Total):
            pieces.append(_total(compiler, page, above, clauses, counted=counted))
            counted = False
        elif rows is not None and not isinstance(output, Aggregates):  # `supports` refuses those
            pieces += rows.write(output)
    pieces.append("}")
    if rows is None:
        return compiler.writer.concat(pieces)
    if root is not None and rows.listed:
        pieces += [f"{EDGE}{ROWS}{root},", rows.shown(), EDGE]
    return rows.closed(compiler.writer.concat(pieces))


def _total(
    compiler: Compiler, page: Page, above: Row | None, clauses: PageClauses, *, counted: bool
) -> Sql:
    table = compiler.alias(page.source)
    total = select({"total": count()}, table, clauses.all(table))
    if not counted:
        return cast(scalar(total), "TEXT")
    found = derived(total, f"n{compiler.count()}")
    mark = compiler.mark(Mark(page.source, counted=True, subject=False, by_id=True))
    text = cast(found["total"], "TEXT")
    pieces: list[Piece] = [text, f"{EDGE}{TOTAL}{mark},", text]
    if above is not None and above.repeated:
        pieces += [",", cast(above.columns["id"], "TEXT")]
    return scalar(select(compiler.writer.concat([*pieces, EDGE]), found))


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
        stored = sql.table_of(self._page.source).c
        return self._compiler.label_clauses(self._page.source, table) + [
            self._compiler.binds.condition(table[item.column], stored[item.column], item)
            for item in self._page.conditions
        ]

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


class PageRows:
    """The rows of one page as a FROM clause, and what is written of them together."""

    def __init__(
        self, compiler: Compiler, page: Page, above: Row | None,
        clauses: PageClauses,
    ) -> None:  # fmt: skip
        self._compiler = compiler
        self._writer = compiler.writer
        self._page = page
        self._above = above
        facts = {
            item[1]
            for output in page.outputs
            if isinstance(output, PageInfo)
            for item in output.items
            if not isinstance(item, Constant)
        }
        self._more = "hasNextPage" in facts
        self._ends = ends = bool(facts & {"startCursor", "endCursor"})
        self._cursors = cursors_of(page.source, page.order)
        self.listed = any(isinstance(output, Nodes | Edges) for output in page.outputs)
        names = compiler.needed(page.source, page.selections())
        if self._more or ends or sql.shows_cursors(page):
            names = tuple(dict.fromkeys((*names, *page.order.columns)))
        limited = self._limited(names, clauses)
        self._rows = self._numbered(limited, names) if self._more or ends else limited
        columns = {name: self._rows[name] for name in names}
        row = compiler.row(page.source, columns, clauses.number, above)
        same = (
            above is not None and above.noted and _one_patient(page.source, above, clauses.remote)
        )
        self._row = replace(row, same_subject=same)

    def _limited(self, names: Sequence[str], clauses: PageClauses) -> From:
        compiler, page = self._compiler, self._page
        table = compiler.alias(page.source)
        alias = f"c{compiler.count()}"
        first = compiler.binds.first(page, 1 if self._more else 0)
        columns = compiler.columns(page.source, table, names)
        scope = None if self._above is not None else clauses.spread()
        if scope is None:
            wanted = [*clauses.all(table), *clauses.position(table)]
            return derived(select(columns, table, wanted, _order(page, table), first), alias)
        return derived(self._merged(columns, table, clauses, scope, first), alias)

    def _merged(
        self,
        columns: dict[str, Sql],
        table: From,
        clauses: PageClauses,
        scope: From,
        first: Sql,
    ) -> Query:
        """The first rows of every practice in scope, in one order: each is read from its index."""
        page = self._page
        columns = {name: table[name] for name in page.order.columns} | columns
        practice = equal(table["practice_id"], scope["practice_id"])
        wanted = [practice, *clauses.filters(table), *clauses.position(table)]
        each = select(columns, table, wanted, _order(page, table), first)
        rows = for_each(scope, each, f"l{self._compiler.count()}")
        return select({name: rows[name] for name in columns}, rows, (), _order(page, rows), first)

    def _numbered(self, limited: From, names: Sequence[str]) -> From:
        columns = {name: limited[name] for name in names}
        columns[_NUMBER] = row_number(_order(self._page, limited))
        columns[_COUNT] = count_of_all()
        return derived(select(columns, limited), f"{limited.alias}n")

    def closed(self, text: Sql) -> Sql:
        if not self._more and not self._ends and not self.listed:
            return text  # nothing is said of the rows together
        return scalar(select(text, self._rows))

    def _shown(self) -> Sql | None:
        """The condition that leaves out the row which only says that there are more."""
        if not self._more:
            return None
        return compare(self._rows[_NUMBER], "<=", self._compiler.binds.first(self._page, 0))

    def shown(self) -> Sql:
        return cast(filtered(count(), self._shown()), "TEXT")

    def write(self, output: Nodes | Edges | PageInfo) -> list[Piece]:
        if isinstance(output, PageInfo):
            return self._page_info(output)
        if isinstance(output, Nodes):
            pieces, listed = self._compiler.objects(output.objects, self._row), [output]
        else:
            pieces = self._edge(output)
            listed = [item for item in output.items if isinstance(item, Nodes)]
        items = self._writer.joined(self._writer.concat(pieces), self._shown())
        return ["[", items, "]", *(mark for nodes in listed for mark in self._counted(nodes))]

    def _counted(self, nodes: Nodes) -> list[Piece]:
        return self._compiler.page_mark(nodes.objects, self._row, self.shown())

    def _edge(self, edges: Edges) -> list[Piece]:
        pieces: list[Piece] = ["{"]
        for place, item in enumerate(edges.items):
            pieces.append(key_text(item.key, place))
            if isinstance(item, Cursor):
                pieces.append(self._cursor(self._rows))
            elif isinstance(item, Nodes):
                pieces += self._compiler.objects(item.objects, self._row)
            else:
                pieces.append(constant_text(item))
        return [*pieces, "}"]

    def _cursor(self, columns: Columns) -> Sql:
        if not self._cursors.columns:
            return self._writer.text(cast(columns["id"], "TEXT"))
        return self._compiler.hole(self._cursors.output(), self._page.source, columns)

    def _page_info(self, info: PageInfo) -> list[Piece]:
        pieces: list[Piece] = ["{"]
        for place, item in enumerate(info.items):
            key = item.key if isinstance(item, Constant) else item[0]
            pieces.append(key_text(key, place))
            pieces.append(
                constant_text(item) if isinstance(item, Constant) else self._fact(item[1])
            )
        return [*pieces, "}"]

    def _fact(self, name: str) -> Piece:
        if name == "hasPreviousPage":
            return "false"
        first = self._compiler.binds.first(self._page, 0)
        if name == "hasNextPage":
            return self._writer.boolean(compare(count(), ">", first))
        place, rows = self._rows[_NUMBER], self._rows[_COUNT]
        if name == "startCursor":
            at = equal(place, number(1))
        elif self._more:
            at = either(equal(place, first), both(equal(place, rows), compare(rows, "<", first)))
        else:
            at = equal(place, rows)
        if self._cursors.columns:
            names = ("id", *self._cursors.columns)
            return self._cursor(
                {name: filtered(call("max", self._rows[name]), at) for name in names}
            )
        row_id = filtered(call("max", cast(self._rows["id"], "TEXT")), at)
        return call("coalesce", self._writer.text(row_id), constant("null"))


def _one_patient(source: Source, above: Row, remote: str) -> bool:
    """True if rows below `above` are about the patient it is about, because the link says so."""
    if source.subject == INHERITED:
        return True
    return above.source.subject == "id" and remote == source.subject


def _order(page: Page, rows: From) -> list[Sql]:
    keys = [rows[name] for name in (*page.order.columns, "id")]
    return [ordered(key, descending=page.order.descending) for key in keys]
