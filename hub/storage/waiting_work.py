"""Work that waits for the thread that commits, and in which order it gets its turn.

On SQLite everything is written by that thread. What was submitted is short, and a sender waits for
it; a transaction may be long. So they take turns: a round is all that was submitted, or one
transaction with what was submitted meanwhile. Transactions share a round while nothing else waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.domain.agreements import Scope

if TYPE_CHECKING:
    from hub.storage.scoped_session import ScopedSession

MOST = 256
"""Works in a round."""
LATELY = 0.2
"""Seconds in which somebody who submits often has done so again."""


class Entry(NamedTuple):
    """Work that waits, and who waits for it."""

    future: Future[Any]
    scope: Scope
    work: Callable[[ScopedSession], Any]
    durable: bool = True
    submitted: bool = True
    """Not a transaction, whose caller may have put anything into it."""


class WaitingWork:
    """Filled by any thread, emptied by one."""

    def __init__(self) -> None:
        self._submitted: deque[Entry] = deque()
        self._transactions: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._submitted_had_its_turn = False
        self._submitted_at = -LATELY

    @property
    def is_submitted_to(self) -> bool:
        """Whether something was submitted lately."""
        return time.monotonic() - self._submitted_at < LATELY

    def put(self, entry: Entry) -> None:
        with self._changed:
            if entry.submitted:
                self._submitted_at = time.monotonic()
            (self._submitted if entry.submitted else self._transactions).append(entry)
            self._changed.notify()

    def close(self) -> None:
        """Nothing is put any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def next_round(self) -> list[Entry] | None:
        """What a round begins with, once there is something; None after the last of all."""
        with self._changed:
            while not (self._submitted or self._transactions):
                if self._closed:
                    return None
                self._changed.wait()
            submitted = bool(self._submitted)
            if submitted and self._transactions:
                submitted = not self._submitted_had_its_turn
            self._submitted_had_its_turn = submitted
            return self._take_submitted(MOST) if submitted else [self._transactions.popleft()]

    def joining(self, batch: list[Entry], *, durable: bool) -> list[Entry]:
        """What else is done in a round whose `batch` is done so far; only where it is `durable` may
        it be more than what need not be."""
        room = MOST - len(batch)
        if batch[-1].submitted or room <= 0:
            return []
        with self._changed:
            if self._submitted:
                return self._take_submitted(room) if durable else []
            if self._transactions and (durable or not self._transactions[0].durable):
                return [self._transactions.popleft()]
            return []

    def _take_submitted(self, most: int) -> list[Entry]:
        count = min(most, len(self._submitted))
        return [self._submitted.popleft() for _ in range(count)]
