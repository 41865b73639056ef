"""Transports that carry pointers: who is free begins the job, wherever it was claimed.

The message names job ids and tokens and nothing else. Redis or RabbitMQ may lose it, repeat it or
keep it for a week: what is true stands in the row.
"""

from __future__ import annotations

import threading
from typing import Any

import dramatiq
from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import Middleware, SkipMessage

from hub import log
from hub.domain.agreements import operations_scope
from hub.domain.jobs import Job
from hub.errors import LeaseLost
from hub.storage import pointers
from hub.storage.queue import ClaimedJob
from jobs.context import JobContext
from jobs.holding import JobHolder, parts_of

logger = log.get(__name__)
_SCOPE = operations_scope("job pointers")
AGAIN_SECONDS = 1.0
"""Until a transport that is away is tried again."""


class PointerBroker(JobHolder):
    """Sends claimed jobs by pointer and begins them when one comes back."""

    by_pointer = True

    def __init__(self, context: JobContext, **options: Any) -> None:
        super().__init__(context, **options)
        self.beginning: dict[str, Job] = {}
        """Tokens of what is being begun: it waits no longer, and nobody holds it yet."""
        self.add_middleware(_Begin(self))

    def publish(self, message: dramatiq.Message[None]) -> None:
        """Hand a pointer to the server; raises whatever went wrong, the outcome is unknown then."""
        self.enqueue(message)

    def stay_connected(self) -> None:
        """Called each second by the thread that sends."""

    def message(self, queue_name: str, jobs: list[ClaimedJob]) -> dramatiq.Message[None]:
        ids = [job.id for job in jobs]
        followers = [job.token for job in jobs if job.follows]
        return super().message(queue_name, jobs).copy(options={"ids": ids, "followers": followers})


class _Begin(Middleware):
    """Begins what a pointer stands for, and lets go of it afterwards. One that begins nothing is
    rejected: the jobs it names may be in the hands of another thread here."""

    def __init__(self, broker: PointerBroker) -> None:
        self.broker = broker

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        kind = Job(message.actor_name)
        self.broker.beginning |= dict.fromkeys(message.args, kind)
        try:
            self._begin(kind, message)
        finally:
            for token in message.args:
                self.broker.beginning.pop(token, None)

    def _begin(self, kind: Job, message: MessageProxy) -> None:
        context, lease = self.broker.context, self.broker.lease
        sent = dict(zip(message.args, message.options["ids"], strict=True))
        try:
            begun = context.database.transaction(
                _SCOPE,
                lambda session: pointers.begin(
                    session,
                    kind,
                    sent,
                    message.options["followers"],
                    lease=lease,
                    now=context.now(),
                ),
                durable=False,
            )
        except Exception as error:
            if isinstance(error, LeaseLost):
                logger.info("stale pointer dropped", kind=kind, count=len(sent))
            else:  # sent anew when its lease ends
                logger.warning("job not begun", error_type=type(error).__name__)
            message.fail()
            raise SkipMessage from None
        self.broker.hold(*begun)
        context.database.bell.ring_here()  # there is room for another

    def before_ack(self, broker: Broker, message: MessageProxy) -> None:
        self.broker.drop(*message.args)
        self.broker.context.database.bell.ring_here()  # its lane may go on


class Dispatcher:
    """Claims due jobs of one queue and sends their pointers, so that at most `most` messages of
    this process wait to be begun; a thread of its own."""

    def __init__(self, broker: PointerBroker, queue_name: str, most: int, poll: float) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.most = most
        self.poll = poll
        self.sent: list[list[ClaimedJob]] = []
        self.bell = broker.context.database.bell.waiter(queue_name)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and make ready again what nobody has begun."""
        self._stopping.set()
        self.bell.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.bell.clear()
            try:
                while not self._stopping.is_set() and self._dispatch():
                    pass
                self.broker.stay_connected()
            except Exception as error:
                logger.warning("pointers cannot be sent", error_type=type(error).__name__)
                self._withdraw()
                self._stopping.wait(AGAIN_SECONDS)
            self.bell.wait(self.poll)
        self._withdraw()

    def _dispatch(self) -> bool:
        """Claim and send as much as there is room for; whether there may be more."""
        database = self.broker.context.database
        if self.sent:
            with database.read(_SCOPE) as session:
                unbegun = pointers.waiting(session, [part[0] for part in self.sent])
            self.sent = [part for part in self.sent if part[0].token in unbegun]
        room = self.most - len(self.sent)
        if room <= 0:
            return False
        elsewhere = self.broker.beginning | {
            job.token: job.kind for part in self.sent for job in part
        }
        jobs = database.transaction(
            _SCOPE,
            lambda session: self.broker.claim(session, self.queue_name, room, elsewhere),
            durable=False,
        )
        parts = parts_of(jobs, self.broker.together_kinds, self.broker.most_together)
        self.sent += parts
        for part in parts:
            self.broker.publish(self.broker.message(self.queue_name, part))
        return bool(parts)

    def _withdraw(self) -> None:
        context, jobs = self.broker.context, [job for part in self.sent for job in part]
        try:
            context.database.transaction(
                _SCOPE,
                lambda session: pointers.withdraw(session, jobs, now=context.now()),
                durable=False,
            )
            self.sent = []
        except Exception as error:  # the leases run out by themselves
            logger.error("pointers not withdrawn", error_type=type(error).__name__)
