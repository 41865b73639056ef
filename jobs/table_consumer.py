"""A queue's rows as Dramatiq's messages: marked done and claimed in the same transactions.

Dramatiq hands out one message at a time, which takes two locks and often wakes a thread. So its own
queue carries calls only: a thread that was called goes on with what waits until nothing does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext

import dramatiq
from dramatiq.broker import Consumer, MessageProxy

from hub import log, metrics
from hub.domain.agreements import operations_scope
from hub.storage import bulk, finishing
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from jobs.context import RunningJob
from jobs.holding import JobHolder, parts_of
from jobs.waiting import HELP, Waiting

logger = log.get(__name__)
_SCOPE = operations_scope("job queue")

MOST_AHEAD = 128
"""Messages a process has in hand at most, however short its jobs are."""
SOON, LATE = 0.02, 0.1
"""Seconds in which half of what is in hand is over: claim more at once, or less."""
LINGER = 0.002
"""Seconds a job that ended waits for others to be marked done with it, where others came lately."""


class TableMessage(MessageProxy):
    """Stands for one job, or for several of one kind and practice that are run together. It was
    never sent, so that it needs no message inside but to be printed."""

    def __init__(self, queue_name: str, jobs: list[ClaimedJob]) -> None:
        self.failed = False
        self._exception = None
        self.queue_name = queue_name
        self.actor_name = jobs[0].kind
        self.args = tuple([job.token for job in jobs])
        self.kwargs = {}
        self.options = {}
        self.message_id = self.args[0]

    @property
    def _message(self) -> dramatiq.Message[None]:  # type: ignore[override]
        return dramatiq.Message(
            self.queue_name, self.actor_name, self.args, self.kwargs, self.options, self.message_id
        )


class Call(MessageProxy):
    """Wakes a thread of the queue to run what waits."""

    def __init__(self, queue_name: str) -> None:
        super().__init__(dramatiq.Message(queue_name, actor_that_runs(queue_name), (), {}, {}))


def actor_that_runs(queue_name: str) -> str:
    """The name of the actor that a thread is called to."""
    return f"run_{queue_name}"


class TableConsumer(Consumer):
    """Claims as many jobs as there is room for; waits for the bell, or polls each second.

    One transaction, a turn, marks done what ended and claims what is due. A turn comes when half of
    what is in hand is over, so that threads have work while it is committed. How much is in hand
    follows from how soon it is over: two messages a thread where jobs are slow.
    """

    def __init__(self, broker: JobHolder, queue_name: str, prefetch: int, timeout: int) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.least = self.ahead = prefetch
        self.timeout = timeout / 1000
        self.waiting: Waiting[TableMessage] = Waiting(
            broker.threads_of(queue_name), lambda: self.bell.set()
        )
        self.in_hand = 0
        self.ended: list[RunningJob] = []
        self.bell = broker.context.database.bell.waiter(queue_name)
        self._counting = threading.Lock()
        self._together = 0
        self._claimed_at = 0.0
        self._full = False
        self._calls = 0
        """Threads still to be called."""
        self._closed = False

    def __next__(self) -> MessageProxy | None:
        if self._calls == 0:
            self._next_turn()
        if self._calls == 0:
            return None
        self._calls -= 1
        return Call(self.queue_name)

    def _next_turn(self) -> None:
        """Take a turn now, or wait until there is a reason to."""
        self.bell.clear()
        if self.broker.stopping:
            self._give_back_waiting()
        room = 0 if self.broker.stopping else self.ahead - self.in_hand
        wanted = 2 * room >= self.ahead
        if not wanted and self.ended and 2 * len(self.ended) < self.ahead and self._together > 1:
            self.bell.wait(LINGER)
        claimed = (wanted or self.ended) and self._turn(room if wanted else 0)
        called = self.broker.waiting[self.queue_name].qsize()
        if not self.broker.stopping:
            self._calls = max(0, self.waiting.wanted(called, short=self.ahead > self.least))
        if claimed or self._calls:
            return
        if self.waiting.idle(called) > 0:
            self.bell.wait(HELP)
        elif not self.bell.wait(self.timeout * random.uniform(0.8, 1.0)):  # noqa: S311 - jitter
            self._give_back_surplus()

    def run_waiting(self) -> None:
        """In a thread that was called: run what waits."""
        self.waiting.run(self._run, lambda: self.broker.stopping)

    def _run(self, message: TableMessage) -> None:
        """As a thread of Dramatiq runs a message, its signals included."""
        try:
            try:
                self.broker.emit_before("process_message", message)
                self.broker.get_actor(message.actor_name).fn(*message.args)
                self.broker.emit_after("process_message", message, result=None)
            except BaseException as error:
                self.broker.emit_after("process_message", message, exception=error)
        finally:
            self._end(message)

    def _turn(self, room: int) -> bool:
        """Mark done what ended and claim for `room` messages; whether there is something to run."""
        begun, ended = time.monotonic(), self._take_ended()
        context, claimed = self.broker.context, [running.claimed for running in ended]
        lost: list[ClaimedJob] = []

        def work(session: ScopedSession) -> list[ClaimedJob]:
            # What follows in a lane can only be found when the lane is free.
            apart = any(job.lanes for job in claimed)
            with nullcontext() if apart else bulk.pipelined(session):
                finish = (
                    finishing.send_finish(session, claimed, now=context.now()) if claimed else list
                )
                if apart:
                    lost[:] = finish()
                claim = self.broker.send_claim(session, self.queue_name, room) if room else list
            if not apart:
                lost[:] = finish()
            return claim()

        try:
            jobs = context.database.transaction(_SCOPE, work, durable=bool(ended))
        except Exception as error:
            with self._counting:
                self.ended = ended + self.ended
            logger.warning("jobs cannot be claimed", error_type=type(error).__name__)
            return False
        self._let_go(ended, lost)
        self._together = len(ended)
        return self._hold(jobs, room, begun)

    def _take_ended(self) -> list[RunningJob]:
        with self._counting:
            ended, self.ended = self.ended, []
        return ended

    def _let_go(self, ended: list[RunningJob], lost: list[ClaimedJob]) -> None:
        """Of jobs that are marked done, or whose lease was lost."""
        self.broker.drop(*(running.claimed.token for running in ended))
        for job in lost:
            metrics.finishes_fenced.inc()
            logger.warning("lease lost", job_id=job.id, kind=job.kind)
        kinds = Counter(running.claimed.kind for running in ended)
        kinds.subtract(job.kind for job in lost)
        for kind, count in kinds.items():
            metrics.jobs_ended.labels(kind, "done").inc(count)

    def _hold(self, jobs: list[ClaimedJob], room: int, begun: float) -> bool:
        """Let threads have what was claimed in a turn that was `begun` then. What the turn itself
        took says nothing of the jobs: where the database is slow, few at once would be slower."""
        parts = parts_of(jobs, self.broker.together_kinds, self.broker.most_together)
        self.broker.hold(*jobs)
        if room:
            spent, self._claimed_at = begun - self._claimed_at, time.monotonic()
            if spent > LATE:
                self.ahead = max(self.least, self.ahead // 2)
            elif spent < SOON and self._full:
                self.ahead = min(MOST_AHEAD, 2 * self.ahead)
            self._full = len(parts) >= room
        with self._counting:
            self.in_hand += len(parts)
        self.waiting.add(TableMessage(self.queue_name, part) for part in parts)
        return bool(parts)

    def ack(self, message: MessageProxy) -> None:
        if isinstance(message, TableMessage):
            self._end(message)

    def _end(self, message: TableMessage) -> None:
        """A thread is through with a message."""
        held = self.broker.held
        found = [held[token] for token in message.args if token in held]
        ended = [running for running in found if running.ended]
        if len(ended) < len(message.args):
            self.broker.drop(*(r.claimed.token for r in found if not r.ended))
        with self._counting:
            first = bool(ended) and not self.ended
            self.ended += ended
            self.in_hand -= 1
            wake = first or 2 * self.in_hand <= self.ahead or 2 * len(self.ended) >= self.ahead
        if wake and not self.bell.is_set():
            self.bell.set()
        if self._closed and ended:
            self._turn(0)

    def nack(self, message: MessageProxy) -> None:
        self.ack(message)

    def _give_back_surplus(self) -> None:
        """Nothing ended for a second: what was claimed ahead of slow jobs is for others to run."""
        self.ahead = self.least
        surplus: list[TableMessage] = []
        while self.in_hand - len(surplus) > self.least and (last := self.waiting.take_last()):
            surplus.append(last)
        self.requeue(surplus)

    def _give_back_waiting(self) -> None:
        """What no thread has begun is for other processes, however long the jobs here still run."""
        left = iter(self.waiting.take, None)
        self.requeue(message for message in left if message is not None)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was claimed and not begun, without costing an attempt."""
        given_back = [message for message in messages if isinstance(message, TableMessage)]
        for message in given_back:
            for token in message.args:
                running = self.broker.held.get(token)
                if running is not None:
                    self.broker.give_back(running.claimed)
                    self.broker.drop(token)
        with self._counting:
            self.in_hand -= len(given_back)

    def close(self) -> None:
        self._closed = True
        self._give_back_waiting()
        if self.ended:
            self._turn(0)
