"""What an actor works with: the hub's services and the job it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from hub import metrics
from hub.domain.agreements import Scope, operations_scope
from hub.errors import Cancelled, DeadlineNear
from hub.services.arrivals import Arrival
from hub.services.exports import ReadChunk
from hub.settings import Settings
from hub.storage import finishing, queue
from hub.storage.crypto import Crypto
from hub.storage.envelopes import LABEL
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import InboundMessage
from jobs.children import WarmChild
from jobs.links import Links

T = TypeVar("T")

TakeFiles = Callable[[Callable[[], None]], None]
"""Take in whatever lies in the folders of connections, calling the argument between files."""

JudgeAgain = Callable[[InboundMessage, bytes], Arrival]
"""A message of HL7 v2 that was refused at the door, and its bytes: what it would be stored as."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """The process's services. `now` is an aware clock, `read_chunk` how exports read: planning is
    above the jobs, so the entry point hands it in; so it does `take_files` and `judge_again`, since
    receiving is.
    `links` are the open ones to destinations,
    `author` the process that writes messages of our own."""

    database: Database
    crypto: Crypto
    settings: Settings
    now: Callable[[], datetime]
    read_chunk: ReadChunk | None = None
    take_files: TakeFiles | None = None
    judge_again: JudgeAgain | None = None
    links: Links = field(default_factory=Links)
    author: WarmChild = field(default_factory=WarmChild)

    def __post_init__(self) -> None:
        self.database.envelopes.use(self.crypto.subkey(LABEL))


@dataclass(slots=True)
class RunningJob:
    """A job in the hands of its actor. `finish` performs the effects and marks it done, at once."""

    context: JobContext
    claimed: queue.ClaimedJob
    finished: bool = False
    ended: bool = False
    """Its actor returned without having finished it; it is marked done with others."""
    cancel_asked: bool = False
    stop_asked: bool = False
    failure: Exception | None = None
    """How it failed when it was run with others, still to be written."""
    progress_counts: dict[str, int] = field(default_factory=dict)

    @property
    def args(self) -> Mapping[str, Any]:
        return self.claimed.args

    def check(self) -> None:
        """Raise Cancelled if someone asked this job to stop, or DeadlineNear if the worker stops:
        then another takes it up, and no attempt is counted."""
        if self.cancel_asked:
            raise Cancelled("The job was cancelled.")
        if self.stop_asked:
            raise DeadlineNear("The worker is stopping.")

    def transaction(self, scope: Scope, work: Callable[[ScopedSession], T]) -> T:
        """Write before the job is done, fenced by the lease like `finish`: raises LeaseLost
        (nothing written) if another worker holds the job now."""

        def fenced(session: ScopedSession) -> T:
            result = work(session)
            session.flush()
            finishing.require_lease(session, self.claimed)
            return result

        return self.context.database.transaction(scope, fenced)

    def finish(self, scope: Scope, effects: Callable[[ScopedSession], T]) -> T:
        """Run `effects(session)` and mark the job done in one transaction, fenced by the lease.

        Raises LeaseLost (nothing written) if another worker holds the job now.
        """

        def work(session: ScopedSession) -> T:
            result = effects(session)
            session.flush()
            finishing.finish(session, self.claimed, now=self.context.now())
            return result

        result = self.context.database.transaction(scope, work)
        self.finished = True
        metrics.jobs_ended.labels(self.claimed.kind, "done").inc()
        return result

    def progress(self, **counts: int) -> None:
        """Publish progress outside the effects."""
        self.progress_counts.update(counts)
        self.context.database.transaction(
            operations_scope("progress"),
            lambda session: queue.set_progress(session, self.claimed, self.progress_counts),
        )
