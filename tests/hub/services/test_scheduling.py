"""Appointments and providers: upserts that keep what a message leaves out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.patients import Identifier, PatientReference, PersonName
from hub.domain.scheduling import Appointment, AppointmentResource, Practitioner
from hub.storage import tables

NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
IRIS = PatientReference((Identifier("HOSP", "MR", "7"),), name=PersonName("Harbour", "Iris"))
OTTO = PatientReference((Identifier("HOSP", "MR", "8"),))
DOCTOR = Practitioner("D1", PersonName("Field", "Sam"), "1234567893")
BOOKED = Appointment(IRIS, "booked", NOON, 30, DOCTOR, "Room 1", "FU", "Follow up")


def test_a_booking_creates_appointment_patient_and_provider_once(desk: Any) -> None:
    assert desk.put(BOOKED, minute=1) == "created"
    assert desk.put(BOOKED, minute=1) == "unchanged"
    row = desk.one(tables.Appointment)
    assert (row.status, row.starts_at, row.minutes, row.location) == ("booked", NOON, 30, "Room 1")
    assert row.provider_id == desk.one(tables.Provider).id
    assert row.patient_id == desk.one(tables.Patient).id
    assert desk.one(tables.Patient).family_name == "Harbour"


def test_a_cancellation_keeps_time_place_and_provider(desk: Any) -> None:
    desk.put(BOOKED, minute=1)
    assert desk.put(Appointment(IRIS, "cancelled"), minute=2) == "changed"
    row = desk.one(tables.Appointment)
    assert (row.status, row.starts_at, row.minutes, row.location) == (
        "cancelled",
        NOON,
        30,
        "Room 1",
    )
    assert row.provider_id is not None


def test_a_booking_that_arrives_after_its_cancellation_is_stale(desk: Any) -> None:
    desk.put(BOOKED, minute=1)
    desk.put(Appointment(IRIS, "cancelled"), minute=5)
    moved = Appointment(IRIS, "booked", NOON, 45)
    assert desk.put(moved, minute=3) == "stale"
    assert desk.one(tables.Appointment).status == "cancelled"
    assert desk.one(tables.Appointment).minutes == 30


@pytest.mark.parametrize("status", ["cancelled", "no_show", "discontinued", "deleted"])
def test_an_unknown_appointment_without_time_is_an_issue(desk: Any, status: Any) -> None:
    assert desk.put(Appointment(IRIS, status)) == "rejected"
    assert desk.codes == ["unknown_appointment"]
    assert desk.rows(tables.Appointment) == []


def test_an_unknown_cancellation_with_a_time_is_kept(desk: Any) -> None:
    assert desk.put(Appointment(IRIS, "cancelled", NOON)) == "created"


def test_a_deletion_leaves_a_tombstone(desk: Any) -> None:
    desk.put(BOOKED, minute=1)
    assert desk.put(BOOKED, minute=2, op="delete") == "changed"
    assert desk.put(BOOKED, minute=2, op="delete") == "unchanged"
    assert desk.one(tables.Appointment).status == "deleted"


@pytest.mark.parametrize("unrestricted", [False, True])
def test_one_key_of_two_connections_or_practices_is_two_appointments(
    desk: Any, unrestricted: bool
) -> None:
    assert desk.put(BOOKED, unrestricted=unrestricted) == "created"
    assert desk.put(BOOKED, connection="lab", unrestricted=unrestricted) == "created"
    assert desk.put(BOOKED, practice="south", unrestricted=unrestricted) == "created"
    assert len(desk.rows(tables.Appointment)) == 3
    assert len(desk.rows(tables.Patient)) == 2
    assert len(desk.rows(tables.Provider)) == 2


def test_an_appointment_given_to_another_patient_follows_and_is_an_issue(desk: Any) -> None:
    desk.put(BOOKED, minute=1)
    assert desk.put(Appointment(OTTO, "booked", NOON), minute=2) == "changed"
    assert desk.codes == ["other_patient"]
    row = desk.one(tables.Appointment)
    assert row.patient_id == desk.one(tables.PatientIdentifier, value="8").patient_id


@pytest.mark.parametrize(
    ("practitioner", "name", "npi"),
    [
        (Practitioner("D1"), "Field", "1234567893"),
        (Practitioner("D1", PersonName("Meadow", "Sam")), "Meadow", "1234567893"),
        (Practitioner("D1", None, "1245319599"), "Field", "1245319599"),
        (Practitioner("D9", PersonName("Meadow", "Sam"), "1234567893"), "Meadow", "1234567893"),
        (Practitioner("", None, "1234567893"), "Field", "1234567893"),
    ],
)
def test_a_provider_is_found_by_key_or_npi(
    desk: Any, practitioner: Practitioner, name: str, npi: str
) -> None:
    desk.put(BOOKED, "A1")
    desk.put(Appointment(IRIS, "booked", NOON, practitioner=practitioner), "A2")
    row = desk.one(tables.Provider)
    assert (row.external_id, row.family_name, row.npi) == ("D1", name, npi)


def test_two_providers_with_an_npi_and_no_key_stay_two(desk: Any) -> None:
    assert desk.put(Practitioner("", PersonName("Field"), "1234567893")) == "created"
    assert desk.put(Practitioner("", PersonName("Field"), "1234567893")) == "unchanged"
    assert desk.put(Practitioner("", PersonName("Meadow"), "1245319599")) == "created"
    assert desk.put(Practitioner("", PersonName("Nobody"))) == "rejected"
    assert len(desk.rows(tables.Provider)) == 2


def test_a_message_that_names_no_provider_keeps_or_leaves_none(desk: Any) -> None:
    desk.put(Appointment(IRIS, "booked", NOON, practitioner=Practitioner("")))
    assert desk.one(tables.Appointment).provider_id is None
    assert desk.rows(tables.Provider) == []


def room(code: str, change: Any = None) -> AppointmentResource:
    return AppointmentResource("place", code, change=change)


def allotted(desk: Any) -> list[str]:
    rows = sorted(desk.rows(tables.AppointmentResource), key=lambda row: row.position)
    return [row.code for row in rows]


@pytest.mark.parametrize("change", [None, "add"])
def test_resources_without_edits_are_the_whole_list(desk: Any, change: Any) -> None:
    desk.put(replace(BOOKED, resources=(room("R1", change), room("R2", change))), minute=1)
    assert allotted(desk) == ["R1", "R2"]
    desk.put(replace(BOOKED, minutes=45), minute=2)
    assert allotted(desk) == ["R1", "R2"]
    desk.put(replace(BOOKED, resources=(room("R2", change), room("R3", change))), minute=3)
    assert allotted(desk) == ["R2", "R3"]


def test_edited_resources_change_the_list_there_is(desk: Any) -> None:
    desk.put(replace(BOOKED, resources=(room("R1"), room("R2"), room("R3"))), minute=1)
    edits = (
        room("R2", "delete"),
        replace(room("R3", "update"), minutes=20),
        room("R4", "add"),
        room("R9", "none"),
    )
    desk.put(replace(BOOKED, resources=edits), minute=2)
    assert allotted(desk) == ["R1", "R3", "R4"]
    assert desk.one(tables.AppointmentResource, code="R3").minutes == 20


def test_a_person_among_the_resources_is_a_provider(desk: Any) -> None:
    person = AppointmentResource("person", "D1", "Field, Sam", practitioner=DOCTOR)
    desk.put(replace(BOOKED, resources=(person,)))
    assert desk.one(tables.AppointmentResource).provider_id == desk.one(tables.Provider).id


def test_what_the_appointment_no_longer_takes_up_is_not_where_or_with_whom_it_is(desk: Any) -> None:
    person = AppointmentResource("person", "D1", "Field, Sam", practitioner=DOCTOR)
    stated = (person, room("Room 1"), AppointmentResource("service", "FU"))
    desk.put(replace(BOOKED, resources=stated), minute=1)
    gone = tuple(replace(one, change="delete", practitioner=None) for one in stated)
    desk.put(Appointment(IRIS, "booked", resources=gone), minute=2)
    row = desk.one(tables.Appointment)
    assert (row.location, row.service_code, row.provider_id) == ("", "", None)


def test_another_room_takes_the_place_of_the_one_taken_off(desk: Any) -> None:
    desk.put(replace(BOOKED, resources=(room("Room 1"),)), minute=1)
    moved = Appointment(IRIS, "booked", location="Room 2", resources=(room("Room 2"),))
    desk.put(moved, minute=2)
    assert desk.one(tables.Appointment).location == "Room 2"
