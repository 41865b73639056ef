"""Pages as text: a connection's rows in order and to its limit, and what is said of them
together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, case, cast, func, or_, select, true, tuple_

from hub.storage.reads import select as sql
from hub.storage.reads.compile_base import Row, constant_text, key_text
from hub.storage.reads.marks import EDGE, NO_CURSOR, ROWS, TOTAL, Mark
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
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
from hub.storage.reads.text import Piece, Sql, constant

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
        elif rows is not None:
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
    total: Any = select(func.count().label("total")).select_from(table)
    total = compiler.correlated(total.where(*clauses.all(table)), above)
    if not counted:
        return cast(total.scalar_subquery(), Text)
    found = total.subquery(f"n{compiler.count()}")
    number = compiler.mark(Mark(page.source, counted=True, subject=False, by_id=True))
    text = cast(found.c.total, Text)
    pieces: list[Piece] = [text, f"{EDGE}{TOTAL}{number},", text]
    if above is not None and above.repeated:
        pieces += [",", cast(above.columns["id"], Text)]
    statement = select(compiler.writer.concat([*pieces, EDGE])).select_from(found)
    return compiler.correlated(statement, above).scalar_subquery()


class PageClauses:
    """What the rows of a page must fulfil, for whatever alias of its table."""

    def __init__(self, compiler: Compiler, page: Page, above: Row | None, remote: str) -> None:
        self._compiler = compiler
        self._page = page
        self._above = above
        self.remote = remote
        full_rows = sql.needs_full_rows(page)
        self.number = compiler.shape.set_of(page.source, full_rows=full_rows)

    def all(self, table: Any) -> list[Sql]:
        compiler, page, above = self._compiler, self._page, self._above
        found = [] if above is None else [table.c[self.remote] == above.columns["id"]]
        found += compiler.inside(page.source, table.c, self.number, above, self.remote)
        return found + self.filters(table)

    def filters(self, table: Any) -> list[Sql]:
        """Without scope and parent."""
        stored = sql.table_of(self._page.source).c
        return [
            self._compiler.binds.condition(table.c[item.column], stored[item.column], item)
            for item in self._page.conditions
        ]

    def _cursor_row(self, after: Bound) -> tuple[Any, list[Sql]]:
        page = self._page
        table = self._compiler.alias(page.source)
        own = self._compiler.own_clause(page.source, table.c, self.number)
        key = self._compiler.binds.key(after, sql.table_of(page.source).c.id)
        return table, [table.c.id == key, *([] if own is None else [own])]

    def cursor_mark(self) -> list[Piece]:
        """Says that there is no such cursor, so that it never looks like an empty page."""
        page = self._page
        if page.after is None:
            return []
        table, wanted = self._cursor_row(page.after)
        exists = select(table.c.id).where(*wanted).exists()
        return [case((exists, constant("")), else_=constant(f"{EDGE}{NO_CURSOR}{EDGE}"))]

    def position(self, table: Any) -> list[Sql]:
        """Rows that come after the cursor's."""
        page = self._page
        if page.after is None:
            return []
        names = page.order.columns
        keys: list[Any] = []
        for name in names:
            there, wanted = self._cursor_row(page.after)
            keys.append(select(there.c[name]).where(*wanted).limit(1).scalar_subquery())
        keys.append(self._compiler.binds.key(page.after, sql.table_of(page.source).c.id))
        columns = [table.c[name] for name in (*names, "id")]
        left: Any = columns[0] if len(columns) == 1 else tuple_(*columns)
        right = keys[0] if len(keys) == 1 else tuple_(*keys)
        return [left < right if page.order.descending else left > right]

    def spread(self) -> Any:
        """The practices in scope as rows, where each is better read on its own."""
        page = self._page
        number = self.number
        if not page.source.owned or number is None or self._compiler.shape.single[number]:
            return None
        return self._compiler.writer.spread(self._compiler.binds.set(number))


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
        self.listed = any(isinstance(output, Nodes | Edges) for output in page.outputs)
        names = sql.needed_columns(page.source, page.selections())
        if self._more or ends:
            names = tuple(dict.fromkeys((*names, *page.order.columns)))
        limited = self._limited(names, clauses)
        self._rows: Any = self._numbered(limited, names) if self._more or ends else limited
        number = clauses.number
        row = compiler.row(page.source, self._rows.c, number, above, self._rows)
        same = (
            above is not None and above.noted and _one_patient(page.source, above, clauses.remote)
        )
        self._row = replace(row, same_subject=same)

    def _limited(self, names: Sequence[str], clauses: PageClauses) -> Any:
        compiler, page = self._compiler, self._page
        table = compiler.alias(page.source)
        number = f"c{compiler.count()}"
        first = compiler.binds.first(page, 1 if self._more else 0)
        columns = compiler.columns(page.source, table, names)
        selected = [column.label(name) for name, column in columns.items()]
        scope = None if self._above is not None else clauses.spread()
        if scope is None:
            found = select(*selected).where(*clauses.all(table), *clauses.position(table))
            found = found.order_by(*_order(page, table.c)).limit(first)
            return compiler.correlated(found, self._above).subquery(number)
        return self._merged(selected, table, clauses, scope, first, number)

    def _merged(
        self,
        selected: list[Any],
        table: Any,
        clauses: PageClauses,
        scope: Any,
        first: Any,
        number: str,
    ) -> Any:
        """The first rows of every practice in scope, in one order: each is read from its index."""
        page = self._page
        names = {column.name for column in selected}
        selected += [table.c[name] for name in page.order.columns if name not in names]
        each = (
            select(*selected)
            .where(
                table.c.practice_id == scope.c.practice_id,
                *clauses.filters(table),
                *clauses.position(table),
            )
            .order_by(*_order(page, table.c))
            .limit(first)
            .correlate(scope)
            .lateral(f"l{number}")
        )
        found = select(each).select_from(scope.join(each, true()))
        return found.order_by(*_order(page, each.c)).limit(first).subquery(number)

    def _numbered(self, limited: Any, names: Sequence[str]) -> Any:
        order = _order(self._page, limited.c)
        return select(
            *(limited.c[name] for name in names),
            func.row_number().over(order_by=order).label(_NUMBER),
            func.count().over().label(_COUNT),
        ).subquery(f"{limited.name}n")

    def closed(self, text: Sql) -> Sql:
        if not self._more and not self._ends and not self.listed:
            return text  # nothing is said of the rows together
        found = select(text).select_from(self._rows)
        return self._compiler.correlated(found, self._above).scalar_subquery()

    def _shown(self) -> Sql | None:
        """The condition that leaves out the row which only says that there are more."""
        if not self._more:
            return None
        shown: Sql = self._rows.c[_NUMBER] <= self._compiler.binds.first(self._page, 0)
        return shown

    def shown(self) -> Sql:
        only, counted = self._shown(), func.count()
        return cast(counted if only is None else counted.filter(only), Text)

    def write(self, output: Nodes | Edges | PageInfo) -> list[Piece]:
        if isinstance(output, PageInfo):
            return self._page_info(output)
        if isinstance(output, Nodes):
            pieces = self._compiler.objects(output.objects, self._row)
        else:
            pieces = self._edge(output)
        return ["[", self._writer.joined(self._writer.concat(pieces), self._shown()), "]"]

    def _edge(self, edges: Edges) -> list[Piece]:
        pieces: list[Piece] = ["{"]
        for place, item in enumerate(edges.items):
            pieces.append(key_text(item.key, place))
            if isinstance(item, Cursor):
                pieces.append(self._cursor(self._rows.c.id))
            elif isinstance(item, Nodes):
                pieces += self._compiler.objects(item.objects, self._row)
            else:
                pieces.append(constant_text(item))
        return [*pieces, "}"]

    def _cursor(self, row_id: Sql) -> Sql:
        return self._writer.text(cast(row_id, Text))

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
            return self._writer.boolean(func.count() > first)
        number, count = self._rows.c[_NUMBER], self._rows.c[_COUNT]
        at = number == 1 if name == "startCursor" else or_(number == first, number == count)
        if name == "endCursor" and self._more:
            at = or_(number == first, and_(number == count, count < first))
        row_id = func.max(cast(self._rows.c.id, Text), type_=Text()).filter(at)
        return func.coalesce(self._writer.text(row_id), constant("null"))


def _one_patient(source: Source, above: Row, remote: str) -> bool:
    """True if rows below `above` are about the patient it is about, because the link says so."""
    if source.subject == INHERITED:
        return True
    return above.source.subject == "id" and remote == source.subject


def _order(page: Page, columns: Any) -> list[Any]:
    keys = [columns[name] for name in (*page.order.columns, "id")]
    return [key.desc() for key in keys] if page.order.descending else [key.asc() for key in keys]
