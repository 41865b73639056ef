"""Messages to other systems: whose they are, and parked ones sent again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hub.domain.agreements import Domain, unrestricted_scope
from hub.services import outbound
from hub.storage import tables
from hub.storage.reads.write import global_id

ALL = unrestricted_scope("test")
RESEND = """mutation($input: ResendMessagesInput!) { resendMessages(input: $input) {
  ... on ResendMessagesPayload { resentCount } ... on UserErrors { errors { code } } } }"""
LIST = """{ outboundMessages(where: {state: {eq: PARKED}}) { nodes {
  controlId state attempts answerCode destination { name } forwardedFrom { id } } } }"""


def queued(world: Any, practice_id: str) -> str:
    """A message of a practice that was refused."""
    connection = tables.Connection(
        name="Lab", connector_id="hl7v2_destination", config={}, created_at=world.now
    )
    world.add(connection)

    def work(session: Any) -> str:
        (found,) = outbound.add(
            session,
            world.crypto,
            connection_id=connection.id,
            practice_id=practice_id,
            messages=[outbound.Content(b"MSH|", "ADT^A08", "OUT1")],
            now=world.now,
        )
        session.get_one(tables.OutboundMessage, found).state = "parked"
        session.scalars(select(tables.JobRow)).one().state = "dead"
        return found

    sent: str = world.database.transaction(ALL, work)
    return sent


def test_a_practice_sees_its_own_messages_and_the_mso_all(world):
    mine, other = world.practice("Mine"), world.practice("Other")
    queued(world, mine)
    expected = {
        "controlId": "OUT1",
        "state": "PARKED",
        "attempts": 0,
        "answerCode": "",
        "destination": {"name": "Lab"},
        "forwardedFrom": None,
    }
    assert world.mso().data(LIST)["outboundMessages"]["nodes"] == [expected]
    shown = world.app(mine).data(LIST)["outboundMessages"]["nodes"]
    assert [node["controlId"] for node in shown] == ["OUT1"]
    assert world.app(other).data(LIST)["outboundMessages"]["nodes"] == []


def test_the_mso_sends_parked_messages_again_once(world):
    mine = world.practice("Mine")
    given = {"messageIds": [global_id("OutboundMessage", queued(world, mine))], "reason": "fixed"}
    assert world.app(mine).code(RESEND, input=given) == "FORBIDDEN"
    mso = world.mso()
    assert mso.data(RESEND, input=given)["resendMessages"] == {"resentCount": 1}
    again = mso.data(RESEND, input=given)["resendMessages"]
    assert again["errors"] == [{"code": "CONFLICT"}]
    [job] = world.read(lambda s: s.scalars(select(tables.JobRow)).all())
    assert job.state == "ready"
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert "resendMessages: fixed" in {event.reason for event in events}


SEND = """mutation($input: SendAppointmentInput!) { sendAppointment(input: $input) {
  ... on SendAppointmentPayload { job { kind state } } ... on UserErrors { errors { code } } } }"""


def test_the_mso_tells_a_destination_of_an_appointment_it_may_read(world):
    practice, foreign = world.practice("Mine"), world.practice("Closed")
    world.agreement(practice, Domain.SCHEDULE)
    lab = tables.Connection(
        name="Lab", connector_id="hl7v2_destination", config={}, created_at=world.now
    )
    world.add(lab)
    for one in (practice, foreign):
        world.visits(one, world.patients(one, 1), each=1)
    ids = {
        row.practice_id: global_id("Appointment", row.id)
        for row in world.read(lambda s: s.scalars(select(tables.Appointment)).all())
    }
    given = {"destinationId": global_id("Connection", lab.id), "isNew": True}
    mso = world.mso()
    sent = mso.data(SEND, input={"appointmentId": ids[practice], **given})["sendAppointment"]
    assert sent["job"] == {"kind": "authoring.write_appointment", "state": "READY"}
    hidden = mso.data(SEND, input={"appointmentId": ids[foreign], **given})["sendAppointment"]
    assert hidden["errors"] == [{"code": "NOT_FOUND"}]
    assert world.app(practice).code(SEND, input={"appointmentId": ids[practice], **given}) == (
        "FORBIDDEN"
    )


SEND_ORDER = """mutation($input: SendOrderInput!) { sendOrder(input: $input) {
  ... on SendOrderPayload { job { kind state } } ... on UserErrors { errors { code } } } }"""


def test_the_mso_tells_a_destination_of_an_order_it_may_read(world):
    practice, foreign = world.practice("Mine"), world.practice("Closed")
    world.agreement(practice, Domain.CLINICAL)
    lab = tables.Connection(
        name="Lab", connector_id="hl7v2_destination", config={}, created_at=world.now
    )
    world.add(lab)
    ids = {}
    for one in (practice, foreign):
        (patient,) = world.patients(one, 1)
        row = tables.ClinicalOrder(
            practice_id=one, patient_id=patient, status="active", ordered_at=world.now
        )
        world.add(row)
        ids[one] = global_id("ClinicalOrder", row.id)
    given = {"destinationId": global_id("Connection", lab.id)}
    mso = world.mso()
    sent = mso.data(SEND_ORDER, input={"orderId": ids[practice], **given})["sendOrder"]
    assert sent["job"] == {"kind": "authoring.write_order", "state": "READY"}
    hidden = mso.data(SEND_ORDER, input={"orderId": ids[foreign], **given})["sendOrder"]
    assert hidden["errors"] == [{"code": "NOT_FOUND"}]
