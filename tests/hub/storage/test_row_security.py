"""What PostgreSQL refuses, whatever a statement of the hub forgot; SQLite has no such layer."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    Emergency,
    PrincipalKind,
    Purpose,
    Scope,
    in_emergency,
    operations_scope,
    practice_scope,
    unrestricted_scope,
)
from hub.storage.reads.compile import CompiledPart, compile_roots
from hub.storage.reads.compile_objects import Compiler
from hub.storage.reads.parts import (
    Access,
    Bound,
    Leaf,
    Nodes,
    Objects,
    Order,
    Page,
    RootPage,
    Shape,
    Source,
)
from hub.storage.reads.reading import OutOfScope
from hub.storage.reads.scoping import split
from hub.storage.scope_settings import begin_for
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    Base,
    Consent,
    InboundMessage,
    JobRow,
    Observation,
    Patient,
    Practice,
    Provider,
    Worker,
    row_security,
)
from tests.conftest import BACKENDS

pytestmark = pytest.mark.parametrize(
    "database", [name for name in BACKENDS if name != "sqlite"], indirect=True
)
ALL = unrestricted_scope("test")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRACTICES = "ab"
UNPROTECTED = {
    "connection_practices": "whom a shared feed serves decides whom it does not",
    "epochs": "counts changes and says nothing of the rows",
}
SOURCE = Source("Patient", Patient, Access.PRACTICE_ROWS, Domain.CLINICAL)
NAMES = Objects(SOURCE, (Leaf("familyName", "family_name", Shape.PLAIN),), frozenset())
PAGE = Page(SOURCE, (Nodes("nodes", NAMES),), Order(("family_name",)), Bound(0))


def app_scope(kind: PrincipalKind, own: str | None = None, **rows: str) -> Scope:
    """The scope of an app with practices of its own in each domain."""
    granted = {domain: frozenset(rows.get(domain.value.lower(), "")) for domain in Domain}
    return Scope(
        "app", "app", kind, Purpose.OPERATIONS, READABLE_CLASSES, MappingProxyType(granted),
        own_practice_id=own,
    )  # fmt: skip


@pytest.fixture
def filled(database: Database) -> Database:
    def work(session: ScopedSession) -> None:
        for name in PRACTICES:
            session.add(Practice(id=name, name=name, zone="UTC", created_at=NOON))
            session.flush()
            session.add(Patient(practice_id=name, id=name, family_name=name))
            session.add(
                Worker(
                    practice_id=name, id=name, given_name="w", family_name=name, external_id=name
                )
            )
            session.add(
                JobRow(practice_id=name, kind="k", queue="q", run_at=NOON, args={}, created_at=NOON)
            )

    database.transaction(ALL, work)
    return database


def seen(database: Database, scope: Scope, table: Any) -> list[str]:
    """The practices of all rows a bare statement returns, past every layer of the hub's own."""
    with database.read(scope) as session:
        statement = select(table.__table__.c.practice_id).order_by("practice_id")
        return list(session.connection().execute(statement).scalars())


def test_every_table_with_a_practice_has_a_policy_that_holds_its_owner_too(database):
    with_practice = {name for name, t in Base.metadata.tables.items() if "practice_id" in t.c}
    assert with_practice - set(row_security.tables()) == set(UNPROTECTED)
    forced = text(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity "
        "AND relnamespace = 'public'::regnamespace"
    )
    with database.read(ALL) as session:
        assert set(session.scalars(forced)) == set(row_security.tables())


def test_a_statement_of_nobody_sees_nothing_and_writes_nothing(filled):
    with filled.write_engine.connect() as connection:
        for table in row_security.tables():
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
        assert connection.execute(delete(Patient.__table__)).rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(insert(Patient.__table__), {"practice_id": "a", "id": "new"})


def test_a_bare_statement_sees_the_practices_of_its_domain(filled):
    scope = app_scope(PrincipalKind.MSO_APP, clinical="a", payroll="b")
    assert seen(filled, scope, Patient) == ["a"]
    assert seen(filled, scope, Worker) == ["b"]
    assert seen(filled, scope, Provider) == []
    assert seen(filled, scope, JobRow) == ["a", "b"]
    assert seen(filled, ALL, Patient) == ["a", "b"]


def test_the_hubs_work_on_records_of_operation_sees_those_and_the_practices_names(filled):
    scope = operations_scope("test")
    assert seen(filled, scope, JobRow) == ["a", "b"]
    assert seen(filled, scope, Patient) == []
    with filled.read(scope) as session:
        assert sorted(session.scalars(select(Practice.name))) == ["a", "b"]
    mso = app_scope(PrincipalKind.MSO_APP, clinical="a")
    with filled.read(mso) as session:
        assert session.connection().execute(text("SELECT name FROM practices")).scalars().all() == [
            "a"
        ]


def test_a_practice_sees_its_own_records_of_operation(filled):
    scope = app_scope(PrincipalKind.PRACTICE_APP, "a", clinical="a")
    assert seen(filled, scope, JobRow) == ["a"]
    assert seen(filled, scope, InboundMessage) == []


def test_rows_of_another_practice_are_neither_written_nor_changed(filled):
    patients = Patient.__table__

    def added(session: ScopedSession) -> None:
        foreign = {"practice_id": "b", "id": "new", "family_name": "New"}
        session.connection().execute(insert(patients), foreign)

    def moved(session: ScopedSession) -> None:
        session.connection().execute(update(patients).values(practice_id="b", id="moved"))

    def changed(session: ScopedSession) -> int:
        found = session.connection().execute(update(patients).values(family_name="Changed"))
        return found.rowcount

    for work in (added, moved):
        with pytest.raises(ProgrammingError, match="row-level security"):
            filled.transaction(practice_scope("a"), work)
    assert filled.transaction(practice_scope("a"), changed) == 1
    with filled.read(ALL) as session:
        names = session.execute(select(Patient.practice_id, Patient.family_name)).all()
    assert sorted(names) == [("a", "Changed"), ("b", "b")]


def test_work_that_shares_a_commit_is_held_to_its_own_scope(filled):
    """Many more than run at once, so that savepoints of several scopes share a transaction."""

    def count(session: ScopedSession) -> list[str]:
        statement = select(Patient.__table__.c.practice_id)
        return sorted(session.connection().execute(statement).scalars())

    scopes = [practice_scope("a"), ALL, practice_scope("b")] * 20
    futures = [filled.submit(scope, count) for scope in scopes]
    assert [future.result(30) for future in futures] == [["a"], ["a", "b"], ["b"]] * 20


def test_a_connection_goes_back_to_its_pool_without_a_scope(filled):
    pool = filled.write_engine.pool
    for scope in (ALL, practice_scope("a")):
        assert "a" in seen(filled, scope, Patient)
        filled.transaction(scope, lambda session: session.execute(select(Patient)).all())
        with ExitStack() as stack:
            kept = [
                stack.enter_context(filled.write_engine.connect()) for _ in range(pool.checkedin())
            ]
            assert kept
            for connection in kept:
                assert connection.scalar(text("SELECT count(*) FROM patients")) == 0


def test_compiled_reads_leave_nothing_behind_for_the_next_on_their_connection(filled):
    settings = CompiledPart("SELECT concat(current_setting('app.clinical', true)), 0", (), ())

    async def alternate() -> list[str]:
        found = []
        for name in [*PRACTICES] * 3:
            found.append((await names(filled, practice_scope(name)))[0])
            found.append((await read(filled, practice_scope(name), settings))[0])
        return found

    texts = asyncio.run(alternate())
    assert texts == ['{"nodes":[{"familyName":"a"}]}', "", '{"nodes":[{"familyName":"b"}]}', ""] * 3


def test_a_compiled_read_that_forgets_its_scope_finds_no_foreign_row(
    filled, postgresql_with_tables, monkeypatch
):
    monkeypatch.setattr(Compiler, "own_clause", lambda *_: None)
    scopes = (
        practice_scope("a"),
        app_scope(PrincipalKind.MSO_APP, clinical="a", payroll="b"),
    )
    for scope in scopes:
        assert asyncio.run(names(filled, scope)) == ['{"nodes":[{"familyName":"a"}]}']
    nobody = app_scope(PrincipalKind.MSO_APP, payroll="b")
    assert asyncio.run(names(filled, nobody)) == ['{"nodes":[]}']
    past_policies = Database(postgresql_with_tables)  # as the owner, a superuser
    with pytest.raises(OutOfScope):
        asyncio.run(names(past_policies, practice_scope("a")))
    past_policies.close()


async def names(database: Database, scope: Scope) -> list[str]:
    part = compile_roots([RootPage("p", PAGE)], split(scope)[0], database.text_reads.writer)
    return await read(database, scope, part)


async def read(database: Database, scope: Scope, part: CompiledPart) -> list[str]:
    sets = split(scope)[1]
    return list((await database.text_reads.run(scope, sets, part, (9,), policy=None)).texts)


def test_in_an_emergency_labelled_rows_of_one_patient_are_shown_and_of_nobody_else(filled):
    def label(session: ScopedSession) -> None:
        for number in (2, 3):
            session.add(
                Patient(practice_id="a", id=f"a{number}", family_name="x", sensitivity="SUD")
            )
            session.add(
                Observation(
                    practice_id="a", patient_id=f"a{number}", code=f"c{number}", status="final",
                    observed_at=NOON, report_key="r", sensitivity="SUD", external_id=f"{number}",
                )
            )  # fmt: skip

    filled.transaction(ALL, label)
    plain = app_scope(PrincipalKind.PRACTICE_APP, clinical="a")
    emergency = in_emergency(plain, Emergency("a", "a2", "unconscious"))
    assert seen(filled, plain, Patient) == ["a"]
    assert seen(filled, emergency, Patient) == ["a", "a"]
    assert len(seen(filled, emergency, Observation)) == len(seen(filled, plain, Observation)) + 1
    with filled.read(emergency) as session:  # and the layer of the hub's own
        assert sorted(session.scalars(select(Patient.id))) == ["a", "a2"]
        assert "c3" not in session.scalars(select(Observation.code)).all()


def test_a_consent_shows_labelled_rows_of_its_patient_and_is_written_by_nobody_it_shows(filled):
    def label(session: ScopedSession) -> None:
        for number in (2, 3, 4):
            session.add(
                Patient(practice_id="a", id=f"a{number}", family_name="x", sensitivity="SUD")
            )
        session.flush()
        session.add(consent("a2"))
        session.add(consent("a3", purpose="PURCHASING"))
        session.add(consent("a4", revoked_at=NOON))

    filled.transaction(ALL, label)
    plain = app_scope(PrincipalKind.MSO_APP, clinical="ab", billing="ab")
    asking = replace(plain, consents_at=NOON)
    assert seen(filled, plain, Patient) == ["a", "b"]
    assert seen(filled, asking, Patient) == ["a", "a", "b"]
    elsewhere = replace(asking, purpose=Purpose.PURCHASING)
    assert seen(filled, elsewhere, Patient) == ["a", "a", "a", "b"]
    assert seen(filled, replace(asking, consents_at=NOON - timedelta(1)), Patient) == ["a", "b"]
    billing = replace(asking, rows=MappingProxyType({Domain.BILLING: frozenset("ab")}))
    assert seen(filled, billing, Patient) == []
    assert seen(filled, asking, Consent) == ["a"]
    assert seen(filled, practice_scope("a"), Consent) == ["a", "a", "a"]
    with filled.write_engine.connect() as connection:
        begin_for(connection, asking)
        longer = update(Consent.__table__).values(purpose=None)
        assert connection.execute(longer).rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(insert(Consent.__table__), [_values(consent("a4"))])


def consent(patient: str, **more: Any) -> Consent:
    facts = {"starts_at": NOON, "recorded_at": NOON, "granted_on": NOON.date(), **more}
    return Consent(
        practice_id="a", patient_id=patient, sensitivity="SUD", reference="r", recorded_by="r",
        **facts,
    )  # fmt: skip


def _values(row: Base) -> dict[str, Any]:
    return {c.key: getattr(row, c.key) for c in type(row).__table__.columns if c.key in vars(row)}


def test_rows_with_a_sensitivity_label_are_shown_to_who_is_granted_them_in_their_domain(filled):
    def label(session: ScopedSession) -> None:
        for name in PRACTICES:
            session.add(
                Patient(practice_id=name, id=f"{name}2", family_name="x", sensitivity="SUD")
            )

    filled.transaction(ALL, label)
    plain = app_scope(PrincipalKind.MSO_APP, clinical="ab", schedule="ab")
    elsewhere = replace(plain, sensitive={Domain.SCHEDULE: frozenset("ab")})
    granted = replace(plain, sensitive={Domain.CLINICAL: frozenset("b")})
    assert seen(filled, plain, Patient) == seen(filled, elsewhere, Patient) == ["a", "b"]
    assert seen(filled, granted, Patient) == ["a", "b", "b"]
    assert seen(filled, practice_scope("a"), Patient) == ["a", "a"]
    with filled.read(granted) as session:  # and the layer of the hub's own
        assert sorted(session.scalars(select(Patient.id))) == ["a", "b", "b2"]
    statement = update(Patient.__table__).values(family_name="y")
    with filled.write_engine.connect() as connection:
        begin_for(connection, plain)
        assert connection.execute(statement).rowcount == 2
