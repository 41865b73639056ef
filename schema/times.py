"""How exactly a time is stated, shown beside it."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.times import TimePrecision
from schema.mapping.declare import Col, enum


def precision(of: str) -> Col:
    """The precision of the field `of`."""
    text = f"The smallest part of {of} that was stated; null where it is not known."
    return enum(DataClass.PHI, "TimePrecision", TimePrecision, help=text)
