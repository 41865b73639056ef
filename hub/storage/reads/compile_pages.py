"""Pages as text: a connection's rows in order and to its limit, and what is said of them
together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from hub.storage.reads import select as sql
from hub.storage.reads.compile_base import Columns, Row, constant_text, key_text
from hub.storage.reads.compile_clauses import PageClauses
from hub.storage.reads.cursors import cursors_of
from hub.storage.reads.fragments import (
    From,
    Query,
    Sql,
    both,
    call,
    cast,
    compare,
    constant,
    count,
    count_of_all,
    derived,
    either,
    equal,
    filtered,
    for_each,
    number,
    ordered,
    row_number,
    scalar,
    select,
)
from hub.storage.reads.marks import EDGE, ROWS, TOTAL, Mark
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Aggregates,
    Constant,
    Cursor,
    Edges,
    Nodes,
    Page,
    PageInfo,
    PageOutput,
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
        self.listed = any(map(_lists, page.outputs))
        names = compiler.needed(page.source, page.selections())
        if self._more or ends or sql.shows_cursors(page):
            names = tuple(dict.fromkeys((*names, *page.order.columns)))
        self._items: dict[str, Sql] = {}
        table = compiler.alias(page.source)
        columns = compiler.columns(page.source, table, names)
        if self._is_written_inside(clauses):
            self._row = self._as_row(columns, clauses)
            items = {output.key: self._item(output) for output in page.outputs if _lists(output)}
            self._rows = self._limited(items, table, clauses)
            self._items = {key: self._rows[key] for key in items}
            return
        limited = self._limited(columns, table, clauses)
        self._rows = self._numbered(limited, names) if self._more or ends else limited
        self._row = self._as_row({name: self._rows[name] for name in names}, clauses)

    def _is_written_inside(self, clauses: PageClauses) -> bool:
        """True if the texts of rows are best columns of their subselect: then no row is read that
        is not written, and an index gives the rows in their order, so that none is written and then
        left out."""
        if not self._writer.copies_columns or self._more or self._ends or not self.listed:
            return False
        return clauses.are_in_order()

    def _as_row(self, columns: Mapping[str, Sql], clauses: PageClauses) -> Row:
        source, above = self._page.source, self._above
        row = self._compiler.row(source, columns, clauses.number, above)
        same = above is not None and above.noted and _one_patient(source, above, clauses.remote)
        return replace(row, same_subject=same)

    def _limited(self, columns: dict[str, Sql], table: From, clauses: PageClauses) -> From:
        compiler, page = self._compiler, self._page
        alias = f"c{compiler.count()}"
        first = compiler.binds.first(page, 1 if self._more else 0)
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
        if self._ends:
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
        item = self._items.get(output.key) or self._item(output)
        items = output.items if isinstance(output, Edges) else (output,)
        counted = [
            mark for nodes in items if isinstance(nodes, Nodes) for mark in self._counted(nodes)
        ]
        return ["[", self._writer.joined(item, self._shown()), "]", *counted]

    def _item(self, output: Nodes | Edges) -> Sql:
        """The text of one row."""
        if isinstance(output, Edges):
            return self._writer.concat(self._edge(output))
        return self._writer.concat(self._compiler.objects(output.objects, self._row))

    def _counted(self, nodes: Nodes) -> list[Piece]:
        return self._compiler.page_mark(nodes.objects, self._row, self.shown())

    def _edge(self, edges: Edges) -> list[Piece]:
        pieces: list[Piece] = ["{"]
        for place, item in enumerate(edges.items):
            pieces.append(key_text(item.key, place))
            if isinstance(item, Cursor):
                pieces.append(self._cursor(self._row.columns))
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


def _lists(output: PageOutput) -> TypeGuard[Nodes | Edges]:
    return isinstance(output, Nodes | Edges)


def _one_patient(source: Source, above: Row, remote: str) -> bool:
    """True if rows below `above` are about the patient it is about, because the link says so."""
    if source.subject == INHERITED:
        return True
    return above.source.subject == "id" and remote == source.subject


def _order(page: Page, rows: From) -> list[Sql]:
    keys = [rows[name] for name in (*page.order.columns, "id")]
    return [ordered(key, descending=page.order.descending) for key in keys]
