"""Where a new term of a service agreement stands among those of the same practice and domain.

Terms are effective-dated and never overlap: on each day at most one holds. Dates are the practice's
own; a term holds from `starts_on` until before `ends_on` (None: open). What was in force before
today stays as it was, because the audit trail is read against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from hub.errors import Conflict, Rejected


@dataclass(frozen=True, slots=True)
class Span:
    """The days on which a stored term holds."""

    id: str
    starts_on: date
    ends_on: date | None

    def covers(self, day: date) -> bool:
        return self.starts_on <= day and (self.ends_on is None or day < self.ends_on)


@dataclass(frozen=True, slots=True)
class Placed:
    """When the new term ends; the ids of the one that now ends where it begins, and of one that was
    to begin on that day and was ended before it did."""

    ends_on: date | None
    replaces: str | None
    instead_of: str | None


def place(spans: Sequence[Span], starts_on: date, ends_on: date | None, today: date) -> Placed:
    """Find room for a term. The one in force on its first day gives way to it; it gives way to one
    that begins later. Raises Rejected or Conflict where that cannot be."""
    if ends_on is not None and ends_on <= starts_on:
        raise Rejected("A term ends after the day it begins.", path="ends_on")
    held = [span for span in spans if span.starts_on != span.ends_on]
    same = next((span for span in spans if span.starts_on == starts_on), None)
    if same in held:
        raise Conflict(f"A term of this domain begins on {starts_on} already.")
    before = next((span for span in held if span.covers(starts_on)), None)
    if before is not None and starts_on < today:
        raise Conflict(
            f"A term of this domain was in force on {starts_on}; begin today or later, since what "
            "was in force stays as it was."
        )
    later = min((span.starts_on for span in held if span.starts_on > starts_on), default=None)
    if later is not None and ends_on is not None and ends_on > later:
        raise Conflict(f"Another term of this domain begins on {later}; end this one by then.")
    return Placed(ends_on or later, before.id if before else None, same.id if same else None)


def ended(spans: Sequence[Span], on: date, today: date) -> dict[str, date]:
    """The new ends, by id, so that no term holds on the day `on` or after: one in force ends then,
    and those that would begin later never begin. Raises Rejected for a day that is over."""
    if on < today:
        raise Rejected("What was in force stays as it was: end today or later.", path="ends_on")
    return {
        span.id: max(on, span.starts_on)
        for span in spans
        if span.ends_on is None or span.ends_on > max(on, span.starts_on)
    }
