"""From parts to one SQL statement whose columns are the JSON texts of the root fields.

Made once per shape: a `CompiledPart` holds SQL and how to fill its parameters, never a value of a
request. Rows are scoped where each part begins; below it the composite join keeps the practice, and
the scope is asked again only where it differs. What each row is travels in marks (`marks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from hub.domain.agreements import DataClass, Scope
from hub.storage.reads import select as sql
from hub.storage.reads.marks import EDGE, NO_CURSOR, ROWS, TOTAL, Mark, is_checked
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Access,
    Bound,
    ById,
    Condition,
    Constant,
    Cursor,
    Edges,
    GlobalId,
    Leaf,
    Many,
    Nodes,
    Objects,
    One,
    Page,
    PageInfo,
    Root,
    RootPage,
    Source,
    Total,
)
from hub.storage.reads.scoping import ScopeShape, Sets
from hub.storage.reads.text import Piece, Sql, Writer, constant

NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
Fill = Callable[[Sequence[Any], Sets, Scope], Any]
ABOUT_PATIENTS = frozenset({DataClass.PHI, DataClass.PHI_SENSITIVE})
OUTERMOST, PAGE_DEPTH, LINK_DEPTH = 2, 3, 2
"""How many parentheses a page and a to-one link open around what is below them."""
_NUMBER, _COUNT = "row_number_", "row_count_"


@dataclass(frozen=True, slots=True)
class CompiledPart:
    """One statement: a column of JSON text per root field, and how to fill its parameters from the
    values of a request and its scope. Only `compile_roots` makes one."""

    sql: str
    fills: tuple[Fill, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The row under which something is written.

    `practice` is its practice; `known` the number of the set it was proven to be in. `outer` are
    the FROM clauses a subselect may refer to. `repeated`: the row, and what is below it, may stand
    in the answer more than once. `noted`: its mark names its patient; `same_subject`: so does the
    mark of the row above.
    """

    source: Source
    columns: Mapping[str, Any]
    practice: Sql | None
    known: int | None
    subject: Sql | None
    outer: tuple[FromClause, ...]
    repeated: bool
    same_subject: bool = False
    noted: bool = False


def compile_roots(roots: Sequence[Root], shape: ScopeShape, writer: Writer) -> CompiledPart:
    """The statement of some roots, all of which `supports` must hold for."""
    compiler = _Compiler(shape, writer)
    columns = [compiler.root(number, root) for number, root in enumerate(roots)]
    statement = select(*(text.label(f"root_{number}") for number, text in enumerate(columns)))
    compiled = statement.compile(
        dialect=writer.dialect, compile_kwargs={"render_postcompile": True}
    )
    names = compiled.positiontup or []
    fills = tuple(compiler.fills.get(name) or _always(compiled.params[name]) for name in names)
    return CompiledPart(str(compiled), fills, tuple(compiler.marks))


def supports(root: Root, writer: Writer) -> bool:
    """True if a root can be written as text: stored values only, not nested beyond what the
    database parses."""
    if isinstance(root, RootPage):
        return _page_fits(root.page, writer, OUTERMOST)
    return isinstance(root, Constant) or (
        isinstance(root, ById) and _objects_fit(root.objects, writer, OUTERMOST + LINK_DEPTH)
    )


def _page_fits(page: Page, writer: Writer, depth: int) -> bool:
    depth += PAGE_DEPTH
    if writer.nesting is not None and depth > writer.nesting:
        return False
    return all(_objects_fit(objects, writer, depth) for objects in page.selections())


def _objects_fit(objects: Objects, writer: Writer, depth: int) -> bool:
    if writer.nesting is not None and depth > writer.nesting:
        return False
    for output in objects.outputs:
        if isinstance(output, Many):
            if not _page_fits(output.page, writer, depth):
                return False
        elif isinstance(output, One):
            target = output.objects.source
            if target.owned and not objects.source.owned:
                return False  # without the practice an id names no row
            if not _objects_fit(output.objects, writer, depth + LINK_DEPTH):
                return False
        elif not isinstance(output, Constant | GlobalId | Leaf):
            return False
    return True


class _Compiler:
    def __init__(self, shape: ScopeShape, writer: Writer) -> None:
        self._shape = shape
        self._writer = writer
        self._aliases = 0
        self.fills: dict[str, Fill] = {}
        self.marks: list[Mark] = []

    def root(self, number: int, root: Root) -> Sql:
        if isinstance(root, ById):
            return self._by_id(root)
        if isinstance(root, RootPage):
            return self._page(root.page, None, "", number)
        raise TypeError("this root is not written as text")

    # Values

    def _bind(self, name: str, fill: Fill, type_: Any = None) -> BindParameter[Any]:
        self.fills[name] = fill
        return bindparam(name, type_=type_, required=False)

    def first(self, page: Page, more: int) -> BindParameter[Any]:
        place = page.first.place
        name = f"first_{place}_{more}"
        return self._bind(name, lambda values, _, __: values[place] + more, Integer())

    def _member(self, value: Sql, number: int) -> Sql:
        """True where `value` is one of the practices of a set."""
        if self._shape.single[number]:
            return value == self._bind(f"set_{number}", lambda _, sets, __: sets[number][0])
        return self._writer.among(value, self._set(number))

    def _set(self, number: int) -> BindParameter[Any]:
        listed = self._writer.bound_list
        return self._bind(f"set_{number}", lambda _, sets, __: listed(sets[number]))

    def _key(self, bound: Bound, column: Column[Any]) -> BindParameter[Any]:
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

    # Scope

    def _own_clause(self, source: Source, columns: Any, number: int | None) -> Sql | None:
        """The rows in scope, asked of the rows themselves; None if all of them are."""
        if source.owned or source.access is Access.PRACTICES:
            value = columns.practice_id if source.owned else columns.id
            return None if number is None else self._member(value, number)
        if source.access is Access.CATALOGUE or self._shape.is_mso:
            return None
        if source.access is Access.OPERATED and self._shape.has_own:
            own = self._bind("own", lambda _, __, scope: scope.own_practice_id)
            mine: Sql = columns.practice_id == own
            return mine
        return false()

    def inside(
        self, source: Source, columns: Any, number: int | None, row: Row | None, remote: str
    ) -> list[Sql]:
        """The clauses that keep rows below `row` in its practice and in scope."""
        practice = None
        clauses: list[Sql] = []
        if row is not None and remote == "practice_id":
            practice = row.columns["id"]
        elif row is not None and source.owned and row.practice is not None:
            practice = row.practice
            clauses.append(columns.practice_id == practice)
        if practice is None or row is None or not source.owned:
            own = self._own_clause(source, columns, number)
            return clauses if own is None else [*clauses, own]
        if number is not None and number != row.known:
            # Of the row above, so that the order of the index below stays usable.
            clauses.append(self._member(practice, number))
        return clauses

    # Rows

    def alias(self, source: Source) -> Any:
        self._aliases += 1
        return sql.table_of(source).alias(f"t{self._aliases}")

    def columns(self, source: Source, table: Any, names: Sequence[str]) -> dict[str, Any]:
        """The columns as selected: figures across practices only where the small-group rule
        holds."""
        group = source.small_group
        if self._shape.is_mso or group is None:
            return {name: table.c[name] for name in names}
        large = sql.group_is_large(group, table.c.id)
        return {
            name: case((large, table.c[name]), else_=None)
            if name in source.suppressed
            else table.c[name]
            for name in names
        }

    def row(
        self,
        source: Source,
        columns: Mapping[str, Any],
        number: int | None,
        above: Row | None,
        here: FromClause,
        *,
        repeated: bool = False,
    ) -> Row:
        practice = columns.get("practice_id")
        if source.access is Access.PRACTICES:
            practice = columns["id"]
        subject = None if source.subject is None else columns.get(source.subject)
        if source.subject == INHERITED and above is not None:
            subject = above.subject
        outer = (*above.outer, here) if above is not None else (here,)
        again = repeated or (above is not None and above.repeated)
        proven = number if source.owned or source.access is Access.PRACTICES else None
        return Row(source, columns, practice, proven, subject, outer, again)

    def _by_id(self, root: ById) -> Sql:
        source = root.objects.source
        table, number = self.alias(source), self._shape.set_of(source)
        own = self._own_clause(source, table.c, number)
        wanted = [table.c.id == self._key(root.id, sql.table_of(source).c.id)]
        found = self._single(root.objects, table, None, number, wanted + _some(own))
        return func.coalesce(found, constant("null"))

    def _one(self, link: One, row: Row) -> Sql:
        source = link.objects.source
        table, number = self.alias(source), self._shape.set_of(source)
        wanted: list[Sql] = [table.c.id == row.columns[link.column]]
        own_practice = source.access is Access.PRACTICES and link.column == "practice_id"
        if not (own_practice and row.known is not None):
            wanted += self.inside(source, table.c, number, row, "")
        found = self._single(link.objects, table, row, number, wanted)
        return func.coalesce(found, constant("null"))

    def _single(
        self, objects: Objects, table: Any, above: Row | None, number: int | None, wanted: list[Sql]
    ) -> Sql:
        source = objects.source
        columns = self.columns(source, table, sql.needed_columns(source, [objects]))
        row = self.row(source, columns, number, above, table, repeated=above is not None)
        text = self._writer.concat(self.objects(objects, row))
        found = select(text).select_from(table).where(*wanted).limit(1)
        return self.correlated(found, above).scalar_subquery()

    @staticmethod
    def correlated(statement: Select[Any], above: Row | None) -> Select[Any]:
        return statement.correlate(*above.outer) if above is not None else statement

    # Pages

    def _page(self, page: Page, above: Row | None, remote: str, root: int | None) -> Sql:
        clauses = _Clauses(self, page, above, remote)
        pieces: list[Piece] = ["{"]
        rows = _PageRows(self, page, above, clauses) if page.needs_rows() else None
        counted = bool(page.classes & SENSITIVE)
        if rows is not None:
            pieces += self._cursor_mark(page)
        for place, output in enumerate(page.outputs):
            pieces.append(f'{"," if place else ""}"{_name(output.key)}":')
            if isinstance(output, Constant):
                pieces.append(_constant(output))
            elif isinstance(output, Total):
                pieces.append(self._total(page, above, clauses, counted=counted))
                counted = False
            elif rows is not None:
                pieces += rows.write(output)
        pieces.append("}")
        if rows is None:
            return self._writer.concat(pieces)
        if root is not None and rows.listed:
            pieces += [f"{EDGE}{ROWS}{root},", rows.shown(), EDGE]
        return rows.closed(self._writer.concat(pieces))

    def number(self, page: Page) -> int | None:
        return self._shape.set_of(page.source, full_rows=sql.needs_full_rows(page))

    def _cursor_row(self, page: Page, after: Bound) -> tuple[Any, list[Sql]]:
        table = self.alias(page.source)
        own = self._own_clause(page.source, table.c, self.number(page))
        key = self._key(after, sql.table_of(page.source).c.id)
        return table, [table.c.id == key, *_some(own)]

    def _cursor_mark(self, page: Page) -> list[Piece]:
        """Says that there is no such cursor, so that it never looks like an empty page."""
        if page.after is None:
            return []
        table, wanted = self._cursor_row(page, page.after)
        exists = select(table.c.id).where(*wanted).exists()
        return [case((exists, constant("")), else_=constant(f"{EDGE}{NO_CURSOR}{EDGE}"))]

    def position(self, page: Page, table: Any) -> list[Sql]:
        """Rows that come after the cursor's."""
        if page.after is None:
            return []
        names = page.order.columns
        keys: list[Any] = []
        for name in names:
            there, wanted = self._cursor_row(page, page.after)
            keys.append(select(there.c[name]).where(*wanted).limit(1).scalar_subquery())
        keys.append(self._key(page.after, sql.table_of(page.source).c.id))
        columns = [table.c[name] for name in (*names, "id")]
        left: Any = columns[0] if len(columns) == 1 else tuple_(*columns)
        right = keys[0] if len(keys) == 1 else tuple_(*keys)
        return [left < right if page.order.descending else left > right]

    def spread(self, page: Page) -> Any:
        """The practices in scope as rows, where each is better read on its own."""
        number = self.number(page)
        if not page.source.owned or number is None or self._shape.single[number]:
            return None
        return self._writer.spread(self._set(number))

    def _total(self, page: Page, above: Row | None, clauses: _Clauses, *, counted: bool) -> Sql:
        table = self.alias(page.source)
        total: Any = select(func.count().label("total")).select_from(table)
        total = self.correlated(total.where(*clauses.all(table)), above)
        if not counted:
            return cast(total.scalar_subquery(), Text)
        found = total.subquery(f"n{self._aliases}")
        number = self.mark(Mark(page.source, counted=True, subject=False, by_id=True))
        text = cast(found.c.total, Text)
        pieces: list[Piece] = [text, f"{EDGE}{TOTAL}{number},", text]
        if above is not None and above.repeated:
            pieces += [",", cast(above.columns["id"], Text)]
        statement = select(self._writer.concat([*pieces, EDGE])).select_from(found)
        return self.correlated(statement, above).scalar_subquery()

    def mark(self, mark: Mark) -> int:
        self.marks.append(mark)
        return len(self.marks) - 1

    def _row_mark(self, objects: Objects, row: Row) -> list[Piece]:
        """Who the row belongs to and who it is about."""
        source, shape = objects.source, self._shape
        counted = bool(objects.classes & SENSITIVE)
        checked = is_checked(source, unrestricted=shape.unrestricted, is_mso=shape.is_mso)
        if not counted and not checked:
            return []
        about = objects.classes & ABOUT_PATIENTS
        subject = row.subject if about and not row.same_subject else None
        by_id = row.repeated and counted
        number = self.mark(Mark(source, counted, subject is not None, by_id))
        pieces: list[Piece] = [f"{EDGE}{number},"]
        if row.practice is not None:
            pieces.append(self._present(row.practice))
        if subject is not None:
            pieces += [",", self._present(subject)]
        if by_id:
            pieces += [",", cast(row.columns["id"], Text)]
        return [*pieces, EDGE]

    def _present(self, column: Sql) -> Sql:
        return func.coalesce(column, constant("")) if _nullable(column) else column

    def objects(self, objects: Objects, row: Row) -> list[Piece]:
        pieces: list[Piece] = ["{", *self._row_mark(objects, row)]
        row = replace(row, noted=bool(objects.classes & ABOUT_PATIENTS and row.subject is not None))
        for place, output in enumerate(objects.outputs):
            pieces.append(f'{"," if place else ""}"{_name(output.key)}":')
            if isinstance(output, Constant):
                pieces.append(_constant(output))
            elif isinstance(output, GlobalId):
                coded = self._writer.node_id(objects.source.type_name, row.columns["id"])
                pieces += ['"', coded, '"']
            elif isinstance(output, Leaf):
                pieces.append(self._leaf(output, row))
            elif isinstance(output, One):
                pieces.append(self._one(output, row))
            elif isinstance(output, Many):
                pieces.append(self._page(output.page, row, output.remote, None))
        return [*pieces, "}"]

    def _leaf(self, leaf: Leaf, row: Row) -> Sql:
        stored = sql.table_of(row.source).c[leaf.column]
        text = self._writer.value(row.columns[leaf.column], stored, leaf.shape)
        null = constant("null")
        suppressed = not self._shape.is_mso and leaf.column in row.source.suppressed
        if stored.nullable or suppressed:
            text = func.coalesce(text, null)
        limited = self._shape.limited_set(row.source) if leaf.identifier else None
        if limited is not None and row.practice is not None:
            text = case((self._member(row.practice, limited), null), else_=text)
        return text


class _Clauses:
    """What the rows of a page must fulfil, for whatever alias of its table."""

    def __init__(self, compiler: _Compiler, page: Page, above: Row | None, remote: str) -> None:
        self._compiler = compiler
        self._page = page
        self._above = above
        self.remote = remote

    def all(self, table: Any) -> list[Sql]:
        compiler, page, above = self._compiler, self._page, self._above
        number = compiler.number(page)
        found = [] if above is None else [table.c[self.remote] == above.columns["id"]]
        found += compiler.inside(page.source, table.c, number, above, self.remote)
        return found + self.filters(table)

    def filters(self, table: Any) -> list[Sql]:
        """Without scope and parent."""
        stored = sql.table_of(self._page.source).c
        return [
            self._compiler.condition(table.c[item.column], stored[item.column], item)
            for item in self._page.conditions
        ]


class _PageRows:
    """The rows of one page as a FROM clause, and what is written of them together."""

    def __init__(
        self, compiler: _Compiler, page: Page, above: Row | None,
        clauses: _Clauses,
    ) -> None:  # fmt: skip
        self._compiler = compiler
        self._writer = compiler._writer
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
        number = compiler.number(page)
        row = compiler.row(page.source, self._rows.c, number, above, self._rows)
        same = (
            above is not None and above.noted and _one_patient(page.source, above, clauses.remote)
        )
        self._row = replace(row, same_subject=same)

    def _limited(self, names: Sequence[str], clauses: _Clauses) -> Any:
        compiler, page = self._compiler, self._page
        table = compiler.alias(page.source)
        number = f"c{compiler._aliases}"
        first = compiler.first(page, 1 if self._more else 0)
        columns = compiler.columns(page.source, table, names)
        selected = [column.label(name) for name, column in columns.items()]
        scope = None if self._above is not None else compiler.spread(page)
        if scope is None:
            found = select(*selected).where(*clauses.all(table), *compiler.position(page, table))
            found = found.order_by(*_order(page, table.c)).limit(first)
            return compiler.correlated(found, self._above).subquery(number)
        return self._merged(selected, table, clauses, scope, first, number)

    def _merged(
        self,
        selected: list[Any],
        table: Any,
        clauses: _Clauses,
        scope: Any,
        first: Any,
        number: str,
    ) -> Any:
        """The first rows of every practice in scope, in one order: each is read from its index."""
        compiler, page = self._compiler, self._page
        names = {column.name for column in selected}
        selected += [table.c[name] for name in page.order.columns if name not in names]
        each = (
            select(*selected)
            .where(
                table.c.practice_id == scope.c.practice_id,
                *clauses.filters(table),
                *compiler.position(page, table),
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
        shown: Sql = self._rows.c[_NUMBER] <= self._compiler.first(self._page, 0)
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
            pieces.append(f'{"," if place else ""}"{_name(item.key)}":')
            if isinstance(item, Cursor):
                pieces.append(self._cursor(self._rows.c.id))
            elif isinstance(item, Nodes):
                pieces += self._compiler.objects(item.objects, self._row)
            else:
                pieces.append(_constant(item))
        return [*pieces, "}"]

    def _cursor(self, row_id: Sql) -> Sql:
        return self._writer.text(cast(row_id, Text))

    def _page_info(self, info: PageInfo) -> list[Piece]:
        pieces: list[Piece] = ["{"]
        for place, item in enumerate(info.items):
            key = item.key if isinstance(item, Constant) else item[0]
            pieces.append(f'{"," if place else ""}"{_name(key)}":')
            pieces.append(_constant(item) if isinstance(item, Constant) else self._fact(item[1]))
        return [*pieces, "}"]

    def _fact(self, name: str) -> Piece:
        if name == "hasPreviousPage":
            return "false"
        first = self._compiler.first(self._page, 0)
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


def _name(name: str) -> str:
    """A name that may stand in the text. Raises ValueError for any other."""
    if NAME.fullmatch(name) is None:
        raise ValueError("not a GraphQL name")
    return name


def _constant(item: Constant) -> str:
    return "null" if item.value is None else f'"{_name(item.value)}"'


def _some(clause: Sql | None) -> list[Sql]:
    return [] if clause is None else [clause]


def _nullable(column: Sql) -> bool:
    base = next(iter(column.base_columns), None)
    return not isinstance(base, Column) or bool(base.nullable)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _always(value: Any) -> Fill:
    return lambda _, __, ___: value
