"""Appointments written for another system: valid, faithful, in order; refused without values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.hl7v2_destination.simulator import FakeReceiver
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.agreements import unrestricted_scope
from hub.domain.patients import Identifier, PatientReference
from hub.domain.records import Record
from hub.domain.scheduling import Appointment as Stated
from hub.errors import NotFound, Rejected
from hub.services import appointment_notices, connections, order_notices
from hub.services.apply import apply
from hub.services.records import ApplyContext
from hub.storage.tables import (
    Appointment,
    ClinicalOrder,
    Connection,
    JobRow,
    OutboundMessage,
    Patient,
    PatientIdentifier,
    Practice,
    Provider,
)

ALL = unrestricted_scope("test")
BEGINS = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)


@pytest.fixture
def office(bare_office: Any) -> Iterator[Any]:
    yield bare_office
    bare_office.broker.context.links.close()
    bare_office.broker.context.author.close()


@pytest.fixture
def receiver(office: Any) -> Iterator[FakeReceiver]:
    """A destination, and a practice with one appointment."""
    with FakeReceiver() as receiver:

        def seed(session: Any) -> None:
            session.add(Practice(id="p", name="North", zone="UTC", created_at=office.clock()))
            session.flush()
            connections.add(
                session, office.hub.crypto, connection_id="lab", name="Lab",
                connector_id="hl7v2_destination", now=office.clock(),
                config={
                    "host": "127.0.0.1", "port": receiver.port, "tls": False,
                    "receiving_application": "LAB", "receiving_facility": "MAIN & EAST",
                },
            )  # fmt: skip
            session.add(
                Patient(
                    practice_id="p", id="pat", family_name="O'Quill & Sons", given_name="Cora",
                    birth_date=date(1970, 1, 2), sex="female",
                )
            )  # fmt: skip
            session.add(Provider(practice_id="p", id="doc", npi="1234567893", family_name="Reyes"))
            session.flush()
            for type, value in (("MR", "00477"), ("SS", "999999999")):
                session.add(
                    PatientIdentifier(
                        practice_id="p", patient_id="pat", authority="EHR", type=type, value=value
                    )
                )
            session.add(
                Appointment(
                    practice_id="p", id="apt", patient_id="pat", provider_id="doc",
                    status="booked", starts_at=BEGINS, minutes=30, location="Room 1",
                    service_code="99213", reason="Follow-up",
                )
            )  # fmt: skip

        office.hub.database.transaction(ALL, seed)
        yield receiver


def ask(office: Any, *, is_new: bool = False, **changed: Any) -> None:
    def work(session: Any) -> None:
        row = session.get_one(Appointment, ("p", "apt"))
        for name, value in changed.items():
            setattr(row, name, value)
        session.flush()
        appointment_notices.request(
            session, "apt", destination="Lab", is_new=is_new, now=office.clock()
        )

    office.hub.database.transaction(ALL, work)


def test_an_appointment_is_told_as_new_changed_and_cancelled_in_that_order(
    office: Any, receiver: FakeReceiver
) -> None:
    ask(office, is_new=True)
    office.drain()
    ask(office, minutes=45)
    office.drain()
    ask(office, status="cancelled")
    office.drain()
    messages = [lex(content) for content in receiver.received]
    assert [message.value("MSH-9.2") for message in messages] == ["S12", "S14", "S15"]
    assert [message.value("SCH-9") for message in messages] == ["30", "45", "45"]
    assert [message.value("SCH-25") for message in messages] == ["Booked", "Booked", "Cancelled"]
    assert {row.state for row in office.all(OutboundMessage)} == {"accepted"}
    first = messages[0]
    expected = {
        "MSH-5": "LAB", "MSH-6": "MAIN & EAST", "SCH-2": "apt", "PID-3": "00477",
        "PID-5.1": "O'Quill & Sons", "PID-7": "19700102", "PID-8": "F", "AIS-3": "99213",
        "AIL-3": "Room 1", "AIP-3": "1234567893", "AIS-4": "20260309143000+0000",
    }  # fmt: skip
    assert {path: first.value(path) for path in expected} == expected
    assert b"999999999" not in b"".join(receiver.received)
    assert len({message.value("MSH-10") for message in messages}) == 3


def test_an_appointment_that_cannot_be_told_ends_the_job_without_a_value(
    office: Any, receiver: FakeReceiver
) -> None:
    def forget(session: Any) -> None:
        session.query(PatientIdentifier).delete()

    office.hub.database.transaction(ALL, forget)
    ask(office)
    job = office.step()
    assert (job.state, job.error_code) == ("dead", "BAD_INPUT")
    assert "Quill" not in job.error_text
    assert office.all(OutboundMessage) == []


def test_only_a_known_appointment_goes_to_a_destination(office: Any, receiver: Any) -> None:
    for appointment_id, destination, error in (
        ("other", "Lab", NotFound),
        ("apt", "Nobody", NotFound),
    ):
        with pytest.raises((NotFound, Rejected)) as caught:
            office.hub.database.transaction(
                ALL,
                lambda session, a=appointment_id, d=destination: appointment_notices.request(
                    session, a, destination=d, is_new=True, now=office.clock()
                ),
            )
        assert isinstance(caught.value, error)


def order(office: Any, **said: Any) -> None:
    """Store an order of the patient, or change it, and tell the destination of it."""

    def work(session: Any) -> None:
        row = session.get(ClinicalOrder, ("p", "ord"))
        is_new = row is None
        if row is None:
            row = ClinicalOrder(
                practice_id="p", id="ord", patient_id="pat", provider_id="doc", status="active",
                code="24356-8", code_system="LN", name="Urinalysis", placer_number="P-7",
                ordered_at=BEGINS, priority="S", reason="O'Quill & Sons",
            )  # fmt: skip
            session.add(row)
        for name, value in said.items():
            setattr(row, name, value)
        session.flush()
        order_notices.request(session, "ord", destination="Lab", is_new=is_new, now=office.clock())

    office.hub.database.transaction(ALL, work)


@pytest.mark.parametrize("form", ["OML^O21", "ORM^O01"])
def test_an_order_is_told_as_new_changed_and_stopped(
    office: Any, receiver: FakeReceiver, form: str
) -> None:
    def agree(session: Any) -> None:
        row = session.get_one(Connection, "lab")
        row.config = {**row.config, "order_message": form}

    office.hub.database.transaction(ALL, agree)
    for said in ({}, {"priority": "R"}, {"status": "cancelled"}):
        order(office, **said)
        office.drain()
    messages = [lex(content) for content in receiver.received]
    assert [message.value("ORC-1") for message in messages] == ["NW", "XO", "CA"]
    assert [message.value("ORC-5") for message in messages] == [None, "IP", "CA"]
    first = messages[0]
    expected = {
        "MSH-9.1": form[:3], "MSH-9.2": form[4:], "ORC-2": "P-7", "OBR-2": "P-7",
        "OBR-4.1": "24356-8", "OBR-4.2": "Urinalysis", "OBR-4.3": "LN", "ORC-7.6": "S",
        "ORC-12.1": "1234567893", "PID-3": "00477", "OBR-31.2": "O'Quill & Sons",
    }  # fmt: skip
    assert {path: first.value(path) for path in expected} == expected
    assert b"999999999" not in b"".join(receiver.received)


def test_an_order_without_a_code_is_told_to_nobody(office: Any, receiver: FakeReceiver) -> None:
    order(office, code="")
    job = office.step()
    assert (job.state, job.error_code) == ("dead", "BAD_INPUT")
    assert receiver.received == []


def heard(office: Any, *, key: str = "S1", connection: str = "ehr", **said: Any) -> None:
    """Apply what a message of an EHR says of an appointment."""
    stated = appointment(status="booked", starts_at=BEGINS, minutes=30, **said)
    context = ApplyContext("p", connection, None, None, office.clock(), UTC)
    record = Record(key, stated, office.clock())
    office.hub.database.transaction(ALL, lambda session: apply(session, context, record))
    office.clock.forward(minutes=1)


def appointment(**said: Any) -> Stated:
    return Stated(PatientReference((Identifier("EHR", "MR", "00477"),)), **said)


def rule(office: Any, *events: str) -> None:
    """The destination hears of these events of the EHR's appointments."""

    def work(session: Any) -> None:
        for name in ("ehr", "other"):
            connections.add(
                session, office.hub.crypto, connection_id=name, name=name, now=office.clock(),
                connector_id="ehr_hl7v2", config={}, routing={"sending_application": name},
            )  # fmt: skip
        row = session.get_one(Connection, "lab")
        row.routing = {"appointments": [{"from": "ehr", "events": list(events)}]}

    office.hub.database.transaction(ALL, work)


def test_a_rule_tells_a_destination_of_each_change_once(
    office: Any, receiver: FakeReceiver
) -> None:
    rule(office)
    heard(office)
    office.drain()
    heard(office, location="Room 2")
    office.drain()
    heard(office, location="Room 2")
    office.drain()
    messages = [lex(content) for content in receiver.received]
    assert [message.value("MSH-9.2") for message in messages] == ["S12", "S14"]
    assert messages[1].value("AIL-3") == "Room 2"


def test_a_rule_tells_of_the_events_and_the_connection_it_names(
    office: Any, receiver: FakeReceiver
) -> None:
    rule(office, "changed")
    heard(office)
    heard(office, key="S2", connection="other")
    heard(office, key="S2", connection="other", location="Room 3")
    office.drain()
    assert receiver.received == []
    heard(office, location="Room 2")
    office.drain()
    assert [lex(content).value("MSH-9.2") for content in receiver.received] == ["S14"]


def test_what_comes_back_under_our_own_number_is_told_to_nobody(
    office: Any, receiver: FakeReceiver
) -> None:
    rule(office)
    heard(office)
    office.drain()
    told = lex(receiver.received[0]).value("SCH-2")
    heard(office, key=str(told))
    assert [row for row in office.all(JobRow) if row.state == "ready"] == []
    assert len(receiver.received) == 1


def test_the_process_that_writes_messages_is_kept_and_replaced_when_it_dies(
    office: Any, receiver: FakeReceiver
) -> None:
    author = office.broker.context.author
    processes = []
    for minutes in (30, 45, 60):
        ask(office, minutes=minutes)
        office.drain()
        processes.append(author._child[0].pid)
        if minutes == 45:
            author._child[0].kill()
            author._child[0].join()
    assert processes[0] == processes[1] != processes[2]
    assert len(receiver.received) == 3
