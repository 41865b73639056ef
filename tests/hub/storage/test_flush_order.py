"""A session writes whom a foreign key points to first, each table once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import event, select

from hub.domain.agreements import unrestricted_scope
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    Allergy,
    Encounter,
    EncounterStay,
    Patient,
    PatientIdentifier,
    Practice,
)

ALL = unrestricted_scope("test")


def test_children_added_before_their_parents_are_written_after_them(
    database: Database, now: datetime
) -> None:
    written: list[str] = []

    def note(*arguments: Any) -> None:
        if arguments[2].startswith("INSERT INTO"):
            written.append(arguments[2].split()[2])

    def work(session: ScopedSession) -> None:
        for number in "12":
            owner = {"practice_id": "a", "patient_id": f"p{number}"}
            session.add(
                EncounterStay(
                    practice_id="a", encounter_id=f"e{number}", kind="location", starts_at=now
                )
            )
            session.add(PatientIdentifier(**owner, authority="A", type="MR", value=number))
            session.add(Encounter(**owner, id=f"e{number}", status="planned", starts_at=now))
            session.add(Patient(practice_id="a", id=f"p{number}", family_name="Same"))
            session.add(Allergy(**owner, position=1))
        session.add(Practice(id="a", name="a", zone="UTC", created_at=now))

    event.listen(database.write_engine, "before_cursor_execute", note)
    database.transaction(ALL, work)
    assert sorted(written) == sorted(set(written))
    assert written.index("practices") < written.index("patients")
    assert written.index("patients") < min(
        written.index(name) for name in ("allergies", "encounters", "patient_identifiers")
    )
    assert written.index("encounters") < written.index("encounter_stays")


def test_a_row_that_comes_to_point_at_a_new_one_is_written_after_it(
    database: Database, now: datetime
) -> None:
    def first(session: ScopedSession) -> None:
        session.add(Practice(id="a", name="a", zone="UTC", created_at=now))
        session.add(Patient(practice_id="a", id="p1"))
        session.add(
            Encounter(practice_id="a", id="e1", patient_id="p1", status="planned", starts_at=now)
        )

    def then(session: ScopedSession) -> None:
        session.scalars(select(Encounter)).one().patient_id = "p2"
        session.add(Patient(practice_id="a", id="p2"))

    database.transaction(ALL, first)
    database.transaction(ALL, then)
    with database.read(ALL) as session:
        assert session.scalars(select(Encounter.patient_id)).one() == "p2"
