"""The session of one scope: it reads and writes the rows of its practices only.

ORM criteria keep foreign rows out of every select, update and delete, and the flush guard refuses
to write a row of another practice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import and_, event, false, or_
from sqlalchemy.engine import Connection
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from hub.domain.agreements import Domain, Scope
from hub.errors import Forbidden
from hub.storage import bulk, envelopes
from hub.storage.consents import consented
from hub.storage.flush_order import follow_foreign_keys
from hub.storage.scope_settings import set_scope
from hub.storage.tables import Base, Labelled, PracticeOwned, new_id
from hub.storage.tables import Practice as PracticeTable


class ScopedSession(Session):
    """A session that works for one scope; `after_commit` collects what to do once it is durable."""

    def __init__(self, connection: Connection, scope: Scope, **options: Any) -> None:
        super().__init__(bind=connection, autoflush=True, expire_on_commit=False, **options)
        self.scope = scope
        self.bound = connection
        self.envelopes: envelopes.Envelopes = connection.get_execution_options()["job_envelopes"]
        self.after_commit: list[Callable[[], None]] = []
        self.added_to: set[str] = set()
        """The queues that got a job."""
        self.last: list[tuple[str, Sequence[Any]]] | None = None
        """Statements that are sent with the COMMIT; None where the transaction is shared."""
        self.ends = False
        """Whether statements of `bulk.run` are the last and go there."""
        self.criteria = _criteria(scope)
        self._rows: dict[type[PracticeOwned], list[dict[str, Any]]] = {}

    def under_way(self) -> Connection:
        """The connection, in the transaction it has begun: `connection()` without what it costs the
        session to begin one of its own, which statements of the driver do not need."""
        return self.bound if self.bound.in_transaction() else self.connection()

    def close(self) -> None:
        """Let go of what was loaded. Who worked through the driver alone has begun nothing here,
        which the layer would only find out at some cost."""
        if self.in_transaction():
            super().close()

    def work_for(self, scope: Scope) -> None:
        """Go on with the transaction for another scope."""
        self.flush()
        self.scope, self.criteria = scope, _criteria(scope)
        set_scope(self.connection(), scope)

    @contextmanager
    def reading_as(self, scope: Scope) -> Iterator[ScopedSession]:
        """A session of another scope in the same transaction; nothing it loads is known here. Who
        waited for a second connection instead, while holding one, might stop everybody. What is
        raised inside has to end the transaction."""
        self.flush()
        connection = self.connection()
        set_scope(connection, scope)
        with ScopedSession(connection, scope, join_transaction_mode="rollback_only") as session:
            yield session
        set_scope(connection, self.scope)

    def add_rows(self, table: type[PracticeOwned], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write new rows with the next flush, after the session's objects: for rows that this
        transaction does not change again, because an object costs ten times as much.

        Not for work in a savepoint of the session's, whose rollback would not take them back.
        """
        if self.in_nested_transaction():
            raise RuntimeError("rows are added to a whole transaction")
        for row in rows:
            if not _may_write(self.scope, table, row["practice_id"]):
                raise Forbidden(_FOREIGN)
        defaults = _defaults(table)  # type: ignore[arg-type]
        self._rows.setdefault(table, []).extend({**defaults, "id": new_id(), **row} for row in rows)

    def add_new(self, table: type[PracticeOwned], rows: Sequence[Mapping[str, Any]]) -> None:
        """`add_rows`, or objects inside of a savepoint of the session's."""
        if self.in_nested_transaction():
            self.add_all(table(**row) for row in rows)
        else:
            self.add_rows(table, rows)

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        super().flush(objects)
        added, self._rows = self._rows, {}
        for table, rows in added.items():
            bulk.insert_rows(self, table.__table__, rows)  # type: ignore[attr-defined]


@cache
def _defaults(table: type[PracticeOwned]) -> dict[str, Any]:
    """What the columns hold that a row does not give."""
    columns = table.__table__.columns  # type: ignore[attr-defined]
    scalar = [
        column for column in columns if column.default is not None and column.default.is_scalar
    ]
    return dict.fromkeys(columns.keys()) | {column.key: column.default.arg for column in scalar}


_NO_PRACTICE_DATA = (with_loader_criteria(PracticeOwned, lambda _: false(), include_aliases=True),)


_NO_LABELS = with_loader_criteria(
    Labelled, lambda table: table.sensitivity == "", include_aliases=True
)


def _criteria(scope: Scope) -> tuple[Any, ...]:
    """The filters of every statement: one for all tables where the scope is the same in each domain
    (the hub's own work on a practice), else one plain expression per table. The lambda must hold no
    conditional: it would be ignored silently."""
    if scope.unrestricted:
        return ()
    if scope.operations:
        return _NO_PRACTICE_DATA
    return (*_criteria_of_practices(scope), *_criteria_of_labels(scope))


def _criteria_of_practices(scope: Scope) -> tuple[Any, ...]:
    practices = sorted(scope.all_practices())
    own = PracticeTable.id.in_(practices) if practices else false()
    of_practices = with_loader_criteria(PracticeTable, own, include_aliases=True)
    if all(scope.practices(domain) == scope.all_practices() for domain in Domain) and practices:
        everywhere = with_loader_criteria(
            PracticeOwned, lambda table: table.practice_id.in_(practices), include_aliases=True
        )
        return (of_practices, everywhere)
    return (of_practices, *_criteria_by_table(scope))


def _criteria_of_labels(scope: Scope) -> Iterator[Any]:
    """Rows with a sensitivity label, where they may be read."""
    if not scope.sensitive and scope.consents_at is None:
        yield _NO_LABELS
        return
    if scope.sensitive is scope.rows and not scope.limited:
        return  # all of them: the hub's own work on a practice
    for mapper in Base.registry.mappers:
        table: Any = mapper.class_
        if issubclass(table, Labelled) and issubclass(table, PracticeOwned):
            allowed = scope.sensitive_practices(table.domain)
            if scope.emergency is None and allowed == scope.practices(table.domain):
                continue
            opened = table.practice_id.in_(sorted(allowed))
            if scope.emergency is not None:
                theirs = getattr(table, table.of_patient) == scope.emergency.patient_id
                opened = and_(opened, theirs)
            by_consent = consented(table, table, scope)
            given = () if by_consent is None else (by_consent,)
            clause = or_(table.sensitivity == "", opened, *given)
            yield with_loader_criteria(table, clause, include_aliases=True)


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
        if isinstance(row, PracticeOwned) and not _may_write(scope, type(row), row.practice_id):
            raise Forbidden(_FOREIGN)


def _may_write(scope: Scope, table: type[PracticeOwned], practice_id: str) -> bool:
    return scope.unrestricted or practice_id in scope.rows.get(table.domain, frozenset())


_FOREIGN = "This work may not write rows of another practice."
