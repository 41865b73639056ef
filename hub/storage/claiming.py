"""Claiming: which due jobs a worker takes next.

A handful of statements for as many jobs as there is room for, straight to the driver. None of them
looks further into the queue than it takes, but past jobs of long kinds that must wait.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from hub.domain.jobs import Job
from hub.storage import bulk
from hub.storage import claiming_statements as statements
from hub.storage.claiming_lanes import take_lanes
from hub.storage.claiming_round import KINDS, Round
from hub.storage.claiming_statements import JobAsStored, job_of
from hub.storage.queue import DEFAULT_QUEUE, ClaimedJob
from hub.storage.session import ScopedSession


def claim(
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
) -> list[ClaimedJob]:
    """Lease up to `limit` due jobs. Jobs without a lane get half of the places at most while heads
    of lanes are due, so that neither starves the other; of the `long` kinds, where any are given,
    at most `long_limit`.

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
    odd = random.getrandbits(1)
    may_be_more = _take_free(round_, (round_.room + odd) // 2, (limit + odd) // 2)
    take_lanes(round_)
    if may_be_more:
        _take_free(round_, round_.room, round_.alone_room)
    return round_.jobs


def _take_free(round_: Round, room: int, alone: int) -> bool:
    """Take up to `room` jobs without a lane, `alone` of them to be run by themselves, and more for
    as long as all that come are run together; whether more may be due."""
    size = alone
    while room > 0 and alone > 0:
        asked = min(size, room)
        rows = _lease_free(round_, asked)
        put_back: list[tuple[JobAsStored, datetime | None]] = []
        for token, _, *columns in rows:
            row = job_of(columns, leased=round_.begins)
            single = not round_.runs_together(row)
            if row.kind not in KINDS:
                put_back.append((row, round_.postponed(row)))
            elif (row.kind in round_.long and round_.long_room <= 0) or (single and alone <= 0):
                put_back.append((row, None))
            else:
                round_.take(row, token)
                room, alone = room - 1, alone - single
        round_.put_back(put_back)
        if len(rows) < asked:
            return False
        size *= 2
    return True


def _lease_free(round_: Round, room: int) -> list[Any]:
    """The driver's rows of jobs that are leased now, in the order they are to be run."""
    full = bool(round_.long) and round_.long_room <= 0
    rows = round_.ask(
        statements.lease_free(round_.dialect, but=full),
        round_.queue,
        round_.now,
        *([bulk.values(round_.dialect, sorted(round_.long))] if full else ()),
        room,
        round_.lease_until,
        round_.now if round_.begins else None,
        int(round_.begins),
    )
    return sorted(rows, key=lambda row: (row[1], row[8], row[2]))  # priority, run_at, id
