"""Replacing the lists that messages state whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.storage import known
from hub.storage.session import ScopedSession
from hub.storage.tables import ListedOfPatient


def replace_list(
    session: ScopedSession,
    table: type[ListedOfPatient] | type[Any],
    owner: Mapping[str, str],
    stated: Sequence[Mapping[str, Any]],
    *,
    none_held: bool = False,
) -> bool:
    """Make `stated` the rows of `table` that belong to `owner` (``practice_id`` and the column that
    points there); rows that say the same stay. True if anything changed. `none_held`: the owner is
    known to have no rows."""
    listed: Any = table
    held: list[Any] = []
    if not none_held:
        held = list(known.owned_by(session, listed, owner, listed.position, listed.id))
    wanted = [dict(values, position=number) for number, values in enumerate(stated, start=1)]
    changed = len(held) > len(wanted)
    for row in held[len(wanted) :]:
        session.delete(row)
    for row, values in zip(held, wanted, strict=False):
        for name, value in values.items():
            if getattr(row, name) != value:
                setattr(row, name, value)
                changed = True
    new = [{**owner, **values} for values in wanted[len(held) :]]
    session.add_new(table, new)
    return changed or bool(new)
