"""Mapped columns that do not make an expression each before anybody asks for one.

SQLAlchemy (2.1) looks for an attribute's events in a slot that is empty at first, and what an
attribute lacks is looked for on the expression of its column: two annotated copies of the column,
kept for as long as the class. For all tables together that is 4 MB and half of configuring them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import ColumnProperty

_EVENTS = "_slots_dispatch"


class _Comparator(ColumnProperty.Comparator[Any]):
    """Knows that no column has that slot."""

    __slots__ = ()

    def _fallback_getattr(self, key: str) -> Any:
        if key == _EVENTS:
            raise AttributeError(key)
        return super()._fallback_getattr(key)


def make_expressions_late() -> None:
    """For every class mapped from now on."""
    ColumnProperty.Comparator = _Comparator  # type: ignore[misc]
