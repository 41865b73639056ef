"""Claiming: which due jobs a worker takes next.

A handful of statements for as many jobs as there is room for, straight to the driver. None of them
looks further into the queue than it takes, but past jobs of long kinds that must wait.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hub.domain.jobs import Job
from hub.storage import bulk
from hub.storage import claiming_statements as statements
from hub.storage.claiming_lanes import take_lanes
from hub.storage.claiming_round import KINDS, Round
from hub.storage.claiming_statements import JobAsStored
from hub.storage.queue import DEFAULT_QUEUE, ClaimedJob
from hub.storage.session import ScopedSession


def claim(session: ScopedSession, **options: Any) -> list[ClaimedJob]:
    """Lease due jobs now; see `send_claim`."""
    return send_claim(session, **options)()


def send_claim(
    session: ScopedSession,
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    queue: str = DEFAULT_QUEUE,
    long: Collection[Job] = (),
    long_limit: int = 0,
    together: Collection[Job] = (),
    together_limit: int = 0,
    begin: bool = True,
    in_lane: Collection[Job] = (),
) -> Callable[[], list[ClaimedJob]]:
    """Look for up to `limit` due jobs; calling the result leases them. Jobs without a lane get half
    of the places at most while heads of lanes are due, so that neither starves the other; of the
    `long` kinds, where any are given, at most `long_limit`.

    Of the kinds `together`, which are run many in a transaction, up to `together_limit` are taken,
    and behind the head of a lane those that may follow it, which may be a few more. Of the kinds
    `in_lane` each head counts against `limit`, with those that follow it.

    Without `begin` no attempt is counted yet: whoever gets the pointer calls `pointers.begin`.
    """
    round_ = Round(
        session,
        queue,
        now + lease,
        now,
        begin,
        frozenset(together),
        frozenset(in_lane),
        frozenset(long),
        long_limit,
        room=max(limit, together_limit),
        alone_room=limit,
    )
    with bulk.pipelined(session):
        free = Free(round_)
        lanes = round_.ask_ahead(statements.due_lanes(round_.dialect), queue, now, limit)
    return partial(_take, round_, free, lanes, limit)


def _take(
    round_: Round, free: Free, due_lanes: Callable[[], list[Any]], limit: int
) -> list[ClaimedJob]:
    keys = [key for (key,) in due_lanes()]
    if keys:
        odd = random.getrandbits(1)
        free.take((round_.room + odd) // 2, (round_.alone_room + odd) // 2)
        take_lanes(round_, keys, limit)
    free.take(round_.room, round_.alone_room)
    round_.lease_taken(last=True)
    return round_.jobs


class Free:
    """Due jobs without a lane, as many as there is room for by themselves, and more for as long as
    all that come are run together."""

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self._asked = round_.alone_room
        self._first = self._ask()
        self._rows = self._read()

    def take(self, room: int, alone: int) -> None:
        """Take up to `room`, `alone` of them to be run by themselves."""
        round_ = self._round
        while room > 0 and alone > 0 and (row := next(self._rows, None)) is not None:
            single = not round_.runs_together(row)
            if row.kind not in KINDS:
                round_.postpone(row)
            elif row.kind not in round_.long or round_.long_room > 0:
                round_.take(row)
                round_.taken_free.append(row.id)
                room, alone = room - 1, alone - single

    def _read(self) -> Iterator[JobAsStored]:
        rows = self._first()
        while True:
            yield from map(JobAsStored._make, rows)
            if len(rows) < self._asked:
                return
            self._round.lease_taken()  # so that they are not read again
            self._asked = max(1, min(2 * self._asked, self._round.room))
            rows = self._ask()()

    def _ask(self) -> Callable[[], list[Any]]:
        round_ = self._round
        full = bool(round_.long) and round_.long_room <= 0
        return round_.ask_ahead(
            statements.due(round_.dialect, but=full),
            round_.queue,
            round_.now,
            *([bulk.values(round_.dialect, sorted(round_.long))] if full else ()),
            self._asked,
        )
