"""A statement that says for whom it reads.

Row-level security of PostgreSQL asks the settings of the transaction; a read that is one statement
makes them in that statement, and they end with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, case, func, literal, select, true

from hub.storage.reads.parts import Access
from hub.storage.reads.scoping import DOMAINS
from hub.storage.reads.text import Sql, constant
from hub.storage.tables.row_security import ANY_DOMAIN, OPERATES, UNRESTRICTED, setting_of

if TYPE_CHECKING:
    from hub.storage.reads.compile_objects import Compiler


def saying_scope(compiler: Compiler, roots: list[Sql]) -> tuple[list[Sql], Any]:
    """The roots, none of which is read before the settings are made, and the FROM clause that makes
    them; None where there is nobody to tell."""
    settings = dict(_settings(compiler)) if compiler.writer.has_row_security and roots else {}
    if not settings:
        return roots, None
    made = [func.set_config(constant(name), value, true()) for name, value in settings.items()]
    never_merged = literal(0, literal_execute=True)
    said = select(func.concat(*made, type_=Text()).label("said")).offset(never_merged).subquery("s")
    return [case((said.c.said.is_not(None), root)) for root in roots], said


def _settings(compiler: Compiler) -> Iterator[tuple[str, Sql]]:
    """What the tables of the statement are compared with; what is not set shows no rows."""
    shape, sources = compiler.shape, compiler.sources
    if shape.unrestricted:
        yield UNRESTRICTED, constant("on")
        return
    if any(source.access in {Access.OPERATED, Access.MSO} for source in sources) and shape.is_mso:
        yield OPERATES, constant("on")
    if any(source.domain is None for source in sources):
        yield ANY_DOMAIN, compiler.binds.array(shape.everywhere)
    for domain in DOMAINS:
        if any(source.domain is domain for source in sources):
            yield setting_of(domain), compiler.binds.array(shape.readable_set(domain))
