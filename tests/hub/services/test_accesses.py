"""Who saw a patient: found by index and not yet indexed, by names of today and of earlier."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text, update

from hub.domain.agreements import unrestricted_scope
from hub.errors import NotFound
from hub.services import accesses
from hub.services.accesses import Wanted
from hub.storage import audit, audit_subjects
from hub.storage.crypto import KEPT_SUBJECTS, Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import AuditEvent, Client, Patient, Practice

SCOPE = unrestricted_scope("test")


@pytest.fixture
def patients(database: Database, now: datetime) -> list[str]:
    """The ids of three patients of one practice."""

    def add(session: ScopedSession) -> None:
        session.add(Practice(id="north", name="North", zone="America/Chicago", created_at=now))
        session.flush()
        for number in range(3):
            session.add(Patient(id=f"p{number}", practice_id="north", external_id=f"X{number}"))

    database.transaction(SCOPE, add)
    return ["p0", "p1", "p2"]


def saw(
    database: Database,
    crypto: Crypto,
    at: datetime,
    *patients: str,
    by: str = "app",
    long: bool = False,
) -> None:
    names = [crypto.subject_names("north", patient) for patient in patients]
    database.transaction(
        SCOPE,
        lambda session: audit.append(
            session,
            now=at,
            principal_id=by,
            principal_name=f"the {by}",
            purpose="TREATMENT",
            action="read",
            outcome="success",
            practice_ids=["north"],
            subjects=[name.long if long else name.short for name in names],
        ),
    )


def found(database: Database, crypto: Crypto, wanted: Wanted, limit: int = 100) -> list[int]:
    with database.read(SCOPE) as session:
        return [event.sequence for event in accesses.find(session, crypto, wanted, limit=limit)]


def index_all(database: Database) -> None:
    while database.transaction(SCOPE, audit_subjects.take_up):
        pass


def test_names_are_those_that_readers_write(crypto: Crypto) -> None:
    assert crypto.subjects([("north", "p1")]) == [crypto.subject_names("north", "p1").short]


def test_names_are_the_same_however_many_patients_are_asked_for_in_between(crypto: Crypto) -> None:
    patients = [(f"practice {n % 300}", f"p{n}") for n in range(KEPT_SUBJECTS + 100)]
    expected = [crypto.subject_names(*patient).short for patient in patients]

    assert crypto.subjects(patients) == expected
    assert crypto.subjects(reversed(patients)) == expected[::-1]


@pytest.mark.parametrize("indexed", [0, 2, 4], ids=["nothing", "some", "all"])
def test_every_event_about_a_patient_is_found_indexed_or_not(
    database: Database, crypto: Crypto, now: datetime, patients: list[str], indexed: int
) -> None:
    for number in range(4):
        seen = patients[:2] if number % 2 else patients[1:]
        saw(database, crypto, now + timedelta(seconds=number), *seen, long=number == 0)
        if number + 1 == indexed:
            index_all(database)

    assert found(database, crypto, Wanted("p0")) == [4, 2]
    assert found(database, crypto, Wanted("p1")) == [4, 3, 2, 1]
    assert found(database, crypto, Wanted("p2")) == [3, 1]
    assert found(database, crypto, Wanted("p1"), limit=1) == [4]
    later = now + timedelta(seconds=1)
    assert found(database, crypto, Wanted("p1", since=later, until=later)) == []
    assert found(database, crypto, Wanted("p2", since=later)) == [3]


def test_events_about_a_record_that_was_merged_are_the_survivors_too(
    database: Database, crypto: Crypto, now: datetime, patients: list[str]
) -> None:
    saw(database, crypto, now, "p0")
    merge = update(Patient).where(Patient.id == "p0").values(merged_into_id="p1")
    database.transaction(SCOPE, lambda session: session.execute(merge))

    assert found(database, crypto, Wanted("p1")) == [1]
    assert found(database, crypto, Wanted("p0")) == [1]


def test_what_somebody_saw_is_found_by_id_and_by_name(
    database: Database, crypto: Crypto, now: datetime, patients: list[str]
) -> None:
    client = Client(
        id="c1",
        name="billing",
        kind="mso",
        key_prefix="k",
        key_digest="d",
        classes=[],
        domains=[],
        purposes=[],
        default_purpose="PAYMENT",
        created_at=now,
    )
    database.transaction(SCOPE, lambda session: session.add(client))
    saw(database, crypto, now, "p0", by="c1")
    saw(database, crypto, now, "p0", "p2", by="c2")

    assert found(database, crypto, Wanted(by="billing")) == [1]
    assert found(database, crypto, Wanted(by="c2")) == [2]
    with database.read(SCOPE) as session:
        events = accesses.find(session, crypto, Wanted(by="c2"), limit=10)
        assert accesses.patients_of(session, crypto, events) == {2: ["p0", "p2"]}


def test_a_patient_nobody_knows_is_no_patient_nobody_saw(
    database: Database, crypto: Crypto
) -> None:
    with pytest.raises(NotFound):
        found(database, crypto, Wanted("nobody"))


def test_the_index_is_used(
    database: Database, crypto: Crypto, now: datetime, patients: list[str]
) -> None:
    saw(database, crypto, now, "p0")
    index_all(database)
    with database.read(SCOPE) as session:
        about = audit_subjects.about(session, [crypto.subject_names("north", "p0")])
        dialect = session.get_bind().dialect
        if dialect.name == "sqlite":
            assert session.scalar(text("SELECT count(*) FROM audit_subjects")) == 1
            return
        session.execute(text("SET LOCAL enable_seqscan = off"))
        run: list[tuple[str, Any]] = []
        event.listen(
            session.connection(), "before_cursor_execute", lambda *sent: run.append(sent[2:4])
        )
        assert len(session.scalars(select(AuditEvent).where(about)).all()) == 1
        ((statement, given),) = run
        plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", given).scalars().all()
        assert any("ix_audit_events_subjects" in line for line in plan)
