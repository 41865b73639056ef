"""Claiming from lanes: the head of each, and those that may be run with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from hub.storage import bulk
from hub.storage import claiming_statements as statements
from hub.storage import lanes as lane_rows
from hub.storage.claiming_round import KINDS, Round
from hub.storage.claiming_statements import JobAsStored
from hub.storage.lanes import LANES

LANE_BUSY_DELAY = timedelta(milliseconds=100)
MOST_OF_A_LANE = 16
"""Jobs of one lane that are run in one transaction."""


@dataclass(frozen=True, slots=True)
class _Head:
    """A head that is taken. Jobs behind it may follow up to `second`, the oldest live job that
    needs its lane as well."""

    row: JobAsStored
    lane: str
    second: int | None


@dataclass(slots=True)
class _Locked:
    """Lanes of one look: what is to be written of them."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    heads: list[_Head] = field(default_factory=list)

    def wait(self, lane: str, until: Any) -> None:
        self.rows[lane] = {"lane": lane, "due": until, "holder": None}

    def held(self) -> set[str]:
        return {lane for head in self.heads for lane in head.row.lanes}


def take_lanes(round_: Round, keys: list[str], asked: int) -> None:
    """Take heads of due lanes, first of the `asked` that are locked already, and what may follow;
    then as many as there is room for, where all heads that came are run together."""
    while keys:
        locked = _Locked()
        _look_at(round_, locked, keys)
        _lease(round_, locked)
        more = len(keys) == asked and round_.room > 0 and round_.alone_room > 0
        _write(round_, locked, last=not more)
        if not more:
            return
        asked = round_.room
        again = round_.ask(statements.due_lanes(round_.dialect), round_.queue, round_.now, asked)
        keys = [key for (key,) in again]


def _write(round_: Round, locked: _Locked, *, last: bool) -> None:
    """Say of each lane who holds it, or when it is looked at next."""
    if locked.rows:
        write = bulk.run_last if last else bulk.run
        rows = round_.as_json(list(locked.rows.values()))
        write(round_.session, statements.set_lanes(round_.dialect), [rows])


def _look_at(round_: Round, locked: _Locked, keys: Sequence[str]) -> None:
    """Decide what becomes of each lane."""
    given = round_.as_json([{"key": key} for key in keys])
    statement = statements.heads(round_.dialect)
    found = {row[0]: row[1:] for row in round_.ask(statement, round_.now, given)}
    alone = round_.alone_room
    for key in keys:
        second, ready, due, *columns = found[key]
        if key in locked.held():  # taken a moment ago as the second lane of another job
            continue
        if columns[0] is None:  # nothing is left of it
            locked.wait(key, None)
            continue
        head = JobAsStored._make(columns)
        if not ready or not _holds_all(round_, locked, head, key):
            locked.wait(key, round_.now + LANE_BUSY_DELAY)
        elif not due:
            locked.wait(key, head.run_at)
        elif head.kind not in KINDS:
            locked.wait(key, round_.postponed(head))
        elif round_.runs_together(head) or alone > 0:
            alone -= not round_.runs_together(head)
            locked.heads.append(_Head(head, key, second))


def _holds_all(round_: Round, locked: _Locked, head: JobAsStored, leased: str) -> bool:
    """Lock the other lane the job needs; False if it is busy or the job does not head it."""
    for key in head.lanes:
        if key == leased:
            continue
        if key in locked.held():
            return False
        free = select(LANES.c.key).where(LANES.c.key == key, LANES.c.token.is_(None))
        connection = round_.session.connection()
        if connection.execute(free.with_for_update(skip_locked=True)).first() is None:
            return False
        if lane_rows.heads(round_.session, [key]).get(key) != head.id:
            return False
    return True


def _lease(round_: Round, locked: _Locked) -> None:
    """Lease the heads with what follows them."""
    behind = _behind(round_, locked.heads)
    groups = [[head.row, *behind.get(head.row.id, ())] for head in locked.heads]
    ready = round_.lease_now([row.id for group in groups for row in group])
    for group in groups:
        head = group[0]
        leased = [row for row in group if row.id in ready]
        if leased == group:
            for row in group:
                job = round_.take(row, follows=row is not head)
                if row is head:
                    held: dict[str, Any] = {"due": None, "holder": job.token}
        else:  # somebody cancelled one of them a moment ago
            round_.put_back([row.id for row in leased])
            held = {"due": round_.now + LANE_BUSY_DELAY, "holder": None}
        locked.rows |= {lane: {"lane": lane, **held} for lane in head.lanes}


def _behind(round_: Round, heads: Sequence[_Head]) -> dict[int, list[JobAsStored]]:
    """The jobs that may run with each head, in their order. While a head is tried again its lane
    goes on one by one: what ends the process costs its neighbours one attempt at most."""
    several = round_.together | round_.in_lane
    open_heads = {
        head.row.id: head
        for head in heads
        if head.row.kind in several and head.row.attempt == 0 and head.row.lanes == (head.lane,)
    }
    found: dict[int, list[JobAsStored]] = {}
    if not open_heads:
        return found
    given = [{"id": head_id, "lane": head.lane} for head_id, head in open_heads.items()]
    statement = statements.behind(round_.dialect, MOST_OF_A_LANE - 1)
    for head_id, may_follow, *columns in round_.ask(statement, round_.now, round_.as_json(given)):
        head = open_heads.get(head_id)
        if head is None:
            continue
        row = JobAsStored._make(columns)
        alike = (row.kind, row.practice_id) == (head.row.kind, head.row.practice_id)
        if may_follow and alike and (head.second is None or row.id < head.second):
            found.setdefault(head_id, []).append(row)
        else:
            del open_heads[head_id]  # what comes after it waits as well
    return found
