"""Engines and `Database.transaction`, the only place that commits.

Every read and write of practice data happens in a `ScopedSession`, which carries the `Scope` of the
principal it works for: ORM criteria keep foreign rows out of every select, update and delete, and
the flush guard refuses to write a row of another practice. Each transaction on PostgreSQL begins
with the scope, and row-level security holds every statement to it. SQLite has one writer thread
that commits many callers' work together; on PostgreSQL `transaction` uses the pool and `submit`
groups commits the same way.
"""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Engine, create_engine, event, false
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from hub import log, metrics
from hub.domain.agreements import Domain, Scope, operations_scope
from hub.errors import BadSetting, Forbidden
from hub.storage import envelopes
from hub.storage.audit_writer import AuditWriter
from hub.storage.doorbell import Doorbell
from hub.storage.flush_order import follow_foreign_keys
from hub.storage.gathering import Gathering
from hub.storage.postgresql import NETWORK, options
from hub.storage.reads.driver import text_reads
from hub.storage.running import STATEMENT_SECONDS, Running
from hub.storage.scope_settings import begin_for
from hub.storage.tables import Base, PracticeOwned
from hub.storage.tables import Practice as PracticeTable

T = TypeVar("T")
Work = Callable[["ScopedSession"], T]

logger = log.get(__name__)

BATCH_LIMIT = 256
WORK_SECONDS = 30.0
"""How long one statement may take that no request waits for."""
COLLISIONS = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of two transactions in each other's way: serialization, deadlock, lock timeout."""
COLLISION_ATTEMPTS = 3
OUTCOME_UNKNOWN = "the commit may have succeeded"
WAL_PAGES = 8_000
"""Pages of the write-ahead log between checkpoints (4 KiB each); each one costs two syncs."""
CACHE_KIB = 64 * 1024
_GATHERED = operations_scope("gathered writes")
_FIRST = operations_scope("what other work needs")


class ScopedSession(Session):
    """A session that works for one scope; `after_commit` collects what to do once it is durable."""

    def __init__(self, connection: Connection, scope: Scope, **options: Any) -> None:
        super().__init__(bind=connection, autoflush=True, expire_on_commit=False, **options)
        self.scope = scope
        self.envelopes: envelopes.Envelopes = connection.get_execution_options()["job_envelopes"]
        self.after_commit: list[Callable[[], None]] = []
        self.added_to: set[str] = set()
        """The queues that got a job."""
        self.criteria = _criteria(scope)


class RunFirst(BaseException):
    """Raised by work that needs something durable before itself: `work` is committed alone, then
    the raiser runs again. No Exception, so that no handler inside takes it for a failure."""

    def __init__(self, database: Database, work: Work[None]) -> None:
        super().__init__()
        self._database = database
        self.work = work

    def run(self) -> None:
        """Commit what is needed; for who raises this outside of a transaction."""
        self._database.transaction(_FIRST, self.work)


_NO_PRACTICE_DATA = (with_loader_criteria(PracticeOwned, lambda _: false(), include_aliases=True),)


def _criteria(scope: Scope) -> tuple[Any, ...]:
    """The filters of every statement: one for all tables where the scope is the same in each domain
    (the hub's own work on a practice), else one plain expression per table. The lambda must hold no
    conditional: it would be ignored silently."""
    if scope.unrestricted:
        return ()
    if scope.operations:
        return _NO_PRACTICE_DATA
    practices = sorted(scope.all_practices())
    own = PracticeTable.id.in_(practices) if practices else false()
    of_practices = with_loader_criteria(PracticeTable, own, include_aliases=True)
    if all(scope.practices(domain) == scope.all_practices() for domain in Domain) and practices:
        everywhere = with_loader_criteria(
            PracticeOwned, lambda table: table.practice_id.in_(practices), include_aliases=True
        )
        return (of_practices, everywhere)
    return (of_practices, *_criteria_by_table(scope))


def _criteria_by_table(scope: Scope) -> Iterator[Any]:
    for mapper in Base.registry.mappers:
        table = mapper.class_
        if issubclass(table, PracticeOwned):
            allowed = sorted(scope.practices(table.domain))
            clause = table.practice_id.in_(allowed) if allowed else false()
            yield with_loader_criteria(table, clause, include_aliases=True)


follow_foreign_keys(ScopedSession)


@event.listens_for(ScopedSession, "do_orm_execute")
def _scope_statement(state: ORMExecuteState) -> None:
    session = state.session
    if isinstance(session, ScopedSession) and session.criteria and not state.is_column_load:
        if session.scope.operations and any(
            issubclass(mapper.class_, PracticeOwned) for mapper in state.all_mappers
        ):
            raise Forbidden("Work on records of operation asks for no row of a practice's data.")
        state.statement = state.statement.options(*session.criteria)


@event.listens_for(ScopedSession, "before_flush")
def _refuse_foreign_rows(session: Session, *_: object) -> None:
    scope = session.scope if isinstance(session, ScopedSession) else None
    if scope is None or scope.unrestricted:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, PracticeOwned) and row.practice_id not in scope.rows.get(
            row.domain, frozenset()
        ):
            raise Forbidden("This work may not write rows of another practice.")


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
            self.write_engine = _sqlite_engine(url, writer=True)
            self.read_engine = self.request_engine = _sqlite_engine(url, writer=False)
        else:
            self.write_engine = self.read_engine = _postgresql_engine(url)
            self.request_engine = _postgresql_engine(url, requests=True)
        self.envelopes = envelopes.Envelopes()
        for engine in (self.write_engine, self.read_engine, self.request_engine):
            engine.update_execution_options(job_envelopes=self.envelopes)
        self.bell = Doorbell(None if self.is_sqlite else self.write_engine)
        self._committer = _Committer(self.write_engine, self._done)
        # PostgreSQL has more than one writer: what is gathered waits for nobody else's work.
        self._gatherer = (
            self._committer if self.is_sqlite else _Committer(self.write_engine, self._done)
        )
        self._gathering = Gathering(lambda work: self._gatherer.submit(_GATHERED, work))
        self.text_reads = text_reads(url)
        self.audit_writer = (
            None if self.is_sqlite else AuditWriter(url, lambda: self.text_reads.under_way)
        )

    def transaction(self, scope: Scope, work: Work[T], *, durable: bool = True) -> T:
        """Run `work(session)` and commit; whatever it raises rolls everything back and is raised.

        With `durable` False a crash of PostgreSQL may undo it: for what is only repeated then.

        `work` must not call the network and may be run again: if a commit shared with others fails,
        or if PostgreSQL ended it in favour of another transaction.
        """
        if self.is_sqlite:
            if self._committer.is_current_thread():
                raise RuntimeError("a transaction cannot be opened inside another one")
            return self.submit(scope, work).result()
        collisions = 0
        while True:
            try:
                return self._transaction(scope, work, durable)
            except RunFirst as needed:
                self._transaction(_FIRST, needed.work, True)
            except DBAPIError as error:
                collisions += 1
                if collisions == COLLISION_ATTEMPTS or not _may_be_run_again(error):
                    raise
                time.sleep(0.01 * collisions)

    def _transaction(self, scope: Scope, work: Work[T], durable: bool) -> T:
        with self.write_engine.connect() as connection, connection.begin() as outer:
            begin_for(connection, scope)
            if not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            session = ScopedSession(connection, scope, join_transaction_mode="rollback_only")
            with session:
                result = work(session)
                session.flush()
            with _committing(), metrics.commit_seconds.time():
                outer.commit()
        metrics.commit_works.observe(1)
        self._done([session])
        return result

    def _done(self, sessions: Sequence[ScopedSession]) -> None:
        """What was done in `sessions` is durable."""
        self.committed.set()
        if queues := set[str]().union(*(session.added_to for session in sessions)):
            self.bell.set(queues)
        for session in sessions:
            _run_hooks(session)

    def submit(self, scope: Scope, work: Work[T]) -> Future[T]:
        """Like `transaction`, sharing one commit with whoever submits meanwhile; the future
        resolves after the commit."""
        return self._committer.submit(scope, work)

    def gather(self, item: T, write: Callable[[ScopedSession, list[T]], None]) -> Future[None]:
        """Write `item` in one transaction of the hub's own with all others that wait for the same
        `write`; the future resolves after the commit."""
        return self._gathering.add(item, write)

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
            connection.rollback()

    def close(self) -> None:
        """Finish what was submitted and close every connection."""
        self.bell.close()
        self._committer.close()
        self._gatherer.close()
        self.text_reads.close()
        if self.audit_writer is not None:
            self.audit_writer.close()
        self.request_engine.dispose()
        self.read_engine.dispose()
        self.write_engine.dispose()


_Entry = tuple[Future[Any], Scope, Work[Any]]


class _Committer:
    """One thread, one connection: each round runs the waiting work in savepoints and commits
    once. The connection is kept until something goes wrong with it."""

    def __init__(self, engine: Engine, done: Callable[[Sequence[ScopedSession]], None]) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._done = done
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def is_current_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def submit(self, scope: Scope, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the database is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
                self._thread.start()
            self._queue.put((future, scope, work))
        return future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, stop = [first], False
            while len(batch) < BATCH_LIMIT and not stop:
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
                if entry is None:
                    stop = True
                else:
                    batch.append(entry)
            self._commit_together([e for e in batch if e[0].set_running_or_notify_cancel()])
            if stop:
                break
        self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit_together(self, batch: list[_Entry], attempt: int = 1) -> None:
        outcomes: list[tuple[ScopedSession, Any, BaseException | None]] = []
        if not batch:
            return
        begun = False
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            connection = self._connection
            with connection.begin() as outer:
                begun = True
                if len(batch) == 1:
                    begin_for(connection, batch[0][1])
                    outcomes.append(_run_alone(connection, *batch[0][1:]))
                else:
                    told: Scope | None = None
                    for _, scope, work in batch:
                        if scope is not told:
                            begin_for(connection, scope)
                            told = scope
                        outcomes.append(_run_in_savepoint(connection, scope, work))
                with _committing(), metrics.commit_seconds.time():
                    outer.commit()
            metrics.commit_works.observe(len(batch))
        except BaseException as error:  # the thread must outlive whatever a piece of work raises
            self._drop_connection()
            if begun and len(batch) > 1:
                self._commit_apart(batch, len(outcomes))
            elif isinstance(error, RunFirst):
                self._commit_after(error, batch)
            elif _may_be_run_again(error) and attempt < COLLISION_ATTEMPTS:
                self._commit_together(batch, attempt + 1)
            else:  # alone, or not even begun: the database is away
                for future, _, _ in batch:
                    future.set_exception(error)
            return
        self._done([session for session, _, failure in outcomes if failure is None])
        for entry, (_, result, failure) in zip(batch, outcomes, strict=True):
            if failure is None:
                entry[0].set_result(result)
            elif isinstance(failure, RunFirst):
                self._commit_after(failure, [entry])
            elif _may_be_run_again(failure) and attempt < COLLISION_ATTEMPTS:
                self._commit_together([entry], attempt + 1)
            else:
                entry[0].set_exception(failure)

    def _commit_apart(self, batch: list[_Entry], failed: int) -> None:
        """After nothing of a batch was kept: commit without the one that spoilt it, or each by
        itself if it was the commit that failed."""
        if failed == len(batch):
            for entry in batch:
                self._commit_together([entry])
            return
        for part in (batch[:failed], [batch[failed]], batch[failed + 1 :]):
            self._commit_together(part)

    def _commit_after(self, needed: RunFirst, batch: list[_Entry]) -> None:
        """Commit what the batch needs, then the batch."""
        first: Future[None] = Future()
        self._commit_together([(first, _FIRST, needed.work)])
        error = first.exception()
        if error is None:
            self._commit_together(batch)
            return
        for future, _, _ in batch:
            future.set_exception(error)


@contextmanager
def _committing() -> Iterator[None]:
    """Mark what a COMMIT raises: it may have succeeded and the answer been lost."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            error.add_note(OUTCOME_UNKNOWN)
        raise


def _may_be_run_again(error: BaseException) -> bool:
    """Whether nothing of the work can have become durable and a second attempt may help: another
    transaction was in its way, or the connection was lost before the commit."""
    if not isinstance(error, DBAPIError) or OUTCOME_UNKNOWN in getattr(error, "__notes__", ()):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", "") in COLLISIONS


def _run_alone(
    connection: Connection, scope: Scope, work: Work[Any]
) -> tuple[ScopedSession, Any, BaseException | None]:
    session = ScopedSession(connection, scope, join_transaction_mode="rollback_only")
    with session:
        result = work(session)
        session.flush()
    return session, result, None


def _run_in_savepoint(
    connection: Connection, scope: Scope, work: Work[Any]
) -> tuple[ScopedSession, Any, BaseException | None]:
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


def _run_hooks(session: ScopedSession) -> None:
    """The work is durable whatever a hook does, so that its failure is not the caller's."""
    for hook in session.after_commit:
        try:
            hook()
        except Exception as error:
            logger.error("hook after a commit failed", error_type=type(error).__name__)


def _to_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


_JSON: dict[str, Any] = {"json_serializer": _to_json, "json_deserializer": orjson.loads}


def _sqlite_engine(url: str, *, writer: bool) -> Engine:
    """WAL with FULL sync (NORMAL loses acknowledged rows on a power cut); only the writer
    checkpoints."""
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30}, **_JSON)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if writer:
            cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        else:
            cursor.execute("PRAGMA wal_autocheckpoint=0")
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _postgresql_engine(url: str, *, requests: bool = False) -> Engine:
    """What a request reads is read-only and ends sooner."""
    seconds = STATEMENT_SECONDS if requests else WORK_SECONDS
    engine = create_engine(
        url,
        hide_parameters=True,
        **_JSON,
        pool_size=12,
        max_overflow=12,
        connect_args={"options": options(seconds, reads_only=requests), **NETWORK},
    )
    event.listen(engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(driver: Any, *_: object) -> None:
    """The server said something to an idle connection: good-bye. Cheaper than asking each time."""
    idle = select.poll()
    idle.register(driver.pgconn.socket, select.POLLIN)
    if idle.poll(0):
        raise DisconnectionError
