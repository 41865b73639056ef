"""Checks of the records a connector reads: from its simulator, and from its fixtures."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from connectors.sdk.kit.model import check
from connectors.sdk.kit.subject import Subject, beside


@check(
    "reader",
    "Every value has the type its record declares, and a fixture reads as its .expected.json says.",
    "Convert in parse.py or mapping.py; a word that is not known becomes the record's unknown.",
)
def record_matches_model(subject: Subject) -> Iterator[str]:
    declared = {spec.name: spec.record for spec in subject.specs} if _is_source(subject) else {}
    for where, record in subject.records:
        expected = declared.get(where.removeprefix("stream "))
        if expected is not None and not isinstance(record.data, expected):
            yield f"{where}: {type(record.data).__name__} instead of {expected.__name__}"
        for path, value, hint in values_of(record.data):
            # float and time have checks of their own, which say more
            if not _fits(value, hint) and not isinstance(value, float | datetime):
                yield f"{where}: {path} is {type(value).__name__}, not {_name(hint)}"
    for case in subject.cases():
        yield from (f"fixture {case.name}: {what}" for what in _unexpected(subject, case))


def _unexpected(subject: Subject, case: Path) -> Iterator[str]:
    """How the records of a fixture differ from those expected, if any are."""
    file = beside(case, ".expected.json")
    expected = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if not isinstance(expected, dict) or "records" not in expected:
        return
    found = subject.read_case(case)
    if found is None:
        return
    if len(found) != len(expected["records"]):
        yield f"{len(found)} records instead of {len(expected['records'])}"
        return
    for record, said in zip(found, expected["records"], strict=True):
        for name in ("external_id", "data"):
            yield from _differences(getattr(record, name), said.get(name), name)
        yield from _differences(record.cleared, said.get("cleared", []), "cleared")


def _differences(value: Any, expected: Any, path: str) -> Iterator[str]:
    """Where a value is not what its JSON says; times and amounts are texts there."""
    if is_dataclass(value) and isinstance(expected, dict):
        for name in sorted({one.name for one in fields(value)} | set(expected)):
            yield from _differences(
                getattr(value, name, None), expected.get(name), f"{path}.{name}"
            )
    elif isinstance(value, tuple) and isinstance(expected, list) and len(value) == len(expected):
        for number, (one, said) in enumerate(zip(value, expected, strict=True)):
            yield from _differences(one, said, f"{path}[{number}]")
    elif isinstance(value, Decimal | date | float):
        forms = {str(value), value.isoformat() if isinstance(value, date) else ""}
        if expected not in forms:
            yield f"{path} is not as expected: {value} instead of {expected}"
    elif value != expected:
        yield f"{path} is not as expected: {value!r} instead of {expected!r}"


def _is_source(subject: Subject) -> bool:
    return "source" in subject.scopes


@check(
    "reader",
    "No amount has passed through a binary fraction, which would lose cents.",
    "Read amounts as Decimal: the types of connectors.sdk.rows, and read_json for JSON.",
)
def money_decimal_exact(subject: Subject) -> Iterator[str]:
    for where, record in subject.records:
        for path, value, _ in values_of(record.data):
            if isinstance(value, float):
                yield f"{where}: {path} is a float"
            elif isinstance(value, Decimal) and not value.is_finite():
                yield f"{where}: {path} is no number"


@check(
    "reader",
    "A day stays a day, and every time says its zone: no birthday moves over midnight.",
    "Give times their offset or the zone of the settings; keep days as date.",
)
def dates_vs_datetimes_tz(subject: Subject) -> Iterator[str]:
    for where, record in subject.records:
        if record.occurred_at is not None and record.occurred_at.utcoffset() is None:
            yield f"{where}: occurred_at has no zone"
        for path, value, hint in values_of(record.data):
            if isinstance(value, datetime):
                if value.utcoffset() is None:
                    yield f"{where}: {path} is a time without a zone"
                if datetime not in choices(hint):
                    yield f"{where}: {path} is a time, not {_name(hint)}"


def values_of(data: object, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every field of a record and of the records in it, with the type declared."""
    if not is_dataclass(data) or isinstance(data, type):
        return
    hints = _hints(type(data))
    for one in fields(data):
        value, where = getattr(data, one.name), f"{path}{one.name}"
        yield where, value, hints[one.name]
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            yield from values_of(part, f"{where}.")


@cache
def _hints(record: type) -> dict[str, Any]:
    return get_type_hints(record)


def choices(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a declared type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if hint in (Any, object):
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in args)
    if origin is Literal:
        return value in args
    if origin is Annotated:
        return _fits(value, args[0])
    if origin is tuple:
        kinds = args[:1] * len(value) if args[-1:] == (...,) and isinstance(value, tuple) else args
        return (
            isinstance(value, tuple)
            and len(value) == len(kinds)
            and all(_fits(part, kind) for part, kind in zip(value, kinds, strict=True))
        )
    if hint is None or hint is type(None):
        return value is None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if hint is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    kind = origin or hint
    return isinstance(value, kind) if isinstance(kind, type) else True


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


CHECKS = (record_matches_model, money_decimal_exact, dates_vs_datetimes_tz)
