"""From parts to one SQL statement whose columns are the JSON texts of the root fields, and last the
policy version of the same snapshot.

Made once per shape: a `CompiledPart` holds SQL and how to fill its parameters, never a value of a
request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Integer, Select, String, bindparam, cast, func, select

from hub.storage.reads.binds import Fill
from hub.storage.reads.compile_objects import Compiler
from hub.storage.reads.compile_pages import page_text
from hub.storage.reads.compile_scope import saying_scope
from hub.storage.reads.made import Made
from hub.storage.reads.marks import Mark
from hub.storage.reads.parts import (
    ById,
    Computed,
    Constant,
    GlobalId,
    Leaf,
    Many,
    Objects,
    One,
    Page,
    Root,
    RootPage,
)
from hub.storage.reads.scoping import ScopeShape
from hub.storage.reads.text import Sql, Writer
from hub.storage.tables import Epoch, PolicyVersion

OUTERMOST, PAGE_DEPTH, LINK_DEPTH = 2, 3, 2
"""How many parentheses a page and a to-one link open around what is below them."""


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
    compiler = Compiler(shape, writer)
    columns = [_root(compiler, number, root) for number, root in enumerate(roots)]
    columns, said = saying_scope(compiler, columns)
    labelled = (column.label(f"root_{number}") for number, column in enumerate(columns))
    statement = select(*labelled, _policy_version())
    if said is not None:
        statement = statement.select_from(said)
    compiled = _compiled(statement, writer, compiler.binds.fills, tuple(compiler.marks))
    return replace(compiled, made=tuple(compiler.made))


def compile_epoch(writer: Writer) -> CompiledPart:
    """The sum of the epochs of some nouns over some practices, as text. Its two values are the list
    of nouns and that of practices, as `Writer.list_text` writes them. No epoch ever shrinks, so an
    equal sum means equal epochs.
    """
    fills: dict[str, Fill] = {
        "nouns": lambda values, _, __: values[0],
        "practices": lambda values, _, __: values[1],
    }
    epochs = Epoch.__table__.c
    total = cast(func.coalesce(func.sum(epochs.epoch), 0), String)
    statement = select(total, _policy_version()).where(
        writer.among_text(epochs.noun, bindparam("nouns", required=False)),
        writer.among_text(epochs.practice_id, bindparam("practices", required=False)),
    )
    return _compiled(statement, writer, fills, ())


def _policy_version() -> Sql:
    only = bindparam(None, 1, type_=Integer(), unique=True, literal_execute=True)
    version = select(PolicyVersion.version).where(PolicyVersion.id == only).scalar_subquery()
    return func.coalesce(version, 0)


def explained(part: CompiledPart, how: str) -> CompiledPart:
    """The statement that tells how a part would be read; `how` is the database's word for that."""
    return replace(part, sql=how + part.sql)


def _compiled(
    statement: Select[*tuple[Any, ...]],
    writer: Writer,
    fills: Mapping[str, Fill],
    marks: tuple[Mark, ...],
) -> CompiledPart:
    compiled = statement.compile(
        dialect=writer.dialect, compile_kwargs={"render_postcompile": True}
    )
    names = compiled.positiontup or []
    filled = tuple(fills.get(name) or _always(compiled.params[name]) for name in names)
    return CompiledPart(str(compiled), filled, marks)


def _root(compiler: Compiler, number: int, root: Root) -> Sql:
    if isinstance(root, ById):
        return compiler.by_id(root)
    if isinstance(root, RootPage):
        return page_text(compiler, root.page, None, "", number)
    raise TypeError("this root is not written as text")


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
        elif not isinstance(output, Constant | GlobalId | Leaf | Computed):
            return False
    return True


def _always(value: Any) -> Fill:
    return lambda _, __, ___: value
