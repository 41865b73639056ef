"""The content hash of canonical data: equal content, equal hash, in every process and version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum


def content_hash(data: object, *marks: str) -> str:
    """SHA-256 (hex) over the type and all fields of a frozen dataclass, and over `marks`.

    Decimals count by value (1.0 is 1.00), aware datetimes by the moment, dates as dates. Raises
    TypeError for a value without a stable form, among them floats, sets and naive datetimes.
    """
    form = json.dumps([stable(data), *marks], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(form.encode()).hexdigest()


def stable(value: object) -> object:
    """`value` as JSON values whose text depends on the content alone."""
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
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: [stable(getattr(value, f.name)) for f in fields(value)]}
    if isinstance(value, Mapping):
        return {"map": sorted([str(key), stable(item)] for key, item in value.items())}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [stable(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no stable form")
