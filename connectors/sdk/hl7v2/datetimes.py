"""HL7 times (v2.5.1 §2.A.21 DTM, §2.A.77 TS): value, precision and offset; a bad one is an
issue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal

from hub.domain.records import Issue

Precision = Literal["year", "month", "day", "hour", "minute", "second", "fraction"]

_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6})\d*)?)?)?)?)?)?"
    r"([+-]\d{4})?",
    re.ASCII,
)
_MONTH = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})?", re.ASCII)
_LOWEST = (1, 1, 1, 0, 0, 0)
"""What stands for a year, a month and so on that is left out."""
_PARTS: tuple[Precision, ...] = ("year", "month", "day", "hour", "minute", "second", "fraction")


@dataclass(frozen=True, slots=True)
class Hl7Time:
    """`value` is aware; what the sender left out is the lowest value of its kind.

    `offset` is as sent (``-0600``) or empty, in which case the connection's zone was used.
    """

    value: datetime
    precision: Precision
    offset: str


def parse_time(text: str, zone: tzinfo, path: str) -> tuple[Hl7Time | None, Issue | None]:
    """Read ``YYYY[MM[DD[HH[MM[SS[.ffff]]]]]][±ZZZZ]``.

    Without an offset the time is local to `zone`. A time the zone's clock change skips or repeats
    is kept (the earlier reading) with an issue; one that is no time gives None and an issue.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None, _bad_time(path)
    *parts, offset = match.groups("")
    given = [part for part in parts if part]
    precision = _PARTS[len(given) - 1]
    try:
        value = _datetime(given, _offset(offset) if offset else zone)
        value.astimezone(UTC)  # refuses what leaves the calendar
    except (ValueError, OverflowError):
        return None, _bad_time(path)
    issue = None if offset or precision in {"year", "month", "day"} else _clock_change(value, path)
    return Hl7Time(value, precision, offset), issue


def parse_date(text: str, path: str) -> tuple[date | None, Issue | None]:
    """The calendar date of a DT or TS, never moved by a zone; needs year, month and day."""
    stated = text.strip()
    digits = stated[:8]
    if len(digits) == 8 and digits.isdigit() and _TIME.fullmatch(stated):
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])), None
        except ValueError:
            pass
    return None, Issue(
        "bad_date", path, "This is not a date of the form YYYYMMDD; it was left out."
    )


def parse_month(text: str) -> str | None:
    """The year or the month of a DT or TS that says no more, as ISO 8601 has it (``1950-07``);
    None for any other text."""
    match = _MONTH.fullmatch(text.strip())
    if match is None or match["year"] == "0000" or not 1 <= int(match["month"] or 1) <= 12:
        return None
    return f"{match['year']}-{match['month']}" if match["month"] else match["year"]


def _datetime(given: list[str], zone: tzinfo) -> datetime:
    """From the year to the fraction of a second, as far as they are given."""
    numbers = [int(part) for part in given[:6]]
    fraction = int(given[6].ljust(6, "0")) if len(given) > 6 else 0
    year, month, day, hour, minute, second = *numbers, *_LOWEST[len(numbers) :]
    return datetime(year, month, day, hour, minute, second, fraction, tzinfo=zone)


@lru_cache(maxsize=256)
def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    if int(text[3:5]) > 59:
        raise ValueError("minutes of an offset end at 59")
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _clock_change(value: datetime, path: str) -> Issue | None:
    if value.utcoffset() == value.replace(fold=1).utcoffset():
        return None
    return Issue(
        "ambiguous_time",
        path,
        "The clock change of the connection's zone skips or repeats this time; the earlier reading"
        " was used.",
    )


def _bad_time(path: str) -> Issue:
    return Issue("bad_time", path, "This is not an HL7 time (YYYYMMDDHHMMSS); it was left out.")
