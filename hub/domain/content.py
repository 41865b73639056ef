"""The content hash of canonical data: equal content, equal hash, in every process and version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from operator import attrgetter


def content_hash(data: object, *marks: str) -> str:
    """SHA-256 (hex) over the type and all fields of a frozen dataclass, and over `marks`.

    Decimals count by value (1.0 is 1.00), aware datetimes by the moment, dates as dates. Raises
    TypeError for a value without a stable form, among them floats, sets and naive datetimes.
    """
    form = json.dumps([stable(data), *marks], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(form.encode()).hexdigest()


def stable(value: object) -> object:
    """`value` as JSON values whose text depends on the content alone."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, tuple | list):
        return _all(value)
    values_of = _values_of(kind)  # type: ignore[arg-type]
    if values_of is not None:
        return {kind.__name__: _all(values_of(value))}
    if isinstance(value, Enum):
        return stable(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return {"decimal": format(value.normalize(), "f") if value else "0"}
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a moment needs a time zone")
        return {"moment": value.astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Mapping):
        return {"map": sorted([str(key), stable(item)] for key, item in value.items())}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return _all(value)
    raise TypeError(f"{kind.__name__} has no stable form")


def _all(values: Iterable[object]) -> list[object]:
    return [value if type(value) in _PLAIN else stable(value) for value in values]


@cache
def _values_of(kind: type[object]) -> Callable[[object], Iterable[object]] | None:
    """What gives the values of a dataclass's fields, in their order."""
    if not is_dataclass(kind) or issubclass(kind, Enum):
        return None
    names = [field.name for field in fields(kind)]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]


_PLAIN = frozenset({type(None), bool, int, str})
