"""Scoped sessions: what a scope may not see or write stays unseen and unwritten."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import aliased

from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    PrincipalKind,
    Purpose,
    Scope,
    operations_scope,
    practice_scope,
    unrestricted_scope,
)
from hub.errors import Forbidden
from hub.storage import bulk
from hub.storage.engines import WAL_PAGES
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Appointment, Patient, PatientIdentifier, Practice, Worker

ALL = unrestricted_scope("test")


def mso_scope(**rows: str) -> Scope:
    """An MSO app's scope with other practices in each domain."""
    granted = {domain: frozenset(rows.get(domain.value.lower(), "")) for domain in Domain}
    return Scope(
        principal_id="app",
        principal_name="app",
        kind=PrincipalKind.MSO_APP,
        purpose=Purpose.OPERATIONS,
        classes=READABLE_CLASSES,
        rows=MappingProxyType(granted),
    )


SCOPES = [
    pytest.param(practice_scope("a"), id="one practice"),
    pytest.param(mso_scope(clinical="a", schedule="a"), id="by domain"),
]


@pytest.fixture
def filled(database: Database, now: datetime) -> Database:
    def work(session: ScopedSession) -> None:
        for practice in "ab":
            session.add(Practice(id=practice, name=practice, zone="UTC", created_at=now))
            session.flush()
            session.add(Patient(practice_id=practice, id=f"p{practice}", family_name="Same"))
            session.flush()
            session.add(
                PatientIdentifier(
                    practice_id=practice, patient_id=f"p{practice}", authority="X", type="MR",
                    value="1",
                )
            )  # fmt: skip
            session.add(
                Appointment(
                    practice_id=practice, patient_id=f"p{practice}", status="booked",
                    starts_at=now, external_id="1",
                )
            )  # fmt: skip

    database.transaction(ALL, work)
    return database


def test_reading_as_another_scope_leaves_this_one_as_it_was(filled: Database) -> None:
    def work(session: ScopedSession) -> None:
        patients = select(Patient.id)
        assert session.scalars(patients).all() == []
        with session.reading_as(practice_scope("a")) as other:
            assert other.scalars(patients).all() != []
            found = other.scalars(select(Patient)).first()
            assert found is not None
        assert session.scalars(patients).all() == []
        assert session.get(Patient, (found.practice_id, found.id)) is None
        session.add(Worker(practice_id="b", id="w", family_name="F", given_name="G"))

    filled.transaction(mso_scope(payroll="b"), work)
    with filled.read(practice_scope("b")) as session:
        assert session.get(Worker, ("b", "w")) is not None


Other = aliased(Patient)
READS: list[Callable[[ScopedSession], Any]] = [
    lambda s: s.scalars(select(Patient.practice_id)).all(),
    lambda s: [p.practice_id for p in s.scalars(select(Patient))],
    lambda s: s.scalars(select(Other.practice_id)).all(),
    lambda s: s.scalars(select(Patient.practice_id).where(Patient.family_name == "Same")).all(),
    lambda s: ["a"] * (s.scalar(select(func.count()).select_from(Patient)) or 0),
    lambda s: s.scalars(
        select(Patient.practice_id).join(Appointment, Appointment.patient_id == Patient.id)
    ).all(),
    lambda s: s.scalars(select(select(Patient.practice_id).subquery().c.practice_id)).all(),
    lambda s: s.scalars(
        select(Practice.id).where(exists().where(Patient.practice_id == Practice.id))
    ).all(),
    lambda s: s.scalars(
        select(Practice.id).where(Practice.id.in_(select(Patient.practice_id)))
    ).all(),
    lambda s: [key for key in ("a", "b") if s.get(Patient, (key, f"p{key}")) is not None],
    lambda s: s.scalars(select(Practice.id)).all(),
    lambda s: s.scalars(
        select(Patient.practice_id).union_all(select(Patient.practice_id).where(Patient.id == "x"))
    ).all(),
]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("read", READS)
def test_every_way_of_reading_sees_the_scope_only(
    filled: Database, scope: Scope, read: Callable[[ScopedSession], Any]
) -> None:
    with filled.read(scope) as session:
        assert read(session) == ["a"]


def test_a_scope_without_practices_sees_nothing(filled: Database) -> None:
    with filled.read(mso_scope()) as session:
        assert session.scalars(select(Patient.id)).all() == []
        assert session.scalars(select(Practice.id)).all() == []


def test_work_on_records_of_operation_gets_no_row_of_a_practices_data(filled: Database) -> None:
    with filled.read(operations_scope("test")) as session:
        assert session.scalars(select(Practice.id).order_by(Practice.id)).all() == ["a", "b"]
        for statement in (select(Patient), select(Patient.practice_id), select(aliased(Patient))):
            with pytest.raises(Forbidden):
                session.execute(statement)
        assert (
            session.scalars(select(Practice.id).where(exists().where(Patient.id != ""))).all() == []
        )
    with pytest.raises(Forbidden):
        filled.transaction(
            operations_scope("test"), lambda s: s.add(Patient(practice_id="a", family_name="New"))
        )


def test_each_domain_has_its_own_practices(filled: Database) -> None:
    with filled.read(mso_scope(clinical="a", schedule="b")) as session:
        assert session.scalars(select(Patient.practice_id)).all() == ["a"]
        assert session.scalars(select(Appointment.practice_id)).all() == ["b"]
        assert session.scalars(select(Worker.id)).all() == []


def test_scopes_do_not_leak_into_each_other(filled: Database) -> None:
    """The same statement under alternating scopes, on many threads: compiled once, bound anew."""
    wrong: list[object] = []

    def read(practice: str) -> None:
        for _ in range(50):
            with filled.read(practice_scope(practice)) as session:
                found = session.scalars(select(Patient.practice_id)).all()
                if found != [practice]:
                    wrong.append(found)

    threads = [threading.Thread(target=read, args=(key,)) for key in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("scope", SCOPES)
def test_bulk_writes_touch_the_scope_only(filled: Database, scope: Scope) -> None:
    def work(session: ScopedSession) -> None:
        session.execute(update(Patient).values(given_name="Seen"))
        session.execute(delete(Appointment))

    filled.transaction(scope, work)
    with filled.read(ALL) as session:
        seen = session.execute(select(Patient.practice_id, Patient.given_name)).all()
        assert sorted(map(tuple, seen)) == [("a", "Seen"), ("b", "")]
        assert session.scalars(select(Appointment.practice_id)).all() == ["b"]


def test_a_row_of_another_practice_cannot_be_written(filled: Database) -> None:
    with pytest.raises(Forbidden):
        filled.transaction(
            practice_scope("a"), lambda s: s.add(Patient(practice_id="b", family_name="New"))
        )
    with pytest.raises(Forbidden):
        filled.transaction(
            mso_scope(schedule="a"), lambda s: s.add(Patient(practice_id="a", family_name="New"))
        )


def test_a_failed_piece_of_work_spoils_neither_its_neighbours_nor_the_database(
    database: Database, now: datetime
) -> None:
    def add(key: str) -> Callable[[ScopedSession], None]:
        def work(session: ScopedSession) -> None:
            session.add(Practice(id=key, name=key, zone="UTC", created_at=now))
            session.flush()
            if key == "bad":
                raise ValueError("no")

        return work

    futures = {key: database.submit(ALL, add(key)) for key in ("one", "bad", "two")}
    futures["one"].result()
    futures["two"].result()
    with pytest.raises(ValueError, match="no"):
        futures["bad"].result()
    with database.read(ALL) as session:
        assert set(session.scalars(select(Practice.id))) == {"one", "two"}


def test_a_flush_that_fails_among_others_is_the_only_one_to_fail(
    database: Database, now: datetime
) -> None:
    together = threading.Event()
    order: list[str] = []

    def add(key: str) -> Callable[[ScopedSession], None]:
        def work(session: ScopedSession) -> None:
            session.after_commit.append(lambda: order.append(key))
            session.add(Practice(id=key.strip("?"), name=key, zone="UTC", created_at=now))

        return work

    first = database.submit(ALL, lambda _: together.wait(10))  # the others gather behind it
    futures = {key: database.submit(ALL, add(key)) for key in ("one", "two", "two?", "three")}
    together.set()
    assert first.result()
    with pytest.raises(IntegrityError):
        futures.pop("two?").result()
    for future in futures.values():
        future.result()
    assert order == ["one", "two", "three"]
    with database.read(ALL) as session:
        assert set(session.scalars(select(Practice.name))) == {"one", "two", "three"}


def insert_practice(session: ScopedSession, key: str, now: datetime) -> None:
    row = {"id": key, "name": key, "zone": "UTC", "created_at": now}
    table: Any = Practice.__table__
    empty = dict.fromkeys(
        ("npi", "care_model", "phone", "line1", "city", "state", "postal_code"), ""
    )
    bulk.insert_rows(session, table, [{**empty, **row, "specialties": []}])


def names(database: Database) -> set[str]:
    with database.read(ALL) as session:
        return set(session.scalars(select(Practice.name)))


def test_what_fails_with_the_commit_leaves_nothing_and_spoils_nothing(
    database: Database, now: datetime
) -> None:
    def work(*keys: str) -> Callable[[ScopedSession], None]:
        def insert(session: ScopedSession) -> None:
            with bulk.ending(session):
                for key in keys:
                    insert_practice(session, key, now)

        return insert

    for _ in range(3):
        for write in (database.transaction, lambda *given: database.submit(*given).result(10)):
            with pytest.raises(IntegrityError):
                write(ALL, work("a", "a"))
    assert names(database) == set()
    database.submit(ALL, work("a")).result(10)
    database.transaction(ALL, work("b"))
    assert names(database) == {"a", "b"}


def test_hooks_run_after_the_commit_and_not_without_one(database: Database) -> None:
    seen: list[str] = []
    database.transaction(ALL, lambda s: s.after_commit.append(lambda: seen.append("committed")))

    def failing(session: ScopedSession) -> None:
        session.after_commit.append(lambda: seen.append("never"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.transaction(ALL, failing)
    assert seen == ["committed"]


def test_a_transaction_inside_a_transaction_is_refused_where_it_would_hang(
    database: Database,
) -> None:
    if not database.is_sqlite:
        return

    def work(session: ScopedSession) -> None:
        database.transaction(ALL, lambda s: None)

    with pytest.raises(RuntimeError, match="inside another"):
        database.transaction(ALL, work)


def test_timestamps_keep_the_moment_and_refuse_to_be_naive(filled: Database, now: datetime) -> None:
    with filled.read(ALL) as session:
        stored = session.scalars(select(Appointment.starts_at)).first()
    assert stored == now
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)
    with pytest.raises(Exception, match="time zone"):
        filled.transaction(
            ALL,
            lambda s: s.execute(update(Appointment).values(starts_at=datetime(2026, 1, 1))),  # noqa: DTZ001
        )


def test_dates_stay_dates(filled: Database) -> None:
    born = date(1970, 2, 28)
    filled.transaction(ALL, lambda s: s.execute(update(Patient).values(birth_date=born)))
    with filled.read(ALL) as session:
        assert set(session.scalars(select(Patient.birth_date))) == {born}


def test_a_failing_hook_harms_nobody(database: Database) -> None:
    seen: list[str] = []

    def work(session: ScopedSession) -> str:
        session.after_commit += [lambda: 1 / 0, lambda: seen.append("second hook")]
        return "durable"

    assert database.submit(ALL, work).result(10) == "durable"
    assert database.transaction(ALL, work) == "durable"
    assert database.submit(ALL, lambda s: "next").result(10) == "next"
    assert seen == ["second hook"] * 2


def test_the_committer_outlives_whatever_a_piece_of_work_raises(database: Database) -> None:
    def work(session: ScopedSession) -> None:
        raise SystemExit

    failed = [database.submit(ALL, work) for _ in range(2)]
    assert database.submit(ALL, lambda s: "next").result(10) == "next"
    for future in failed:
        assert isinstance(future.exception(10), SystemExit)


def test_the_committer_outlives_what_happens_after_a_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(database._committer, "_done", unforeseen)
        failed = [database.submit(ALL, lambda s: 1) for _ in range(2)]
        assert all(isinstance(future.exception(10), SystemExit) for future in failed)
    assert database.submit(ALL, lambda s: "next").result(10) == "next"


def test_a_committer_that_could_not_start_starts_with_the_next_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start"):
            database.submit(ALL, lambda s: 1)
    assert database.submit(ALL, lambda s: "next").result(10) == "next"


def test_a_closed_database_refuses_work_instead_of_keeping_it(database: Database) -> None:
    submitted = [database.submit(ALL, lambda s: 1) for _ in range(20)]
    database.close()
    assert [future.result(0) for future in submitted] == [1] * 20
    with pytest.raises(RuntimeError, match="closed"):
        database.submit(ALL, lambda s: 1)


def test_a_connection_in_use_when_the_database_is_closed_is_closed_behind_its_work(
    database: Database,
) -> None:
    def works(driver: Any) -> bool:
        try:
            driver.execute("SELECT 1")
        except (sqlite3.ProgrammingError, psycopg.OperationalError):
            return False
        return True

    with database.read(ALL) as session:
        driver = session.connection().connection.driver_connection
        database.close()
        assert works(driver)
    assert not works(driver)


def test_work_goes_on_after_every_connection_was_cut(database: Database) -> None:
    """A restart of the server, as its clients see it."""
    if database.is_sqlite:
        return
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = current_user "
        "AND pid <> pg_backend_pid()"
    )
    cut_myself = text("SELECT pg_terminate_backend(pg_backend_pid())")
    for submit in (database.submit, _at_once(database)):
        submit(ALL, lambda s: None).result(10)
        with database.write_engine.connect() as connection:
            connection.execute(others)
        assert submit(ALL, lambda s: "well again").result(10) == "well again"
        with pytest.raises(OperationalError):
            submit(ALL, lambda s: s.execute(cut_myself)).result(10)
        assert submit(ALL, lambda s: "well again").result(10) == "well again"


def test_what_is_read_leaves_statements_prepared(filled: Database) -> None:
    """Else every statement of the next transaction would be planned anew."""
    if filled.is_sqlite:
        return

    def prepared() -> int:
        with filled.read(ALL) as session:
            return session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) or 0

    for _ in range(8):
        with filled.read(ALL) as session:
            session.scalars(select(Patient)).all()
            session.add(Practice(id="c", name="c", zone="UTC", created_at=datetime.now(UTC)))
            session.flush()
    assert prepared() > 0
    with filled.read(ALL) as session:
        assert session.get(Practice, "c") is None  # nothing is kept of what a read changed


def _at_once(database: Database) -> Callable[..., Future[Any]]:
    def submit(scope: Scope, work: Callable[[ScopedSession], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(database.transaction(scope, work))
        except Exception as error:
            future.set_exception(error)
        return future

    return submit


def test_sqlite_waits_for_the_disk_only_where_work_is_to_last(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL is told in each transaction")

    def synchronous(session: ScopedSession) -> int:
        return int(session.connection().exec_driver_sql("PRAGMA synchronous").scalar_one())

    full, normal = 2, 1
    assert database.transaction(ALL, synchronous) == full
    assert database.transaction(ALL, synchronous, durable=False) == normal
    assert database.submit(ALL, synchronous).result() == full
    database.transaction(ALL, lambda session: None, durable=False)

    def fails(session: ScopedSession) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        database.transaction(ALL, fails, durable=False)
    assert database.transaction(ALL, synchronous) == full


def test_on_sqlite_only_the_connection_that_writes_makes_checkpoints(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    pages = {}
    for name in ("write_engine", "read_engine"):
        with getattr(database, name).connect() as connection:
            found = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
            pages[name] = int(found)
    database.close()
    assert pages == {"write_engine": WAL_PAGES, "read_engine": 0}
