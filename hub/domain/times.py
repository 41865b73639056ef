"""How exactly a source states a time."""

from __future__ import annotations

from typing import Literal

TimePrecision = Literal["year", "month", "day", "hour", "minute", "second"]
"""The smallest part that was stated; what is below it in the stored value means nothing. Fractions
count as seconds. None where a source does not say."""
