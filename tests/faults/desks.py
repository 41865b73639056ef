"""Where jobs are claimed and run by hand, in one thread: the table itself, or pointers."""

from __future__ import annotations

import time
from typing import Protocol

from dramatiq.broker import MessageProxy
from dramatiq.middleware import SkipMessage

from hub.storage.queue import DEFAULT_QUEUE
from jobs.broker import TableBroker
from jobs.pointers import Dispatcher, PointerBroker
from jobs.table_consumer import TableConsumer

PREFETCH = 8
ARRIVES_SECONDS = 5.0


class Desk(Protocol):
    """One queue of a process that serves jobs."""

    def claim(self) -> None:
        """Take what is due."""

    def begin(self) -> None:
        """Count the attempt, where claiming does not."""

    def run(self) -> None:
        """Run what was taken, to its end."""

    def give_back(self) -> None:
        """Leave what was taken and not begun to others."""

    def close(self) -> None: ...


class TableDesk:
    def __init__(self, broker: TableBroker) -> None:
        found = broker.consume(DEFAULT_QUEUE, prefetch=PREFETCH, timeout=1)
        assert isinstance(found, TableConsumer)
        self._consumer = found

    def claim(self) -> None:
        self._consumer._next_turn()

    def begin(self) -> None:
        """Claiming did."""

    def run(self) -> None:
        self._consumer.run_waiting()
        if self._consumer.ended:
            self._consumer._turn(0)

    def give_back(self) -> None:
        self._consumer._give_back_waiting()

    def close(self) -> None:
        self._consumer.close()


class PointerDesk:
    def __init__(self, broker: PointerBroker) -> None:
        self._broker = broker
        self._queue = broker.queue_name(DEFAULT_QUEUE)
        self._dispatcher = Dispatcher(broker, DEFAULT_QUEUE, PREFETCH, 0.01)
        self._consumer = broker.consume(self._queue, prefetch=4 * PREFETCH, timeout=10)
        self._begun: list[MessageProxy] = []
        self._arrived: set[str] = set()
        """Tokens of the pointers that came here."""

    def claim(self) -> None:
        self._dispatcher._dispatch()

    def begin(self) -> None:
        """All pointers that were sent here; others are stale, and begin nothing."""
        wanted = {part[0].token for part in self._dispatcher.sent} - self._arrived
        until = time.monotonic() + ARRIVES_SECONDS
        while wanted and time.monotonic() < until:
            message = next(self._consumer)
            if message is None:
                continue
            wanted.discard(message.args[0])
            self._arrived.add(message.args[0])
            try:
                self._broker.emit_before("process_message", message)
            except SkipMessage:
                self._consumer.nack(message)
            else:
                self._begun.append(message)

    def run(self) -> None:
        self.begin()
        while self._begun:
            message = self._begun.pop(0)
            try:
                self._broker.get_actor(message.actor_name).fn(*message.args)
                self._broker.emit_after("process_message", message, result=None)
            except Exception as error:
                self._broker.emit_after("process_message", message, exception=error)
            self._broker.emit_before("ack", message)
            self._consumer.ack(message)

    def give_back(self) -> None:
        self._dispatcher._withdraw()

    def close(self) -> None:
        self._dispatcher._withdraw()
        self._consumer.close()
