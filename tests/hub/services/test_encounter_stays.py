"""Where a visit's patient was when, however late and however often a message arrives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub.domain.encounters import Encounter
from hub.domain.patients import Identifier, PatientReference
from hub.storage import tables

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
ADMITTED = Encounter(WHO, "in_progress", "inpatient", "W1")


def moved(location: str) -> Encounter:
    return Encounter(WHO, None, location=location)


def history(desk: Any) -> list[tuple[str, str, int, int | None]]:
    """Kind, location, first and last minute of every stay that was not taken back."""

    def minute(moment: datetime | None) -> int | None:
        start = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
        return None if moment is None else int((moment - start).total_seconds() // 60)

    rows = sorted(desk.rows(tables.EncounterStay, cancelled=False), key=lambda row: row.starts_at)
    return [(row.kind, row.location, minute(row.starts_at), minute(row.ends_at)) for row in rows]


def test_moves_make_a_history_without_gaps_that_ends_with_the_visit(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(moved("W2"), minute=5)
    desk.put(moved("W2"), minute=7)
    out = datetime(2026, 3, 2, 15, 9, tzinfo=UTC)
    desk.put(Encounter(WHO, "finished", location="W2", ends_at=out), minute=9)
    assert history(desk) == [("location", "W1", 1, 5), ("location", "W2", 5, 9)]


def test_of_moves_stated_for_one_moment_the_last_to_arrive_is_the_last(desk: Any) -> None:
    """Senders that tell times by the minute state several so."""
    places = [f"W{number}" for number in range(2, 10)]
    for number, place in enumerate(["W1", *places]):
        said = ADMITTED if place == "W1" else moved(place)
        arrived = datetime(2026, 3, 2, 15, 5, 0, number, tzinfo=UTC)
        desk.put(said, minute=5, received_at=arrived)
    out = datetime(2026, 3, 2, 15, 9, tzinfo=UTC)
    desk.put(Encounter(WHO, "finished", location="W9", ends_at=out), minute=9)
    rows = sorted(desk.rows(tables.EncounterStay), key=lambda row: row.id)
    assert [row.location for row in rows] == ["W1", *places]
    assert [row.location for row in rows if row.ends_at == out] == ["W9"]


def test_a_move_that_arrives_late_finds_its_place_and_changes_nothing_else(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(moved("W3"), minute=8)
    assert desk.put(moved("W2"), minute=5) == "stale"
    assert desk.put(moved("W2"), minute=5) == "stale"
    assert desk.one(tables.Encounter).location == "W3"
    assert history(desk) == [
        ("location", "W1", 1, 5),
        ("location", "W2", 5, 8),
        ("location", "W3", 8, None),
    ]


def test_a_move_of_a_visit_not_heard_of_says_where_the_patient_was_before(desk: Any) -> None:
    began = datetime(2026, 3, 2, 15, 1, tzinfo=UTC)
    move = Encounter(WHO, None, location="W2", prior_location="W1", starts_at=began)
    desk.put(move, minute=6)
    assert history(desk) == [("location", "W1", 1, 6), ("location", "W2", 6, None)]
    desk.put(ADMITTED, minute=1)
    assert history(desk) == [("location", "W1", 1, 6), ("location", "W2", 6, None)]


def test_where_a_move_came_from_adds_nothing_to_what_is_known(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(Encounter(WHO, None, location="W2", prior_location="W9"), minute=5)
    assert history(desk) == [("location", "W1", 1, 5), ("location", "W2", 5, None)]


def test_stays_say_how_exactly_their_times_were_stated(desk: Any) -> None:
    began = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    admitted = Encounter(
        WHO, "in_progress", location="W1", starts_at=began, starts_at_precision="day"
    )
    desk.put(admitted, minute=1)
    desk.put(Encounter(WHO, None, location="W2", stated_at_precision="minute"), minute=5)
    out = datetime(2026, 3, 2, 15, 9, tzinfo=UTC)
    end = Encounter(WHO, "finished", location="W2", ends_at=out, ends_at_precision="hour")
    desk.put(end, minute=9)
    rows = sorted(desk.rows(tables.EncounterStay), key=lambda row: row.starts_at)
    assert [(row.starts_at_precision, row.ends_at_precision) for row in rows] == [
        ("day", "minute"),
        ("minute", "hour"),
    ]


def test_a_place_heard_of_later_only_begins_earlier(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(moved("W2"), minute=8)
    desk.put(moved("W2"), minute=6)
    assert history(desk) == [("location", "W1", 1, 6), ("location", "W2", 6, None)]


def test_a_cancelled_transfer_is_taken_back_and_not_repeated_by_a_replay(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(moved("W2"), minute=5)
    back = Encounter(WHO, None, location="W1", movement="cancel_transfer")
    assert desk.put(back, minute=6) == "changed"
    assert desk.put(moved("W2"), minute=5) == "stale"
    assert history(desk) == [("location", "W1", 1, None)]
    assert len(desk.rows(tables.EncounterStay)) == 2


def test_cancelling_a_transfer_never_heard_of_changes_nothing(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(moved("W2"), minute=3)
    desk.put(Encounter(WHO, None, location="W2", movement="cancel_transfer"), minute=6)
    assert history(desk) == [("location", "W1", 1, 3), ("location", "W2", 3, None)]


def test_a_leave_is_a_stay_of_its_own_until_the_return(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(Encounter(WHO, "on_leave", movement="leave"), minute=3)
    assert desk.one(tables.Encounter).status == "on_leave"
    desk.put(Encounter(WHO, None, location="W1"), minute=4)
    desk.put(Encounter(WHO, "in_progress", movement="return"), minute=6)
    assert desk.one(tables.Encounter).status == "in_progress"
    assert history(desk) == [
        ("location", "W1", 1, 3),
        ("leave", "W1", 3, 6),
        ("location", "W1", 6, None),
    ]


def test_a_leave_and_a_return_can_be_taken_back(desk: Any) -> None:
    desk.put(ADMITTED, minute=1)
    desk.put(Encounter(WHO, "on_leave", movement="leave"), minute=3)
    desk.put(Encounter(WHO, "in_progress", movement="return"), minute=6)
    desk.put(Encounter(WHO, "on_leave", movement="cancel_return"), minute=7)
    assert history(desk)[-1] == ("leave", "W1", 3, None)
    desk.put(Encounter(WHO, "in_progress", movement="cancel_leave"), minute=8)
    assert history(desk) == [("location", "W1", 1, None)]


def test_a_planned_or_cancelled_visit_was_nowhere(desk: Any) -> None:
    desk.put(Encounter(WHO, "planned", location="W1"), minute=1)
    desk.put(Encounter(WHO, "cancelled", location="W1"), minute=2)
    assert history(desk) == []
