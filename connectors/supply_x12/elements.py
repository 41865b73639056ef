"""Elements of X12 004010 as exact values, with the fault named by segment and element; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.sdk.x12 import Group, Segment
from hub.errors import DataError

_CENT = Decimal("0.01")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)")


def fault(segment: Segment, number: int, rule: str, reason: str) -> DataError:
    path = f"{segment.id}-{number:02d} at {segment.position}"
    return DataError(f"{path} {rule}.", reason=reason, path=path)


def required(segment: Segment, number: int) -> str:
    value = segment.get(number)
    if not value:
        raise fault(segment, number, "is missing", "element_missing")
    return value


def decimal_number(segment: Segment, number: int) -> Decimal:
    """Type R: an explicit point where there are decimals."""
    value = required(segment, number)
    if len(value) > 18 or not _NUMBER.fullmatch(value):
        raise fault(segment, number, "must be a number", "number")
    return Decimal(value)


def money(segment: Segment, number: int) -> Decimal:
    """Type R as money: with two decimals, or more where the sender states more."""
    found = decimal_number(segment, number)
    rounded = found.quantize(_CENT)
    return rounded if rounded == found else found


def money_n2(segment: Segment, number: int) -> Decimal:
    """Type N2: the point is implied, ``14400`` is 144.00. A stated point is against the type."""
    value = required(segment, number)
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise fault(segment, number, "must hold digits only (N2, two implied decimals)", "n2")
    return Decimal(value).scaleb(-2).quantize(_CENT)


def packs(segment: Segment, number: int) -> int:
    """A quantity of whole packs."""
    found = decimal_number(segment, number)
    if found < 0 or found != found.to_integral_value() or found > 10_000_000:
        raise fault(segment, number, "must be a whole quantity, zero or more", "quantity")
    return int(found)


def line_number(segment: Segment, number: int) -> int:
    """The line number of our order, which the vendor repeats."""
    value = required(segment, number)
    if not (value.isascii() and value.isdigit() and len(value) <= 6 and int(value) > 0):
        raise fault(segment, number, "must repeat our line number", "line_number")
    return int(value)


def day(segment: Segment, number: int) -> date:
    """Type DT, CCYYMMDD."""
    return _day(required(segment, number)) or _bad_day(segment, number)


def _bad_day(segment: Segment, number: int) -> date:
    raise fault(segment, number, "must be a date CCYYMMDD", "date")


def _day(value: str) -> date | None:
    if len(value) != 8 or not (value.isascii() and value.isdigit()):
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def stated_at(group: Group, zone: ZoneInfo) -> datetime:
    """When the sender wrote the group (GS04, GS05), which X12 states without a zone; aware, UTC."""
    found = _day(group.date)
    clock = group.time[:6].ljust(6, "0")
    if found is None or len(group.time) < 4 or not (clock.isascii() and clock.isdigit()):
        raise DataError("GS-04 and GS-05 must be a date and a time.", reason="date", path="GS-04")
    hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
    if hour > 23 or minute > 59 or second > 59:
        raise DataError("GS-05 must be a time HHMM or HHMMSS.", reason="time", path="GS-05")
    local = datetime(found.year, found.month, found.day, hour, minute, second, tzinfo=zone)
    return local.astimezone(UTC)


def products(segment: Segment, start: int) -> dict[str, str]:
    """The pairs of product qualifier (VN, UK, MG…) and id from element `start` on."""
    count = len(segment.elements)
    pairs = [(segment.get(n), segment.get(n + 1)) for n in range(start, count, 2)]
    return {qualifier: value for qualifier, value in pairs if qualifier and value}


def first(segments: Sequence[Segment], name: str, set_id: str) -> Segment:
    """The first segment of that id; DataError if the set lacks it."""
    for segment in segments:
        if segment.id == name:
            return segment
    raise DataError(f"The {set_id} has no {name}.", reason="segment_missing", path=name)
