"""Audit events of many requests, written together: which of them, and when.

The answers of a hub that reads much would otherwise wait for one commit each, and the processor
would do little but begin and end transactions.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from hub.storage.audit_chain import Event
from hub.storage.per_loop import PerLoop

MOST_EVENTS = 32
"""Events of one transaction; on PostgreSQL each number of them is a statement of its own."""
COMMIT_DELAY_SECONDS, COMMIT_SIBLINGS = 0.008, 4
"""With so many other reads under way events wait for theirs, so long at most or until as many wait
as are read; named after PostgreSQL's settings for the same."""

_Entry = tuple[Event, "asyncio.Future[None]"]


class AuditWriter:
    """Appends events for all event loops of the process; each gets a trail of its own."""

    def __init__(self, trail: Callable[[], Trail]) -> None:
        self._trails = PerLoop(trail, lambda ended: ended.close())

    async def append(self, event: Event) -> None:
        """Returns once the event is durable; what it raises means that it may not be. It is written
        even if nobody waits any more."""
        await self._trails.get().append(event)

    @property
    def waiting(self) -> int:
        """Events that no transaction has taken up."""
        return sum(trail.waiting for trail in self._trails.values())

    def close(self) -> None:
        for trail in self._trails.values():
            trail.close()


class Trail(ABC):
    """The events of one event loop that wait; `under_way` says how many reads are."""

    away: tuple[type[Exception], ...] = ()
    """What says that the database is away, so that single events fare no better than many."""

    def __init__(self, under_way: Callable[[], int]) -> None:
        self._under_way = under_way
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Entry] = []
        self._task: asyncio.Task[None] | None = None
        self._together: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def append(self, event: Event) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((event, done))
        if self._task is None:
            self._task = self._loop.create_task(self._write_all())
        elif self._together is not None and self._are_together():
            self._end_wait()
        await done

    @abstractmethod
    async def _write(self, events: Sequence[Event]) -> None:
        """Append events to the chain; returns once they are durable."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what the trail holds."""

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                if not self._are_together():
                    await self._gather()
                batch, self._waiting = self._waiting[:MOST_EVENTS], self._waiting[MOST_EVENTS:]
                await self._settle(batch)
        finally:
            self._task = None

    def _are_together(self) -> bool:
        """Whether there is nothing to gain from waiting for more."""
        under_way = self._under_way()
        return under_way < COMMIT_SIBLINGS or len(self._waiting) >= min(under_way, MOST_EVENTS)

    async def _gather(self) -> None:
        self._together = self._loop.create_future()
        timer = self._loop.call_later(COMMIT_DELAY_SECONDS, self._end_wait)
        try:
            await self._together
        finally:
            timer.cancel()
            self._together = None

    def _end_wait(self) -> None:
        if self._together is not None and not self._together.done():
            self._together.set_result(None)

    async def _settle(self, batch: Sequence[_Entry]) -> None:
        """Write a batch, one by one if it cannot be written together, and tell who waits."""
        try:
            await self._write([event for event, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, self.away):
                for entry in batch:
                    await self._settle([entry])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in batch:
            if not done.done():
                done.set_result(None)


class SubmittedTrail(Trail):
    """Events are written by the thread that writes everything; `submit` hands them to it."""

    def __init__(
        self, submit: Callable[[Sequence[Event]], Future[None]], under_way: Callable[[], int]
    ) -> None:
        super().__init__(under_way)
        self._submit = submit

    async def _write(self, events: Sequence[Event]) -> None:
        await asyncio.wrap_future(self._submit(events))

    def close(self) -> None:
        """The thread ends with the database."""
