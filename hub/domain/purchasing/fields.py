"""Strict readers for one field of a purchasing instance: whole numbers, money, rates, texts.

Each returns the value or raises Rejected with one sentence that names the path and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from typing import Any, NoReturn, TypeVar

from hub.errors import Rejected

RATE_UNIT = 1_000_000
"""Rates are whole millionths: 0.01 is 10,000."""

LARGEST_UNITS = 10**9
LARGEST_CENTS = 10**12

_MONEY = re.compile(r"(\d{1,12})(?:\.(\d{1,2}))?\Z", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}\Z", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)
_RATE = re.compile(r"[01](?:\.\d{1,6})?\Z", re.ASCII)

T = TypeVar("T")
Reader = Callable[[Any, str], T]


def reject(reason: str, path: str, sentence: str) -> NoReturn:
    """Raise Rejected; `sentence` follows the path, so the whole message is one sentence."""
    raise Rejected(f"{path or 'The instance'} {sentence}", reason=reason, path=path)


def mapping(
    value: Any, path: str, known: Collection[str], required: Collection[str]
) -> Mapping[str, Any]:
    """A JSON object with no key outside `known` and every key of `required`."""
    if not isinstance(value, Mapping):
        reject("not_an_object", path, "must be an object.")
    for key in value:
        if key not in known:
            where = f"{path}.{key}" if path else str(key)
            reject("unknown_key", where, "is not a key of the format.")
    for key in required:
        if key not in value:
            where = f"{path}.{key}" if path else key
            reject("missing_key", where, "is missing.")
    return value


def rows(value: Any, path: str, read: Reader[T]) -> tuple[T, ...]:
    """A JSON array, each element read by `read`; `path[n]` counts from 0."""
    if not isinstance(value, list | tuple):
        reject("not_a_list", path, "must be a list.")
    return tuple(read(element, f"{path}[{n}]") for n, element in enumerate(value))


def text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        reject("not_text", path, "must be a text that is not empty.")
    return value


def currency(value: Any, path: str) -> str:
    """An ISO 4217 code; which codes are in use is not checked."""
    if not _CURRENCY.match(text(value, path)):
        reject("not_currency", path, 'must be a currency of three capital letters such as "USD".')
    return str(value)


def optional_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        reject("not_text", path, "must be a text.")
    return value


def flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        reject("not_boolean", path, "must be true or false.")
    return value


def whole(value: Any, path: str) -> int:
    """A whole number from 0; true, 3.0 and "3" are refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        reject("not_whole_number", path, "must be a whole number, written without quotes or point.")
    if value < 0:
        reject("negative", path, "must not be negative.")
    if value > LARGEST_UNITS:
        reject("too_large", path, "is larger than a billion.")
    return value


def positive(value: Any, path: str) -> int:
    if whole(value, path) == 0:
        reject("zero", path, "must be at least 1.")
    return int(value)


def cents(value: Any, path: str) -> int:
    """A decimal string such as "12.50" as integer cents."""
    if not isinstance(value, str) or not _NUMBER.match(value):
        reject("not_money", path, 'must be an amount written as a text such as "12.50".')
    if value.startswith("-"):
        reject("negative", path, "must not be negative.")
    match = _MONEY.match(value)
    if match is None:
        reject("not_money", path, "must have at most two decimals and twelve digits before them.")
    amount = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if amount > LARGEST_CENTS:
        reject("too_large", path, "is larger than ten billion.")
    return amount


def rate(value: Any, path: str) -> int:
    """A share of 1 as a decimal string such as "0.015", in millionths."""
    if isinstance(value, str) and value.startswith("-") and _NUMBER.match(value):
        reject("negative", path, "must not be negative.")
    if not isinstance(value, str) or not _RATE.match(value):
        reject(
            "not_rate",
            path,
            'must be a share written as a text such as "0.015", six decimals at most.',
        )
    millionths = int(Fraction(value) * RATE_UNIT)
    if millionths > RATE_UNIT:
        reject("not_rate", path, "must not be above 1.")
    return millionths


def seconds(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        reject("not_seconds", path, "must be a number of seconds above 0 and at most 86400.")
    return float(value)


def optional(read: Reader[T]) -> Reader[T | None]:
    """The reader that lets null through."""
    return lambda value, path: None if value is None else read(value, path)
