"""Who asks and what they may read, looked up once and kept for as long as nothing of it changes.

Two things end it: a change of credentials, agreements, consents or stored documents, which counts
the policy version up and is noticed by the very next read, and the first or last day of an
agreement or a consent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from hub.domain.agreements import AgreementTerm

KEPT = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Holding(Generic[T]):
    """Something that holds from `since` until before `until` (None: open) if the policy version is
    still the one it was made under."""

    value: T
    since: datetime
    until: datetime | None


class Known(Generic[T]):
    """What was looked up, by what it was asked with; what was not used for longest goes first."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Holding[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, now: datetime) -> T | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if now < found.since or (found.until is not None and now >= found.until):
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return found.value

    def put(self, key: Hashable, holding: Holding[T]) -> None:
        with self._lock:
            self._kept[key] = holding
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        with self._lock:
            self._kept.pop(key, None)


def next_change(terms: Iterable[AgreementTerm], now: datetime) -> datetime | None:
    """The next moment at which a term begins or ends, each at midnight where its practice is."""
    moments = [
        datetime.combine(day, time(), ZoneInfo(term.practice_zone))
        for term in terms
        for day in (term.starts_on, term.ends_on)
        if day is not None
    ]
    return min((moment for moment in moments if moment > now), default=None)


def next_midnight_anywhere(now: datetime) -> datetime:
    """The next moment at which a day may begin somewhere, as consents do: time zones differ by
    quarters of an hour."""
    quarter = timedelta(minutes=15)
    return now - (now - datetime.min.replace(tzinfo=UTC)) % quarter + quarter
