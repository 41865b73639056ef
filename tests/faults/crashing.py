"""What a process of the hub does that ends around its n-th statement: J3.

Each operation of the queue is done by hand in one thread, with the hub's own parts and without
their threads, so that its statements come in one order. The clock of each process is a minute ahead
of the one before: leases are over without anybody waiting for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from changes import break_reading
from desks import PointerDesk, TableDesk
from senders import Sender
from sqlalchemy import func, or_, select, update
from statements import Countdown, install

from connectors.sdk.hl7v2.framing import Frame
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Peer
from hub.entrypoints.hub import open_hub
from hub.settings import load
from hub.storage import queue
from hub.storage.schedules import ScheduleSpec
from hub.storage.tables import JobRow, Schedule
from jobs import worker as worker_module
from jobs.pointers import PointerBroker
from jobs.worker import JobWorker

SCOPE = unrestricted_scope("campaign")
AHEAD_SECONDS = 120.0
"""Of the clock of each process before the one that came before it."""
STEP_SECONDS = 2.0
SPEC = ScheduleSpec("faults.tick", "* * * * *", "America/Chicago", Job.END_EMERGENCIES)
HERE = Peer("127.0.0.1")


@dataclass(frozen=True)
class Round:
    """A process: the `number`-th, of an operation, ending at its `point`-th point; 0 never."""

    number: int
    operation: str
    point: int

    @property
    def name(self) -> str:
        return f"R{self.number}"


class Hand:
    """The parts of a process that serves messages and jobs, in one thread and on a clock of its
    own."""

    def __init__(self, number: int, acknowledged: Path) -> None:
        self.ahead = timedelta(seconds=number * AHEAD_SECONDS)
        self.hub = open_hub(load(), now=lambda: datetime.now(UTC) + self.ahead)
        self.lease = timedelta(seconds=self.hub.settings.job_lease_seconds)
        self.acknowledged = acknowledged
        self.routes = load_routes(self.hub.database)
        self.worker = JobWorker(self.hub.job_context())
        pointers = isinstance(self.worker.broker, PointerBroker)
        self.desk = (PointerDesk if pointers else TableDesk)(self.worker.broker)

    def close(self) -> None:
        self.desk.close()
        self.worker.broker.close()
        self.hub.close()

    def wait(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)

    # --- what a sender does

    def deliver(self, name: str, count: int) -> None:
        """A message, and then the others at once; the last is a merge. Senders that were not
        answered do this again."""
        options = {"prefix": name, "seed": 0, "patients": 1, "merges": 0.0}
        sender = Sender(options, 0, None)
        messages = []
        for place in range(count):
            options["merges"] = float(place == count - 1 and count > 2)
            messages.append(sender.compose())
        asyncio.run(self._deliver([messages[:1], messages[1:]]))

    async def _deliver(self, waves: list[list[tuple[str, bytes]]]) -> None:
        receiver = Receiver(self.hub.intake, lambda: self.routes, self.hub.now)
        for wave in waves:
            frames = [Frame(content, size=len(content)) for _, content in wave]
            while self.hub.intake._storing:  # who was answered may be ahead of it
                await asyncio.sleep(0.001)
            self.hub.intake._storing = True  # so that all of a wave share one commit
            asked = [asyncio.ensure_future(receiver.receive(frame, HERE)) for frame in frames]
            await asyncio.sleep(0)
            self.hub.intake._store_next()
            replies = await asyncio.gather(*asked)
            for (control_id, content), reply in zip(wave, replies, strict=True):
                told = reply.ack.decode().split("\r")[1]
                if not told.startswith("MSA|AA|"):
                    raise RuntimeError(f"{control_id} was answered with {told}")
                digest = hashlib.sha256(content).hexdigest()
                line = f"{control_id} {digest} {told.replace(' ', '_')} {time.time():.6f}\n"
                _append(self.acknowledged, line)

    # --- what a worker does

    def add(self, kind: Job) -> None:
        self.hub.database.transaction(SCOPE, lambda s: queue.add(s, kind, {}, now=self.hub.now()))

    def last_attempt(self) -> None:
        """Whatever runs next has no other."""
        most = update(JobRow).where(JobRow.state == "ready").values(max_attempts=1)
        self.hub.database.transaction(SCOPE, lambda session: session.execute(most))

    def next_tick(self) -> datetime | None:
        with self.hub.database.read(SCOPE) as session:
            return session.scalar(select(Schedule.next_at).where(Schedule.name == SPEC.name))

    def drain(self) -> None:
        """Do all there is to do, as the workers would who are still there."""
        for _ in range(100):
            self.worker._rescue()
            self.worker._tick()
            self.desk.claim()
            self.desk.run()
            if not self._is_anything_left():
                return
            self.wait(STEP_SECONDS)
        raise RuntimeError("the queue did not end")

    def _is_anything_left(self) -> bool:
        reads = JobRow.kind == Job.PROCESS_MESSAGE.value
        due = JobRow.run_at <= self.hub.now()
        left = or_(JobRow.state == "running", (JobRow.state == "ready") & (reads | due))
        with self.hub.database.read(SCOPE) as session:
            return bool(session.scalar(select(func.count()).select_from(JobRow).where(left)))


@dataclass(frozen=True)
class Operation:
    """So many messages are delivered and `prepare` is called, then the points of `act` are counted;
    where it `delivers`, that is the act."""

    act: Callable[[Hand], object]
    prepare: Callable[[Hand], None] = lambda hand: None
    messages: int = 4
    delivers: bool = False


def _claimed(hand: Hand) -> None:
    hand.desk.claim()


def _begun(hand: Hand) -> None:
    hand.desk.claim()
    hand.desk.begin()


def _broken(hand: Hand) -> None:
    _begun(hand)
    break_reading()


def _dying(hand: Hand) -> None:
    hand.last_attempt()
    _broken(hand)


def _without_effects(hand: Hand) -> None:
    for _ in range(2):
        hand.add(Job.END_EMERGENCIES)
    _begun(hand)


def _lapsed(hand: Hand) -> None:
    _begun(hand)
    hand.wait(2 * hand.lease.total_seconds())


def _due(hand: Hand) -> None:
    hand.worker._tick()
    hand.wait(61)


OPERATIONS = {
    "accept": Operation(lambda hand: None, delivers=True),
    "claim": Operation(lambda hand: hand.desk.claim()),
    "begin": Operation(lambda hand: hand.desk.begin(), _claimed),
    "finish": Operation(lambda hand: hand.desk.run(), _begun, messages=1),
    "finish together": Operation(lambda hand: hand.desk.run(), _begun),
    "mark done": Operation(lambda hand: hand.desk.run(), _without_effects, messages=0),
    "fail": Operation(lambda hand: hand.desk.run(), _broken, messages=2),
    "die": Operation(lambda hand: hand.desk.run(), _dying, messages=1),
    "release": Operation(lambda hand: hand.desk.give_back(), _claimed),
    "extend": Operation(lambda hand: hand.worker._extend(), _begun),
    "rescue": Operation(lambda hand: hand.worker._rescue(), _lapsed),
    "tick": Operation(lambda hand: hand.worker._tick(), _due, messages=0),
}


def perform(words: dict[str, Any], before: dict[str, Any] | None, directory: str) -> None:
    """Mend what the round `before` left behind, then end at a point of this one; what happened is
    told in `crashes.log`."""
    told, acknowledged = Path(directory, "crashes.log"), Path(directory, "acknowledged.log")
    round_ = Round(**words)
    countdown = Countdown(lambda where: _tell(told, round_, ended=where))
    install(countdown)
    worker_module.SCHEDULES = (SPEC,)
    with closing(Hand(round_.number, acknowledged)) as hand:
        if before is not None:
            _mend(hand, Round(**before))
        if round_.operation:
            operation = OPERATIONS[round_.operation]
            if not operation.delivers:
                hand.deliver(round_.name, operation.messages)
            operation.prepare(hand)
            _tell(told, round_, tick=str(hand.next_tick()))
            countdown.arm(round_.point)
            if operation.delivers:
                hand.deliver(round_.name, operation.messages)
            operation.act(hand)
            countdown.arm(0)
    _tell(told, round_, passed=True)


def _mend(hand: Hand, before: Round) -> None:
    """Senders send again, and who is left does the rest."""
    hand.deliver(before.name, OPERATIONS[before.operation].messages)
    hand.drain()


def _tell(told: Path, round_: Round, **words: Any) -> None:
    _append(told, json.dumps({"number": round_.number, **words}) + "\n")


def _append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
