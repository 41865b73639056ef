"""The thread that commits many callers' work together: all of SQLite's, and PostgreSQL's where it
is submitted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from hub import log, metrics
from hub.domain.agreements import Scope, operations_scope
from hub.storage.checkpoints import Checkpoints
from hub.storage.driver_errors import driver_errors
from hub.storage.scope_settings import begin_for
from hub.storage.scoped_session import ScopedSession
from hub.storage.waiting_work import Entry, WaitingWork

if TYPE_CHECKING:
    from hub.storage.session import Database

T = TypeVar("T")
Work = Callable[[ScopedSession], T]

logger = log.get(__name__)

_Outcome = tuple[ScopedSession, Any, BaseException | None]
COLLISIONS = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of two transactions in each other's way: serialization, deadlock, lock timeout."""
COLLISION_ATTEMPTS = 3
OUTCOME_UNKNOWN = "the commit may have succeeded"
FIRST = operations_scope("what other work needs")


class RunFirst(BaseException):
    """Raised by work that needs something durable before itself: `work` is committed alone, then
    the raiser runs again. No Exception, so that no handler inside takes it for a failure."""

    def __init__(self, database: Database, work: Work[None]) -> None:
        super().__init__()
        self._database = database
        self.work = work

    def run(self) -> None:
        """Commit what is needed; for who raises this outside of a transaction."""
        self._database.transaction(FIRST, self.work)


class Committer:
    """One thread, one connection: each round runs the waiting work in savepoints and commits
    once. The connection is kept until something goes wrong with it."""

    def __init__(self, engine: Engine, done: Callable[[Sequence[ScopedSession]], None]) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._done = done
        self._syncs = True
        self._checkpoints = Checkpoints()
        self._waiting = WaitingWork()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def is_submitted_to(self) -> bool:
        return self._waiting.is_submitted_to

    def is_current_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def submit(self, scope: Scope, work: Work[T]) -> Future[T]:
        return self._put(Entry(Future(), scope, work))

    def transaction(self, scope: Scope, work: Work[T], *, durable: bool) -> Future[T]:
        """`submit` for work that may take long. With `durable` False SQLite writes it to the disk
        with the next work that is to last."""
        return self._put(Entry(Future(), scope, work, durable, submitted=False))

    def _put(self, entry: Entry) -> Future[Any]:
        with self._lock:
            if self._closed:
                raise RuntimeError("the database is closed")
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="committer", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.put(entry)
        return entry.future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.close()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while (batch := self._waiting.next_round()) is not None:
            self._commit(_wanted(batch))
        self._drop_connection()

    def _commit(self, batch: list[Entry]) -> None:
        """Everybody hears what became of their work, and the thread goes on, whatever happens."""
        try:
            self._commit_together(batch, others_join=True)
            self._copy_log()
        except BaseException as error:
            logger.error("commits failed", error_type=type(error).__name__)
            self._drop_connection()
            for entry in batch:
                if not entry.future.done():
                    entry.future.set_exception(error)

    def _copy_log(self) -> None:
        """Between two commits of SQLite; see checkpoints.py."""
        if self._connection is not None and _is_sqlite(self._connection):
            driver: Any = self._connection.connection.driver_connection
            self._checkpoints.after_commit(driver)

    def _sync(self, connection: Connection, wanted: bool) -> None:
        """Whether the next commit of SQLite waits for the disk: one that does writes those before
        it as well, since they are in the same file."""
        if wanted is not self._syncs and _is_sqlite(connection):
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA synchronous=FULL" if wanted else "PRAGMA synchronous=NORMAL")
        self._syncs = wanted

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not self._syncs:
                self._syncs = True
                connection.invalidate()
            connection.close()
        except Exception as error:
            logger.warning("connection not closed", error_type=type(error).__name__)

    def _commit_together(
        self, batch: list[Entry], attempt: int = 1, *, others_join: bool = False
    ) -> None:
        """Also whoever joins, and is in `batch` then."""
        outcomes: list[_Outcome] = []
        if not batch:
            return
        begun = False
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            connection = self._connection
            self._sync(connection, any(entry.durable for entry in batch))
            with connection.begin():
                begun = True
                self._run_all(connection, batch, outcomes, others_join)
                with committing(), metrics.commit_seconds.time():
                    commit_with(connection, outcomes[0][0].last or ())
            metrics.commit_works.observe(len(batch))
        except BaseException as error:  # the thread must outlive whatever a piece of work raises
            self._drop_connection()
            if begun and len(batch) > 1:
                self._commit_apart(batch, len(outcomes))
            elif isinstance(error, RunFirst):
                self._commit_after(error, batch)
            elif may_be_run_again(error) and attempt < COLLISION_ATTEMPTS:
                self._commit_together(batch, attempt + 1)
            else:  # alone, or not even begun: the database is away
                for entry in batch:
                    entry.future.set_exception(error)
            return
        self._done([session for session, _, failure in outcomes if failure is None])
        for entry, (_, result, failure) in zip(batch, outcomes, strict=True):
            if failure is None:
                entry.future.set_result(result)
            elif isinstance(failure, RunFirst):
                self._commit_after(failure, [entry])
            elif may_be_run_again(failure) and attempt < COLLISION_ATTEMPTS:
                self._commit_together([entry], attempt + 1)
            else:
                entry.future.set_exception(failure)

    def _run_all(
        self,
        connection: Connection,
        batch: list[Entry],
        outcomes: list[_Outcome],
        others_join: bool,
    ) -> None:
        """Run a batch, which grows by who joins."""
        run = _run_alone if len(batch) == 1 else _run_in_savepoint
        told: Scope | None = None
        for entry in batch:
            if entry.scope is not told:
                begin_for(connection, entry.scope)
                told = entry.scope
            outcomes.append(run(connection, entry.scope, entry.work))
            run = _run_in_savepoint
            if others_join and len(outcomes) == len(batch) and _is_sqlite(connection):
                batch += _wanted(self._waiting.joining(batch, durable=self._syncs))

    def _commit_apart(self, batch: list[Entry], failed: int) -> None:
        """After nothing of a batch was kept: commit without the one that spoilt it, or each by
        itself if it was the commit that failed."""
        if failed == len(batch):
            for entry in batch:
                self._commit_together([entry])
            return
        for part in (batch[:failed], [batch[failed]], batch[failed + 1 :]):
            self._commit_together(part)

    def _commit_after(self, needed: RunFirst, batch: list[Entry]) -> None:
        """Commit what the batch needs, then the batch."""
        first: Future[None] = Future()
        self._commit_together([Entry(first, FIRST, needed.work)])
        error = first.exception()
        if error is None:
            self._commit_together(batch)
            return
        for entry in batch:
            entry.future.set_exception(error)


@contextmanager
def committing() -> Iterator[None]:
    """Mark what a COMMIT raises: it may have succeeded and the answer been lost."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            error.add_note(OUTCOME_UNKNOWN)
        raise


def commit_with(connection: Connection, last: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Commit a transaction of PostgreSQL; `last` are statements that go in the same message."""
    transaction: Any = connection.get_transaction()
    if last:
        driver: Any = connection.connection.driver_connection
        with driver_errors(connection), driver.pipeline():
            for statement, parameters in last:
                driver.execute(statement, parameters)
            driver.commit()
    transaction.commit()  # nothing is left to be sent after the driver's own


def may_be_run_again(error: BaseException) -> bool:
    """Whether nothing of the work can have become durable and a second attempt may help: another
    transaction was in its way, or the connection was lost before the commit."""
    if not isinstance(error, DBAPIError) or OUTCOME_UNKNOWN in getattr(error, "__notes__", ()):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", "") in COLLISIONS


def is_too_long(error: DBAPIError) -> bool:
    """Whether PostgreSQL has no room in an index for a value (SQLSTATE 54000)."""
    return getattr(error.orig, "sqlstate", "") == "54000"


def _wanted(batch: Sequence[Entry]) -> list[Entry]:
    """Those that nobody gave up."""
    return [entry for entry in batch if entry.future.set_running_or_notify_cancel()]


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _run_alone(connection: Connection, scope: Scope, work: Work[Any]) -> _Outcome:
    session = ScopedSession(connection, scope, join_transaction_mode="rollback_only")
    session.last = None if _is_sqlite(connection) else []
    with session:
        result = work(session)
        session.flush()
    return session, result, None


def _run_in_savepoint(connection: Connection, scope: Scope, work: Work[Any]) -> _Outcome:
    """Keep what fails from the others. The driver's own savepoint costs a hundredth of the layer's,
    but a flush that fails rolls back the whole transaction: then its error is raised."""
    outer, driver = connection.get_transaction(), connection.connection.driver_connection
    assert outer is not None  # noqa: S101 - the caller began it
    assert driver is not None  # noqa: S101
    driver.execute("SAVEPOINT work")
    session = ScopedSession(connection, scope, join_transaction_mode="rollback_only")
    result, failure = None, None
    try:
        with session:
            result = work(session)
            session.flush()
    except BaseException as error:
        if not outer.is_active:
            raise
        failure = error
        driver.execute("ROLLBACK TO work")
    driver.execute("RELEASE work")
    return session, result, failure


def run_hooks(session: ScopedSession) -> None:
    """The work is durable whatever a hook does, so that its failure is not the caller's."""
    for hook in session.after_commit:
        try:
            hook()
        except Exception as error:
            logger.error("hook after a commit failed", error_type=type(error).__name__)
