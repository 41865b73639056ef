"""The practitioner master file: who works here, and when a full list is held."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from hub.domain.patients import PersonName
from hub.domain.practitioners import PractitionerEntry, PractitionerList
from hub.domain.scheduling import Practitioner
from hub.storage import tables

REYES = Practitioner("D1", PersonName("Reyes", "Ana"), "1234567893")


def entry(key: str, **said: Any) -> PractitionerEntry:
    return PractitionerEntry(
        Practitioner(key, PersonName(f"N{key}")), **{"status": "active"} | said
    )


def statuses(desk: Any) -> dict[str, str]:
    return {row.external_id: row.status for row in desk.rows(tables.Provider)}


def test_the_master_file_completes_a_provider_other_messages_named(desk: Any) -> None:
    desk.put(Practitioner("1234567893", PersonName("Reyez"), "1234567893"))
    stated = PractitionerEntry(
        REYES, "active", "Physician", ("207Q00000X",), "312", starts_on=date(2020, 1, 1)
    )
    assert desk.put(stated, "D1", minute=1) == "changed"
    assert desk.put(stated, "D1", minute=1) == "unchanged"
    row = desk.one(tables.Provider)
    assert (row.family_name, row.role, row.specialties) == ("Reyes", "Physician", ["207Q00000X"])
    assert (row.status, row.starts_on) == ("active", date(2020, 1, 1))


def test_other_messages_do_not_change_what_the_master_file_says(desk: Any) -> None:
    desk.put(PractitionerEntry(REYES, "active"), "D1", minute=1)
    assert desk.put(Practitioner("D1", PersonName("REYES", "A"))) == "unchanged"
    assert desk.one(tables.Provider).given_name == "Ana"


def test_a_deactivation_is_kept_against_a_late_addition(desk: Any) -> None:
    desk.put(entry("D1"), "D1", minute=1)
    assert desk.put(entry("D1", status="inactive"), "D1", minute=5) == "changed"
    assert desk.put(entry("D1", role="Nurse"), "D1", minute=3) == "stale"
    assert statuses(desk) == {"D1": "inactive"}
    assert desk.put(entry("D1"), "D1", minute=6) == "changed"
    assert statuses(desk) == {"D1": "active"}


def test_a_full_list_makes_those_it_leaves_out_inactive(desk: Any) -> None:
    for key in ("D1", "D2"):
        desk.put(entry(key), key, minute=1)
    desk.put(Practitioner("GUEST", PersonName("Guest")))
    desk.put(entry("D3"), "D3", minute=9)
    assert desk.put(PractitionerList((Practitioner("D1"),)), "PRA", minute=5) == "changed"
    assert statuses(desk) == {
        "D1": "active",
        "D2": "inactive",
        "D3": "active",  # listed later than this list was written
        "GUEST": "active",  # never in the file
    }
    assert desk.put(PractitionerList((Practitioner("D1"),)), "PRA", minute=5) == "unchanged"


@pytest.mark.parametrize(
    ("most", "outcome"), [(None, "rejected"), (2, "rejected"), (30, "changed")]
)
def test_a_full_list_that_leaves_out_too_many_is_held_until_an_operator_allows_it(
    desk: Any, most: int | None, outcome: str
) -> None:
    for number in range(27):
        desk.put(entry(f"D{number}"), f"D{number}", minute=1)
    whole = PractitionerList((Practitioner("D0"),), most)
    assert desk.put(whole, "PRA", minute=5) == outcome
    held = outcome == "rejected"
    assert desk.codes == (["deactivations_held"] if held else [])
    assert list(statuses(desk).values()).count("inactive") == (0 if held else 26)


def test_a_tenth_of_a_long_list_may_become_inactive_at_once(desk: Any) -> None:
    keys = [f"D{number}" for number in range(300)]

    def seed(session: Any) -> None:
        for key in keys:
            session.add(
                tables.Provider(
                    practice_id="north", connection_id="ehr", external_id=key, content_hash="x"
                )
            )

    desk.work(seed)
    rest = tuple(Practitioner(key) for key in keys[30:])
    assert desk.put(PractitionerList(rest[1:]), "PRA", minute=5) == "rejected"
    assert desk.put(PractitionerList(rest), "PRA", minute=5) == "changed"


def test_another_connections_list_leaves_ours_alone(desk: Any) -> None:
    desk.put(entry("D1"), "D1", minute=1)
    desk.put(PractitionerList(()), "PRA", minute=5, connection="lab")
    assert statuses(desk) == {"D1": "active"}
