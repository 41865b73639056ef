"""From parts to one SQL statement whose columns are the JSON texts of the root fields, and last the
policy version of the same snapshot.

Made once per shape: a `CompiledPart` holds SQL and how to fill its parameters, never a value of a
request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast as typed

from sqlalchemy import Table

from hub.storage.reads.binds import Fill
from hub.storage.reads.compile_objects import Compiler
from hub.storage.reads.compile_pages import page_text
from hub.storage.reads.compile_scope import practices_asked, telling_scope
from hub.storage.reads.fragments import (
    Query,
    Sql,
    call,
    cast,
    equal,
    number,
    numbered,
    parameter,
    rows_of,
    scalar,
    select,
)
from hub.storage.reads.made import Made
from hub.storage.reads.marks import Mark
from hub.storage.reads.parts import (
    Aggregates,
    ById,
    Computed,
    Constant,
    GlobalId,
    Leaf,
    Many,
    Objects,
    One,
    Own,
    Page,
    Root,
    RootPage,
)
from hub.storage.reads.scoping import ScopeShape
from hub.storage.reads.text import Writer
from hub.storage.tables import Epoch, PolicyVersion

OUTERMOST, PAGE_DEPTH, LINK_DEPTH, OWN_DEPTH = 2, 3, 2, 1
"""How many parentheses a page, a to-one link and an object of the row open around what is below."""


@dataclass(frozen=True, slots=True)
class CompiledPart:
    """One statement: a column of JSON text per root field and last one of the policy version, and
    how to fill its parameters from the values of a request and its scope. `made` fills the holes in
    the texts. Only this module makes one."""

    sql: str
    fills: tuple[Fill, ...]
    marks: tuple[Mark, ...]
    made: tuple[Made, ...] = ()


def compile_roots(roots: Sequence[Root], shape: ScopeShape, writer: Writer) -> CompiledPart:
    """The statement of some roots, all of which `supports` must hold for; without any it asks for
    the policy version alone."""
    compiler = Compiler(shape, writer, practices_asked(roots))
    columns = {f"root_{place}": _root(compiler, place, root) for place, root in enumerate(roots)}
    columns, told = telling_scope(compiler, columns)
    statement = select({**columns, "policy": _policy_version()}, told)
    part = _compiled(statement, compiler.binds.fills, writer)
    return replace(part, marks=tuple(compiler.marks), made=tuple(compiler.made))


def compile_epoch(writer: Writer) -> CompiledPart:
    """The sum of the epochs of some nouns over some practices, as text. Its two values are the list
    of nouns and that of practices, as `Writer.list_text` writes them. No epoch ever shrinks, so an
    equal sum means equal epochs.
    """
    epochs = rows_of(typed(Table, Epoch.__table__), "e")
    total = cast(call("coalesce", call("sum", epochs["epoch"]), number(0)), "TEXT")
    wanted = [
        writer.among_text(epochs["noun"], parameter(0)),
        writer.among_text(epochs["practice_id"], parameter(1)),
    ]
    statement = select({"total": total, "policy": _policy_version()}, epochs, wanted)
    fills: list[Fill] = [lambda values, _, __: values[0], lambda values, _, __: values[1]]
    return _compiled(statement, fills, writer)


def _compiled(statement: Query, fills: Sequence[Fill], writer: Writer) -> CompiledPart:
    text, places = numbered(statement, writer.sign)
    return CompiledPart(text, tuple(fills[place] for place in places), ())


def _policy_version() -> Sql:
    rows = rows_of(typed(Table, PolicyVersion.__table__), "v")
    only = equal(rows["id"], number(1))
    return call("coalesce", scalar(select(rows["version"], rows, [only])), number(0))


def explained(part: CompiledPart, how: str) -> CompiledPart:
    """The statement that tells how a part would be read; `how` is the database's word for that."""
    return replace(part, sql=how + part.sql)


def _root(compiler: Compiler, number: int, root: Root) -> Sql:
    if isinstance(root, ById):
        return compiler.by_id(root)
    if isinstance(root, RootPage):
        return page_text(compiler, root.page, None, "", number)
    raise TypeError("this root is not written as text")


def supports(root: Root, writer: Writer) -> bool:
    """True if a root can be written as text: stored values and no aggregates, not nested beyond
    what the database parses."""
    if isinstance(root, RootPage):
        return _page_fits(root.page, writer, OUTERMOST)
    return isinstance(root, Constant) or (
        isinstance(root, ById) and _objects_fit(root.objects, writer, OUTERMOST + LINK_DEPTH)
    )


def _page_fits(page: Page, writer: Writer, depth: int) -> bool:
    depth += PAGE_DEPTH
    if writer.nesting is not None and depth > writer.nesting:
        return False
    if any(isinstance(output, Aggregates) for output in page.outputs):
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
        elif isinstance(output, Own):
            if not _objects_fit(output.objects, writer, depth + OWN_DEPTH):
                return False
        elif not isinstance(output, Constant | GlobalId | Leaf | Computed):
            return False
    return True
