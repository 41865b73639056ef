"""A leaky bucket of query cost per principal.

Each process decides by its own count, which leaks at a steady rate, and brings it together with the
shared one at most once a second: in one process the limit is exact, with several it is passed by at
most what they let through within that second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from hub import log
from hub.domain.agreements import operations_scope
from hub.errors import Throttled
from hub.storage import costs
from hub.storage.session import Database

logger = log.get(__name__)
SHARE_SECONDS = 1.0
_SCOPE = operations_scope("cost buckets")


@dataclass(slots=True)
class _Bucket:
    """`level` at the moment `at`; `own` is the part the shared bucket does not know yet."""

    level: float
    at: float
    own: float
    shared_at: float
    sharing: bool = False


class Buckets:
    """The buckets of one process. `size` is the most that can be spent at once, `rate` the points
    that come back each second; `clock` gives seconds that only grow."""

    def __init__(
        self,
        database: Database,
        *,
        size: int,
        rate: int,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.rate = rate
        self._database = database
        self._now = now
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def knows(self, principal_id: str) -> bool:
        """True if `reserve` will not have to ask the database."""
        return principal_id in self._buckets

    def reserve(self, principal_id: str, cost: int) -> Reservation:
        """Take `cost` points. Raises Throttled with the seconds until they are there."""
        bucket = self._bucket(principal_id)
        with self._lock:
            moment = self._leak(bucket)
            missing = bucket.level + cost - self.size
            if missing > 0:
                raise Throttled(
                    "This credential has used up its query cost; wait as long as Retry-After says.",
                    retry_after=missing / self.rate,
                )
            bucket.level += cost
            bucket.own += cost
        if moment - bucket.shared_at >= SHARE_SECONDS:
            self._share(principal_id, bucket)
        return Reservation(self, bucket, cost)

    def available(self, principal_id: str) -> int:
        return self.left_in(self._bucket(principal_id))

    def left_in(self, bucket: _Bucket) -> int:
        """What is left in a bucket now."""
        with self._lock:
            self._leak(bucket)
            return max(0, int(self.size - bucket.level))

    def give_back(self, bucket: _Bucket, points: int) -> None:
        with self._lock:
            self._leak(bucket)
            bucket.level = max(0.0, bucket.level - points)
            bucket.own -= points

    def _bucket(self, principal_id: str) -> _Bucket:
        """The bucket, filled as the database says when this process first meets the principal."""
        found = self._buckets.get(principal_id)
        if found is not None:
            return found
        with self._database.read(_SCOPE) as session:
            level = costs.level(session, principal_id, rate=self.rate, now=self._now())
        moment = self._clock()
        with self._lock:
            return self._buckets.setdefault(principal_id, _Bucket(level, moment, 0.0, moment))

    def _leak(self, bucket: _Bucket) -> float:
        """Let out what has leaked since the last time; returns the moment."""
        moment = self._clock()
        level = bucket.level - (moment - bucket.at) * self.rate
        bucket.level = level if level > 0.0 else 0.0
        bucket.at = moment
        return moment

    def _share(self, principal_id: str, bucket: _Bucket) -> None:
        """Bring own and shared count together, without waiting for it."""
        with self._lock:
            if bucket.sharing or self._clock() - bucket.shared_at < SHARE_SECONDS:
                return
            bucket.sharing = True
            spent, bucket.own = bucket.own, 0.0
        now = self._now()
        shared = self._database.submit(
            _SCOPE,
            lambda session: costs.add(session, principal_id, spent, rate=self.rate, now=now),
        )
        shared.add_done_callback(lambda done: self._shared(bucket, spent, done))

    def _shared(self, bucket: _Bucket, spent: float, done: Future[float]) -> None:
        error = done.exception()
        if error is not None:
            logger.warning("cost not shared", error_type=type(error).__name__)
        with self._lock:
            bucket.sharing = False
            bucket.shared_at = self._clock()
            if error is not None:
                bucket.own += spent
                return
            bucket.level = max(0.0, done.result() + bucket.own)
            bucket.at = bucket.shared_at


class Reservation:
    """Points taken for one operation; `settle` gives back what it did not use."""

    def __init__(self, buckets: Buckets, bucket: _Bucket, requested: int) -> None:
        self.requested = requested
        self.actual = requested
        self.maximum = buckets.size
        self.rate = buckets.rate
        self._buckets = buckets
        self._bucket = bucket

    def settle(self, actual: int) -> None:
        """Once, with what the operation cost in the end."""
        if actual < self.actual:
            self._buckets.give_back(self._bucket, self.actual - actual)
            self.actual = actual

    def available(self) -> int:
        """What is left to the principal now."""
        return self._buckets.left_in(self._bucket)
