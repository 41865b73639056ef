"""How exactly a source states a time, and the zones times are local to."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TimePrecision = Literal["year", "month", "day", "hour", "minute", "second"]
"""The smallest part that was stated; what is below it in the stored value means nothing. Fractions
count as seconds. None where a source does not say."""


def zone_named(name: str) -> ZoneInfo | None:
    """The IANA time zone of a name such as America/Chicago; None if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
