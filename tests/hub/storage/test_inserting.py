"""New objects are written whole, many at once, with values of every kind the tables have."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Table, event, select

from hub.domain.agreements import unrestricted_scope
from hub.storage import bulk
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    Charge,
    Encounter,
    EncounterStay,
    Patient,
    Practice,
    Provider,
)

ALL = unrestricted_scope("test")


def _add(session: ScopedSession, now: datetime) -> None:
    session.add(Practice(id="a", name="a", zone="UTC", created_at=now))
    for number in range(3):
        of = {"practice_id": "a", "patient_id": f"p{number}"}
        session.add_all(
            [
                Provider(practice_id="a", external_id=f"{number}", specialties=["a", f"{number}"]),
                Patient(
                    practice_id="a",
                    id=f"p{number}",
                    family_name='Ödön "O"\\',
                    birth_date=date(1979, 4, 12),
                    protected=bool(number),
                ),
                Encounter(**of, id=f"e{number}", status="planned", starts_at=now),
                EncounterStay(
                    practice_id="a", encounter_id=f"e{number}", kind="leave", starts_at=now
                ),
                Charge(
                    **of,
                    kind="charge",
                    service_date=date(2026, 3, 2),
                    procedure_code="1",
                    quantity=Decimal("1.50"),
                    amount=Decimal("12.30"),
                    external_id=f"{number}",
                ),
            ]
        )


def test_every_value_is_read_as_it_was_given(database: Database) -> None:
    now = datetime(2026, 3, 2, 15, 15, 0, 123456, tzinfo=UTC)
    database.transaction(ALL, lambda session: _add(session, now))
    with database.read(ALL) as session:
        patients = session.scalars(select(Patient).order_by(Patient.id)).all()
        assert [row.protected for row in patients] == [False, True, True]
        assert {row.family_name for row in patients} == {'Ödön "O"\\'}
        assert {row.birth_date for row in patients} == {date(1979, 4, 12)}
        assert {(row.deceased_at, row.status, row.race) for row in patients} == {
            (None, "active", "")
        }
        providers = session.scalars(select(Provider).order_by(Provider.external_id)).all()
        assert [row.specialties for row in providers] == [["a", "0"], ["a", "1"], ["a", "2"]]
        stays = session.scalars(select(EncounterStay)).all()
        assert {(row.starts_at, row.ends_at, row.cancelled) for row in stays} == {
            (now, None, False)
        }
        assert len({row.id for row in stays}) == 3
        charges = session.scalars(select(Charge)).all()
        assert {(str(row.quantity), row.amount) for row in charges} == {("1.50", Decimal("12.30"))}


def test_a_table_is_one_statement_whatever_the_number_of_rows(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[str] = []
    recordset = bulk.recordset

    def note(table: Table, *rest: Any) -> str:
        tables.append(table.name)
        return recordset(table, *rest)

    monkeypatch.setattr(bulk, "recordset", note)
    database.transaction(ALL, lambda session: _add(session, now))
    inserted = ["providers", "patients", "encounters", "encounter_stays", "charges"]
    assert sorted(tables) == ([] if database.is_sqlite else sorted(inserted))


def test_an_object_has_its_id_and_its_defaults_without_being_read_again(
    database: Database, now: datetime
) -> None:
    def work(session: ScopedSession) -> None:
        session.add(Practice(id="a", name="a", zone="UTC", created_at=now))
        row = Patient(practice_id="a")
        assert row.id
        session.add(row)
        session.flush()
        reads: list[str] = []
        event.listen(
            session.connection(), "before_cursor_execute", lambda *said: reads.append(said[2])
        )
        assert (row.status, row.race) == ("active", "")
        assert not reads

    database.transaction(ALL, work)
