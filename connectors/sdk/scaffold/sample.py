"""What a page of a vendor's documentation shows: where its rows stand and of what type they are.

Of a sample's values only dates, small numbers, product numbers and the words of codes are kept: it
may have been copied from a real account.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from hub.domain.gs1 import is_gtin
from hub.errors import ConfigError

Kind = Literal["text", "day", "time", "flag", "whole", "exact", "part"]

MOST_ROWS = 3
_EXACT: Final = re.compile(r"-?\d+\.\d+")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,29}")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_ -]{0,29}")
_PERSONAL: Final = re.compile(r"name|first|last|family|given|middle|street|city|address|mail|phone")
_CODED: Final = re.compile(r"status|state|type|kind|unit|uom|frequency|sex|gender|currency|code")
_TIMES: Final = ("updatedat", "modifiedat", "lastmodified", "lastupdated", "updated", "modified",
                 "changedat", "timestamp")  # fmt: skip
_NEXT: Final = re.compile(r"next|cursor|token|continuation", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """A key of the rows: `name` is its name in Python, `parts` the keys of an object."""

    key: str
    name: str
    kind: Kind
    parts: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """`rows_at` and `next_at` are keys from the document down; `next_at` is empty where no key
    looks like a page token, `time_key` where no column can move a cursor. `rows` are invented."""

    rows_at: tuple[str, ...]
    next_at: tuple[str, ...]
    id_key: str
    time_key: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]


def read_sample(content: bytes) -> Sample:
    """Raises ConfigError with a sentence for what is no page, event or row in JSON."""
    try:
        document = json.loads(content, parse_float=Decimal)
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"The sample is not JSON: {error}.", field="sample") from None
    if isinstance(document, dict) and "data" in document and isinstance(document["data"], dict):
        document = [document["data"]]  # an event
    found = next(_lists(document), None)
    if found is None and isinstance(document, dict) and document:
        found = ((), [document])  # a row by itself
    if found is None:
        raise ConfigError("The sample holds no list of objects.", field="sample")
    rows_at, rows = found
    columns = tuple(_columns(rows))
    id_key = _id_key(rows)
    if id_key is None:
        raise ConfigError(
            "The sample's rows have no key of their own: none whose name is id or ends in it.",
            field="sample",
        )
    times = {_plain(c.key): c.key for c in columns if c.kind == "time"}
    time_key = next((times[name] for name in _TIMES if name in times), "")
    invented = tuple(
        _invent(row, number, id_key) for number, row in enumerate(rows[:MOST_ROWS], start=1)
    )
    return Sample(rows_at, _next_at(document, rows_at), id_key, time_key, columns, invented)


def _lists(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """The lists of objects that are in no other list, the outer ones first."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, (*at, key))


def _next_at(document: Any, rows_at: tuple[str, ...]) -> tuple[str, ...]:
    """Where a page token seems to stand: beside the rows, above them, or in an object there."""
    found: list[tuple[str, ...]] = []

    def look(value: Any, at: tuple[str, ...]) -> None:
        for key, inner in value.items() if isinstance(value, dict) else ():
            if (*at, key) == rows_at:
                continue
            if _NEXT.search(key) and isinstance(inner, str | int | None):
                found.append((*at, key))
            look(inner, (*at, key))

    look(document, ())
    return min(found, key=len, default=())


def _id_key(rows: Sequence[Mapping[str, Any]]) -> str | None:
    shared = [key for key in rows[0] if all(isinstance(r.get(key), str | int) for r in rows)]
    exact = [key for key in shared if _plain(key) in {"id", "uuid", "guid"}]
    ending = [key for key in shared if re.search(r"(_id|Id|ID|uuid|_number|Number)$", key)]
    unique = [key for key in (*exact, *ending) if len({str(row[key]) for row in rows}) == len(rows)]
    return unique[0] if unique else None


def _columns(rows: Sequence[Mapping[str, Any]]) -> Iterator[Column]:
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if row.get(key) is not None]
        kind = _kind(values)
        if kind is not None:
            parts = tuple(_columns(values)) if kind == "part" else ()
            yield Column(key, _name(key), kind, parts)


def _kind(values: Sequence[Any]) -> Kind | None:
    """The type that all values have; None for lists and for what differs or is never there."""
    tests: Mapping[Kind, Any] = {
        "flag": lambda v: isinstance(v, bool),
        "whole": lambda v: isinstance(v, int),
        "exact": lambda v: isinstance(v, int | Decimal) or (isinstance(v, str) and _is_exact(v)),
        "day": lambda v: isinstance(v, str) and _parsed(v, date),
        "time": lambda v: isinstance(v, str) and _parsed(v, datetime),
        "text": lambda v: isinstance(v, str),
        "part": lambda v: isinstance(v, dict),
    }
    return next(
        (kind for kind, is_one in tests.items() if values and all(map(is_one, values))), None
    )


def _is_exact(value: str) -> bool:
    return bool(_EXACT.fullmatch(value))


def _parsed(value: str, kind: type[date]) -> bool:
    try:
        found = kind.fromisoformat(value)
    except ValueError:
        return False
    return not isinstance(found, datetime) or found.tzinfo is not None


def _name(key: str) -> str:
    """``lastModifiedAt`` as ``last_modified_at``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    name = re.sub(r"\W+", "_", words).strip("_").lower() or "value"
    name = f"a_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) or name in {"copy", "json", "schema"} else name


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _invent(row: Mapping[str, Any], number: int, id_key: str) -> dict[str, Any]:
    """A row of the same form with nothing of anybody in it."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == id_key:
            found[key] = number if isinstance(value, int) else f"{_name(key)}_{number}"
        else:
            found[key] = _invented(key, value, number)
    return found


def _invented(key: str, value: Any, number: int) -> Any:
    if isinstance(value, dict):
        return {inner: _invented(inner, one, number) for inner, one in value.items()}
    if isinstance(value, list):
        return [_invented(key, one, number) for one in value[:1]]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 1000 else 1000 + number
    if isinstance(value, Decimal):
        return float(100 * number)
    return _invented_text(key, value, number)


def _invented_text(key: str, value: str, number: int) -> str:
    plain = key.lower()
    if _parsed(value, date):
        return "1980-05-06" if re.search(r"birth|dob|death|deceased", plain) else value
    if _parsed(value, datetime) or (value.isdigit() and is_gtin(value)):
        return value
    if _is_exact(value):
        return f"{100 * number}." + "0" * len(value.rpartition(".")[2])
    if not _PERSONAL.search(plain) and _CODE.fullmatch(value):
        return value
    if not _PERSONAL.search(plain) and _CODED.search(plain) and _WORD.fullmatch(value):
        return value
    return f"{_name(key).replace('_', ' ').capitalize()} {number}" if value else ""
