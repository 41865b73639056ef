"""A statement that says for whom it reads.

Row-level security of PostgreSQL asks the settings of the transaction; a read that is one statement
makes them in that statement, and they end with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hub.storage.reads.fragments import (
    NULL,
    From,
    Sql,
    call,
    choose,
    constant,
    derived,
    is_null,
    select,
    set_locally,
)
from hub.storage.reads.parts import Access, Bound, ById, Many, Objects, One, Own, Root
from hub.storage.reads.scoping import DOMAINS
from hub.storage.tables.row_security import (
    ANY_DOMAIN,
    CONSENTS_AT,
    OPERATES,
    PURPOSE,
    SENSITIVE,
    UNRESTRICTED,
    setting_of,
)

if TYPE_CHECKING:
    from hub.storage.reads.compile_objects import Compiler

_BY_ANY_DOMAIN = frozenset({Access.PRACTICES, Access.OPERATED})


def practices_asked(roots: Sequence[Root]) -> tuple[Bound, ...]:
    """The ids of the practices that all rows of some roots belong to; none where others may be read
    too. What a statement is compared with is then as short as its answer needs, however many
    practices are in scope."""
    found = []
    for root in roots:
        if not isinstance(root, ById) or root.objects.source.access is not Access.PRACTICES:
            return ()
        if not _keeps_practice(root.objects):
            return ()
        found.append(root.id)
    return tuple(found)


def _keeps_practice(objects: Objects) -> bool:
    """True if the rows below belong to the practice of the row above them. What the small-group
    rule decides is about other practices too."""
    for output in objects.outputs:
        if isinstance(output, One):
            source = output.objects.source
            below: tuple[Objects, ...] = (output.objects,)
            same = source.access is Access.PRACTICES and output.column == "practice_id"
        elif isinstance(output, Many):
            source, below = output.page.source, output.page.selections()
            same = False
        elif isinstance(output, Own):
            if not _keeps_practice(output.objects):
                return False
            continue
        else:
            continue
        if not (source.owned or same) or source.small_group is not None:
            return False
        if not all(map(_keeps_practice, below)):
            return False
    return True


def telling_scope(compiler: Compiler, roots: dict[str, Sql]) -> tuple[dict[str, Sql], From | None]:
    """The roots, none of which is read before the settings are made, and the FROM clause that makes
    them; None where there is nobody to tell."""
    if not compiler.writer.has_row_security or not roots:
        return roots, None
    made = [set_locally(name, value) for name, value in _settings(compiler)]
    if not made:
        return roots, None
    told = derived(select({"told": call("concat", *made)}, apart=True), "s")
    ready = is_null(told["told"], is_not=True)
    return {name: choose(ready, root, NULL) for name, root in roots.items()}, told


def _settings(compiler: Compiler) -> Iterator[tuple[str, Sql]]:
    """What the tables of the statement are compared with; what is not set shows no rows."""
    shape, sources, binds = compiler.shape, compiler.sources, compiler.binds
    if shape.unrestricted:
        yield UNRESTRICTED, constant("on")
        return
    if shape.is_mso and any(each.access in {Access.OPERATED, Access.MSO} for each in sources):
        yield OPERATES, constant("on")
    consents = any(shape.asks_consents(each) for each in sources)
    if consents or any(each.access in _BY_ANY_DOMAIN for each in sources):
        yield ANY_DOMAIN, binds.readable_or_own(shape.everywhere)
    if any(shape.sensitive_set(each) is not None for each in sources):
        yield SENSITIVE, binds.sensitive()
    if consents:
        yield CONSENTS_AT, binds.consents_at_text()
        yield PURPOSE, binds.purpose()
    for domain in DOMAINS:
        if any(each.domain is domain for each in sources):
            yield setting_of(domain), binds.readable(shape.readable_set(domain))
