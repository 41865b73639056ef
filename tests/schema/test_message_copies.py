"""Edited copies of messages, and stored ones sent on, through GraphQL."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import Domain, unrestricted_scope
from hub.entrypoints import hl7_described, hl7_judging_again
from hub.services import connections
from hub.services.intake import Arrival, Intake
from hub.storage import inbox, tables
from hub.storage.reads.write import global_id, read_global_id

ALL = unrestricted_scope("test")
RAW = (Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2" / "adt_a04.hl7").read_bytes()
EDIT = """mutation($input: EditMessageInput!) { editMessage(input: $input) {
  ... on EditMessagePayload { message { id state controlId } }
  ... on UserErrors { errors { code field } } } }"""
FORWARD = """mutation($input: ForwardMessagesInput!) { forwardMessages(input: $input) {
  ... on ForwardMessagesPayload { outboundMessageIds }
  ... on UserErrors { errors { code field } } } }"""


@pytest.fixture
def practice(world: Any) -> str:
    found = str(world.practice("Mine"))
    world.agreement(found, Domain.CLINICAL)
    return found


@pytest.fixture
def ehr(world: Any, practice: str) -> str:
    header = RAW.split(b"\r")[0].decode().split("|")

    def work(session: Any) -> None:
        connections.add(
            session, world.crypto, name="EHR", connector_id="ehr_hl7v2", config={}, now=world.now,
            connection_id="ehr", practices={header[3]: practice},
            routing={"sending_application": header[2]},
        )  # fmt: skip

    world.database.transaction(ALL, work)
    return "ehr"


@pytest.fixture
def stored(world: Any, practice: str, ehr: str) -> str:
    return store(world, practice, ehr, "C1")


@pytest.fixture
def lab(world: Any) -> str:
    row = tables.Connection(
        id=tables.new_id(), name="Lab", connector_id="hl7v2_destination", config={},
        created_at=world.now,
    )  # fmt: skip
    world.add(row)
    return global_id("Connection", row.id)


def store(world: Any, practice: str, connection: str | None, control_id: str) -> str:
    intake = Intake(world.database, world.crypto, lambda: world.now)
    arrival = Arrival("hl7v2", connection, practice, "s", control_id, "ADT^A04", RAW)
    return global_id("InboundMessage", intake.receive(arrival).result(timeout=30).inbox_id)


def rows(world: Any, table: Any) -> list[Any]:
    return list(world.read(lambda s: s.scalars(select(table)).all()))


def edited(message_id: str, content: bytes, **more: Any) -> dict[str, Any]:
    encoded = base64.b64encode(content).decode()
    return {"messageId": message_id, "content": encoded, "reason": "wrong visit", **more}


def test_an_edited_copy_is_a_message_of_its_own_that_names_its_original(world, stored):
    given = edited(stored, RAW.replace(b"|F|", b"|M|"), idempotencyKey="k")
    mso = world.mso()
    first = mso.data(EDIT, input=given)["editMessage"]["message"]
    assert mso.data(EDIT, input=given)["editMessage"]["message"] == first
    assert first["state"] == "RECEIVED"
    original, copy = sorted(rows(world, tables.InboundMessage), key=lambda r: r.control_id != "C1")
    assert global_id("InboundMessage", copy.id) == first["id"]
    assert copy.headers["copy-of"] == original.id
    assert f"|{copy.control_id}|".encode() in inbox.raw(copy, world.crypto)
    reasons = [event.reason for event in rows(world, tables.AuditEvent)]
    assert "editMessage: wrong visit" in reasons


def test_a_copy_for_one_destination_goes_there_alone_and_is_not_read(world, stored, lab):
    given = edited(stored, RAW, destinationId=lab)
    made = world.mso().data(EDIT, input=given)["editMessage"]["message"]
    assert made["state"] == "IGNORED"
    assert len(rows(world, tables.OutboundMessage)) == 1


def test_a_dry_run_stores_nothing(world, stored):
    given = edited(stored, RAW, validateOnly=True)
    assert world.mso().data(EDIT, input=given)["editMessage"]["message"]["state"] == "RECEIVED"
    assert len(rows(world, tables.InboundMessage)) == 1


def test_a_copy_is_given_to_no_practice_whose_messages_may_not_be_read(world, practice, ehr, lab):
    other, header = world.practice("Other"), RAW.split(b"|")
    header[3] = b"THEIRS"
    world.add(tables.ConnectionPractice(connection_id=ehr, code="THEIRS", practice_id=other))
    stored = store(world, practice, ehr, "C1")
    mso = world.mso()
    for more in ({}, {"destinationId": lab}):
        given = edited(stored, b"|".join(header), **more)
        [error] = mso.data(EDIT, input=given)["editMessage"]["errors"]
        assert error == {"code": "BAD_INPUT", "field": "content"}
    assert len(rows(world, tables.InboundMessage)) == 1
    world.agreement(other, Domain.CLINICAL)
    made = mso.data(EDIT, input=edited(stored, b"|".join(header)))["editMessage"]["message"]
    assert made["state"] == "RECEIVED"


def test_the_trail_tells_whose_messages_were_opened(world, practice, stored, lab):
    mso = world.mso()
    mso.data(EDIT, input=edited(stored, RAW))
    mso.data(FORWARD, input={"messageIds": [stored], "destinationId": lab, "reason": "lost"})
    told = {
        event.operation: (event.action, event.reason, event.practice_ids, event.entities)
        for event in rows(world, tables.AuditEvent)
    }
    one = [practice], {"InboundMessage": 1}
    assert told["editMessage"] == ("read", "wrong visit", *one)
    assert told["forwardMessages"] == ("read", "lost", *one)


def test_what_is_no_message_or_would_not_be_accepted_is_not_stored(world, stored):
    mso = world.mso()
    elsewhere = RAW.split(b"|")
    elsewhere[3] = b"ELSEWHERE"
    for content in (b"PID|1\r", RAW + RAW, b"|".join(elsewhere)):
        [error] = mso.data(EDIT, input=edited(stored, content))["editMessage"]["errors"]
        assert error["code"] == "BAD_INPUT"
    [error] = mso.data(EDIT, input={**edited(stored, b""), "content": "%"})["editMessage"]["errors"]
    assert error == {"code": "BAD_INPUT", "field": "content"}
    assert len(rows(world, tables.InboundMessage)) == 1


def test_stored_messages_are_sent_on_byte_for_byte_in_their_order(world, practice, stored, lab):
    second = store(world, practice, None, "C2")
    given = {"messageIds": [second, stored], "destinationId": lab, "reason": "lost"}
    answer = world.mso().data(FORWARD, input=given)["forwardMessages"]
    queued = rows(world, tables.OutboundMessage)
    assert {one.control_id for one in queued} == {"C1", "C2"}
    ids = {global_id("OutboundMessage", one.id) for one in queued}
    assert set(answer["outboundMessageIds"]) == ids
    reasons = [event.reason for event in rows(world, tables.AuditEvent)]
    assert "forwardMessages: lost" in reasons


def test_who_may_not_read_a_message_neither_copies_nor_sends_it(world, practice, stored, lab):
    other = world.practice("Other")
    hidden = store(world, other, None, "C9")
    mso = world.mso()
    [error] = mso.data(EDIT, input=edited(hidden, RAW))["editMessage"]["errors"]
    assert error["code"] == "NOT_FOUND"
    absent = global_id("InboundMessage", tables.new_id())
    for ids in ([hidden], [stored, hidden], [absent], [stored, absent]):
        given = {"messageIds": ids, "destinationId": lab, "reason": "r"}
        [error] = mso.data(FORWARD, input=given)["forwardMessages"]["errors"]
        assert error == {"code": "NOT_FOUND", "field": f"messageIds[{len(ids) - 1}]"}
    given = {"messageIds": [stored], "destinationId": lab, "reason": "r"}
    for app in (world.app(practice), world.mso("reader", write=False)):
        assert app.code(FORWARD, input=given) == "FORBIDDEN"
        assert app.code(EDIT, input=edited(stored, RAW)) == "FORBIDDEN"
    assert rows(world, tables.OutboundMessage) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [({"reason": " "}, "reason"), ({"messageIds": []}, "messageIds")],
)
def test_a_forward_names_messages_and_a_reason(world, stored, lab, change, field):
    given = {"messageIds": [stored], "destinationId": lab, "reason": "r", **change}
    [error] = world.mso().data(FORWARD, input=given)["forwardMessages"]["errors"]
    assert error == {"code": "BAD_INPUT", "field": field}


def test_a_message_goes_to_destinations_only(world, stored, ehr):
    given = {
        "messageIds": [stored],
        "destinationId": global_id("Connection", ehr),
        "reason": "r",
    }
    [error] = world.mso().data(FORWARD, input=given)["forwardMessages"]["errors"]
    assert error["code"] == "BAD_INPUT"


def test_no_message_is_taken_apart_while_others_wait_to_write(
    world: Any, practice: str, stored: str, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer: a long message would hold up everybody else's."""
    writing, parsed = [False], []
    database = type(world.database)
    transaction = database.transaction

    def watched(self: Any, scope: Any, work: Any, *args: Any, **more: Any) -> Any:
        def noted(session: Any) -> Any:
            writing[0] = True
            try:
                return work(session)
            finally:
                writing[0] = False

        return transaction(self, scope, noted, *args, **more)

    def counted(parse: Any) -> Any:
        def read(*args: Any) -> Any:
            parsed.append(writing[0])
            return parse(*args)

        return read

    monkeypatch.setattr(database, "transaction", watched)
    for module, name in ((hl7_described, "describe"), (hl7_judging_again, "judge")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    mso = world.mso()
    content = 'query($id: ID!) { messageContent(messageId: $id, reason: "check") { text } }'
    assert mso.data(content, id=stored)["messageContent"]["text"]
    assert mso.data(EDIT, input=edited(stored, RAW))["editMessage"]["message"]
    given = {"messageIds": [stored], "destinationId": lab, "reason": "again"}
    assert mso.data(FORWARD, input=given)["forwardMessages"]["outboundMessageIds"]
    assert parsed == [False] * 4


def test_a_kept_outcome_is_told_again_though_its_original_may_not_be_read_any_more(
    world: Any, practice: str, stored: str
) -> None:
    mso, given = world.mso(), edited(stored, RAW, idempotencyKey="k")
    first = mso.data(EDIT, input=given)["editMessage"]["message"]["id"]

    def end(session: Any) -> None:
        session.get(tables.InboundMessage, read_global_id(stored)[1]).kind = "webhook"

    world.database.transaction(ALL, end)
    assert mso.data(EDIT, input=given)["editMessage"]["message"]["id"] == first
    other = mso.data(EDIT, input={**given, "idempotencyKey": "l"})["editMessage"]
    assert other["errors"][0]["code"] == "BAD_INPUT"
