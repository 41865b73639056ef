"""How often keys may be refused from one address before unknown ones are no longer looked up.

Whoever has a key that holds is never kept out: behind a proxy or a gateway many share an address.
So an address (of IPv6 its network) with too many refusals is not shut; its keys are compared with
those in use, which are kept in memory and read again at most once a second, however many are tried.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as AsgiScope

from hub.auth.credentials import digest_of, digests_in_use
from hub.domain.agreements import operations_scope
from hub.errors import Throttled
from hub.storage.session import Database

MINUTE = timedelta(minutes=1)
MOST_KEPT = 1_000
MOST_REFUSED_KEYS = 30
FRESH_SECONDS = 1.0
_SCOPE = operations_scope("refused credentials")


class Attempts:
    """Refused attempts of the last minute, by who made them, in this process; at most `most` are
    counted, and of so many at once that memory stays bounded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._refused: dict[Hashable, deque[datetime]] = {}

    def are_any(self, who: Hashable) -> bool:
        """Whether any was counted of late."""
        return who in self._refused

    def are_too_many(self, who: Hashable, now: datetime) -> bool:
        refused = self._refused.get(who, deque())
        while refused and now - refused[0] >= MINUTE:
            refused.popleft()
        return len(refused) >= self._most

    def note(self, who: Hashable, now: datetime) -> None:
        if who not in self._refused and len(self._refused) >= MOST_KEPT:
            self._refused.pop(next(iter(self._refused)))
        self._refused.setdefault(who, deque(maxlen=self._most)).append(now)


class KeyLimit:
    """The limit of one process; call it in the event loop."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._attempts = Attempts(MOST_REFUSED_KEYS)
        self._in_use: frozenset[str] = frozenset()
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def note(self, address: str) -> None:
        """A credential from this address was refused."""
        self._attempts.note(network_of(address), self._now())

    def is_reached(self, address: str) -> bool:
        attempts, who = self._attempts, network_of(address)
        return attempts.are_any(who) and attempts.are_too_many(who, self._now())

    async def check(self, address: str, authorization: str) -> None:
        """Raises Throttled for a key of none in use, from an address with too many refusals.

        Other credentials are for others to judge: webhooks and ``/metrics`` have their own.
        """
        if not self.is_reached(address):
            return
        digest = digest_of(authorization)
        if digest is None or digest in self._in_use:
            return
        if self._is_fresh() or digest not in await run_in_threadpool(self._read):
            raise Throttled(
                "Too many credentials were refused from this address; wait a minute.",
                retry_after=MINUTE.total_seconds(),
            )

    def _is_fresh(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at < FRESH_SECONDS

    def _read(self) -> frozenset[str]:
        """The keys in use, as they were at most a second ago. Blocking."""
        with self._lock:
            if not self._is_fresh():
                moment = self._clock()
                with self._database.read(_SCOPE) as session:
                    self._in_use = digests_in_use(session)
                self._read_at = moment
            return self._in_use


@lru_cache(MOST_KEPT)
def network_of(address: str) -> str:
    """What one client has for itself: an address of IPv4, of IPv6 the whole /64 (RFC 4291 §2.5.4),
    in which it can take another address for each attempt."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(IPv6Network((int(found) >> 64 << 64, 64)))
        found = found.ipv4_mapped
    return str(found)


def address_of(scope: AsgiScope) -> str:
    """Where a request or WebSocket came from; of one behind a TLS proxy on this machine what that
    proxy says (uvicorn reads its X-Forwarded-For, and of others named in FORWARDED_ALLOW_IPS)."""
    client = scope.get("client")
    return client[0] if client else "an unknown address"
