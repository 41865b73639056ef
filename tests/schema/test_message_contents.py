"""A message beside what is read in it: for whom, why, and what the audit trail keeps of it."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import DataClass, Domain
from hub.services.intake import Arrival, Intake
from hub.storage import tables
from hub.storage.reads.write import global_id

RAW = (Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2" / "adt_a04.hl7").read_bytes()
CONTENT = """query($id: ID!, $reason: String!) { messageContent(messageId: $id, reason: $reason) {
  base64 text segments records answer issues { code path text } } }"""
ISSUES = """query($id: ID!) { node(id: $id) { ... on InboundMessage {
  issues { nodes { code path } } } } }"""
WHY = "compare with the sender"


@pytest.fixture
def practice(world: Any) -> str:
    return str(world.practice("Mine"))


@pytest.fixture
def stored(world: Any, practice: str) -> str:
    """The global id of a stored admission of a practice."""
    return store(world, practice, "hl7v2", "C1")


def store(world: Any, practice: str | None, kind: Any, control_id: str) -> str:
    intake = Intake(world.database, world.crypto, lambda: world.now)
    arrival = Arrival(
        kind,
        None,
        practice,
        "s",
        control_id,
        "ADT^A04",
        RAW,
        answer=b"MSA|AA|" + control_id.encode(),
    )
    return global_id("InboundMessage", intake.receive(arrival).result(timeout=30).inbox_id)


def events(world: Any) -> list[tables.AuditEvent]:
    rows: list[tables.AuditEvent] = world.read(
        lambda s: s.scalars(
            select(tables.AuditEvent).where(tables.AuditEvent.operation == "messageContent")
        ).all()
    )
    return rows


def test_a_message_is_shown_as_it_came_beside_segments_records_and_issues(
    world: Any, practice: str, stored: str
) -> None:
    app = world.app(practice)
    found = app.data(CONTENT, id=stored, reason=WHY)["messageContent"]
    assert base64.b64decode(found["base64"]) == RAW
    assert found["text"].encode() == RAW
    assert found["answer"] == "MSA|AA|C1"
    assert found["segments"] == ["MSH", "EVN", "PID", "PV1", "IN1", "IN2", "IN1"]
    kinds = [record["record"] for record in found["records"]]
    assert kinds == ["Patient", "PatientDetails", "CoverageList", "Encounter"]
    assert found["records"][0]["data"]["birth_date"] == "1979-04-12"
    assert ("fields_not_read", "IN2-1") in [(i["code"], i["path"]) for i in found["issues"]]


def test_who_read_it_and_why_is_in_the_audit_trail(world: Any, practice: str, stored: str) -> None:
    world.app(practice, "ours").data(CONTENT, id=stored, reason=f"  {WHY} ")
    (event,) = events(world)
    assert (event.principal_name, event.action, event.reason) == ("ours", "read", WHY)
    assert (event.entities, event.practice_ids) == ({"InboundMessage": 1}, [practice])


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_without_a_reason_nothing_is_shown(
    world: Any, practice: str, stored: str, reason: str
) -> None:
    assert world.app(practice).code(CONTENT, id=stored, reason=reason) == "BAD_INPUT"
    assert events(world) == []


def test_only_whole_clinical_rows_open_a_message(world: Any, practice: str, stored: str) -> None:
    mso, other = world.mso(), world.app(world.practice("Other"))
    assert mso.code(CONTENT, id=stored, reason=WHY) == "NOT_FOUND"
    assert other.code(CONTENT, id=stored, reason=WHY) == "NOT_FOUND"
    world.agreement(practice, Domain.CLINICAL, "LIMITED")
    assert mso.code(CONTENT, id=stored, reason=WHY) == "NOT_FOUND"
    world.agreement(practice, Domain.CLINICAL, "ROW", starts_on=date(2026, 1, 2))
    assert mso.data(CONTENT, id=stored, reason=WHY)
    blind = world.app(practice, "blind", classes=frozenset({DataClass.OPERATIONAL}))
    assert blind.code(CONTENT, id=stored, reason=WHY) == "FORBIDDEN"


def test_what_belongs_to_no_practice_is_the_msos_to_look_into(world: Any, practice: str) -> None:
    nobodys = store(world, None, "hl7v2", "C2")
    assert world.mso().data(CONTENT, id=nobodys, reason=WHY)
    assert world.app(practice).code(CONTENT, id=nobodys, reason=WHY) == "NOT_FOUND"


def test_documents_of_vendors_are_not_shown(world: Any, practice: str) -> None:
    webhook = store(world, practice, "webhook", "W1")
    assert world.app(practice).code(CONTENT, id=webhook, reason=WHY) == "BAD_INPUT"


def test_the_issues_of_a_message_stand_beside_it(world: Any, practice: str, stored: str) -> None:
    world.add(
        tables.DataIssue(
            inbox_id=stored_row(world), practice_id=practice, code="bad_date", path="PID-7",
            text="This is no date.", recorded_at=world.now,
        )
    )  # fmt: skip
    app = world.app(practice)
    assert app.data(ISSUES, id=stored)["node"]["issues"]["nodes"] == [
        {"code": "bad_date", "path": "PID-7"}
    ]


def stored_row(world: Any) -> str:
    return str(world.read(lambda s: s.scalars(select(tables.InboundMessage.id)).one()))
