"""`Database`: the only place where transactions begin and end.

Every read and write of practice data happens in a `ScopedSession`, for the `Scope` of the principal
it works for. Each transaction on PostgreSQL begins with the scope, and row-level security holds
every statement to it. SQLite has one writer thread that commits many callers' work together; on
PostgreSQL `transaction` uses the pool and `submit` groups commits the same way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from hub import metrics
from hub.domain.agreements import Scope, operations_scope
from hub.errors import BadSetting, Rejected
from hub.storage import envelopes
from hub.storage.audit import append_all
from hub.storage.audit_trails import AuditWriter, SubmittedTrail, Trail
from hub.storage.audit_writer import PostgresqlTrail
from hub.storage.committer import (
    COLLISION_ATTEMPTS,
    FIRST,
    Committer,
    RunFirst,
    Work,
    commit_with,
    committing,
    is_too_long,
    may_be_run_again,
    run_hooks,
)
from hub.storage.doorbell import Doorbell
from hub.storage.engines import close_engine, postgresql_engine, sqlite_engine
from hub.storage.gathering import Gathering
from hub.storage.reads.driver import text_reads
from hub.storage.running import Running
from hub.storage.scope_settings import begin_for, end_read
from hub.storage.scoped_session import ScopedSession

__all__ = ["Database", "RunFirst", "ScopedSession"]

T = TypeVar("T")
_GATHERED = operations_scope("gathered writes")
_TOO_LONG = "A value is longer than the database can look up: 2,700 bytes."


class Database:
    """One database: `transaction` and `submit` write, `read` reads.

    `url` is a SQLAlchemy URL. `bell` is rung after each commit that added a job, `committed` is set
    after every one. `envelopes` sign the jobs that are added here.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.committed = threading.Event()
        if self.is_sqlite:
            if not parsed.database or parsed.database == ":memory:":
                raise BadSetting("HUB_DATABASE_URL needs a file; an in-memory database loses data.")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.write_engine = sqlite_engine(url, writer=True)
            self.read_engine = self.request_engine = sqlite_engine(url, writer=False)
        else:
            self.write_engine = self.read_engine = postgresql_engine(url)
            self.request_engine = postgresql_engine(url, requests=True)
        self.envelopes = envelopes.Envelopes()
        for engine in (self.write_engine, self.read_engine, self.request_engine):
            engine.update_execution_options(job_envelopes=self.envelopes)
        self.bell = Doorbell(None if self.is_sqlite else self.write_engine)
        self._committer = Committer(self.write_engine, self._done)
        # PostgreSQL has more than one writer: what is gathered waits for nobody else's work.
        self._gatherer = (
            self._committer if self.is_sqlite else Committer(self.write_engine, self._done)
        )
        self._gathering = Gathering(lambda work: self._gatherer.submit(_GATHERED, work))
        self.text_reads = text_reads(url)
        self.audit_writer = AuditWriter(self._audit_trail)

    def transaction(self, scope: Scope, work: Work[T], *, durable: bool = True) -> T:
        """Run `work(session)` and commit; whatever it raises rolls everything back and is raised.

        With `durable` False a crash of PostgreSQL, or a power cut, may undo it: for what is only
        repeated then.

        `work` must not call the network and may be run again: if a commit shared with others fails,
        or if PostgreSQL ended it in favour of another transaction.
        """
        if self.is_sqlite:
            if self._committer.is_current_thread():
                raise RuntimeError("a transaction cannot be opened inside another one")
            return self._committer.transaction(scope, work, durable=durable).result()
        collisions = 0
        while True:
            try:
                return self._transaction(scope, work, durable)
            except RunFirst as needed:
                self._transaction(FIRST, needed.work, True)
            except DBAPIError as error:
                if is_too_long(error):
                    raise Rejected(_TOO_LONG, reason="value_too_long") from error
                collisions += 1
                if collisions == COLLISION_ATTEMPTS or not may_be_run_again(error):
                    raise
                time.sleep(0.01 * collisions)

    def _transaction(self, scope: Scope, work: Work[T], durable: bool) -> T:
        with self.write_engine.connect() as connection, connection.begin():
            begin_for(connection, scope, durable=durable)
            session = ScopedSession(connection, scope, join_transaction_mode="rollback_only")
            session.last = []
            with session:
                result = work(session)
                session.flush()
            with committing(), metrics.commit_seconds.time():
                commit_with(connection, session.last)
        metrics.commit_works.observe(1)
        self._done([session])
        return result

    def _done(self, sessions: Sequence[ScopedSession]) -> None:
        """What was done in `sessions` is durable."""
        self.committed.set()
        if queues := set[str]().union(*(session.added_to for session in sessions)):
            self.bell.set(queues)
        for session in sessions:
            run_hooks(session)

    def submit(self, scope: Scope, work: Work[T]) -> Future[T]:
        """Like `transaction`, sharing one commit with whoever submits meanwhile; the future
        resolves after the commit."""
        return self._committer.submit(scope, work)

    def gather(self, item: T, write: Callable[[ScopedSession, list[T]], None]) -> Future[None]:
        """Write `item` in one transaction of the hub's own with all others that wait for the same
        `write`; the future resolves after the commit."""
        return self._gathering.add(item, write)

    @property
    def is_waited_for(self) -> bool:
        """Whether transactions keep those waiting who submit work, and somebody did lately."""
        return self.is_sqlite and self._committer.is_submitted_to

    @property
    def audit_waiting(self) -> int:
        """Audit events of requests that are not being written yet."""
        return self.audit_writer.waiting + self._gathering.waiting

    @contextmanager
    def read(self, scope: Scope, running: Running | None = None) -> Iterator[ScopedSession]:
        """A short read in one snapshot; nothing it changes is kept.

        With `running` it is a request's: it can be stopped, and raises TooSlow if it was or if a
        statement takes too long.
        """
        engine = self.read_engine if running is None else self.request_engine
        with engine.connect() as connection:
            with running.during(connection) if running is not None else nullcontext():
                connection.begin()
                begin_for(connection, scope)
                with ScopedSession(connection, scope) as session:
                    yield session
            end_read(connection)

    def _audit_trail(self) -> Trail:
        """Appends the events of the running event loop."""

        def under_way() -> int:
            return self.text_reads.under_way

        if not self.is_sqlite:
            return PostgresqlTrail(self.url, under_way)
        return SubmittedTrail(
            lambda events: self.submit(_GATHERED, lambda session: append_all(session, events)),
            under_way,
        )

    def close(self) -> None:
        """Finish what was submitted and close every connection; one that still reads or writes when
        it is through."""
        self.bell.close()
        self._committer.close()
        self._gatherer.close()
        self.text_reads.close()
        self.audit_writer.close()
        for engine in {self.request_engine, self.read_engine, self.write_engine}:
            close_engine(engine)
