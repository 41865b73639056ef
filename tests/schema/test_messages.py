"""Messages in GraphQL: found by control id and patient, counted by code, read again by filter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import DataClass, Domain, unrestricted_scope
from hub.domain.records import Issue
from hub.services.intake import Arrival, Intake
from hub.storage import tables
from hub.storage.reads.write import global_id

FIND = """query($where: InboundMessageFilter) { inboundMessages(where: $where) {
  nodes { controlId } } }"""
KEYS = "query($patient: String!) { messageKeys(patient: $patient) }"
COUNTS = """query($since: DateTime!) { messageIssueCounts(since: $since) {
  connectionName kind code count } }"""
REPLAY = """mutation($input: ReplayMessagesInput!) { replayMessages(input: $input) {
  ... on ReplayMessagesPayload { replayedCount foundCount }
  ... on UserErrors { errors { code field } } } }"""


@pytest.fixture
def messages(world: Any) -> str:
    """Three messages about two patients of a practice, one of them quarantined."""
    practice = world.practice("Mine")
    intake = Intake(world.database, world.crypto, lambda: world.now)
    for number, patient in enumerate(("77", "77", "88")):
        fault = Issue("hl7_101", "MSH-9", "MSH-9 is required.") if patient == "88" else None
        arrival = Arrival(
            "hl7v2", None, practice, "s", f"C{number}", "ADT^A04", b"x",
            state="quarantined" if fault else "received", fault=fault, patients=(patient,),
        )  # fmt: skip
        intake.receive(arrival).result(timeout=30)
    return str(practice)


def found(app: Any, **where: Any) -> set[str]:
    nodes = app.data(FIND, where=where)["inboundMessages"]["nodes"]
    return {node["controlId"] for node in nodes}


def test_messages_are_found_by_control_id_state_and_fault(world, messages):
    mso = world.mso()
    assert found(mso, controlId={"eq": "C1"}) == {"C1"}
    assert found(mso, faultCode={"eq": "hl7_101"}, state={"eq": "QUARANTINED"}) == {"C2"}
    assert found(mso, messageType={"in": ["ADT^A08"]}) == set()


def test_messages_are_found_by_a_patients_keys(world, messages):
    mso = world.mso()
    keys = mso.data(KEYS, patient="77")["messageKeys"]
    assert found(mso, patientKey={"in": keys}) == {"C0", "C1"}
    assert "77" not in "".join(keys)[:2]
    patient = tables.Patient(id="p1", practice_id=messages, family_name="F", given_name="G")
    number = tables.PatientIdentifier(
        practice_id=messages, patient_id="p1", authority="EHR", type="MR", value="88"
    )
    world.add(patient, number)
    world.agreement(messages, Domain.CLINICAL)
    keys = mso.data(KEYS, patient=global_id("Patient", "p1"))["messageKeys"]
    assert found(mso, patientKey={"in": keys}) == {"C2"}


def test_who_may_not_see_patients_may_not_look_for_them(world, messages):
    blind = world.mso("blind", classes=frozenset({DataClass.OPERATIONAL}))
    assert blind.code(KEYS, patient="77") == "FORBIDDEN"


def test_codes_are_counted_for_the_mso(world, messages):
    since = (world.now - timedelta(days=1)).isoformat()
    assert world.mso().data(COUNTS, since=since)["messageIssueCounts"] == [
        {"connectionName": "", "kind": "fault", "code": "hl7_101", "count": 1}
    ]
    assert world.app(messages).code(COUNTS, since=since) == "FORBIDDEN"


def test_a_filter_is_tried_first_and_then_reads_again(world, messages):
    mso = world.mso()
    given = {"where": {"state": "QUARANTINED"}, "reason": "corrected"}
    tried = mso.data(REPLAY, input={**given, "validateOnly": True})["replayMessages"]
    assert tried == {"replayedCount": 1, "foundCount": 1}
    assert len(world.read(lambda s: s.scalars(select(tables.JobRow)).all())) == 2
    limited = {"where": {"messageType": "ADT^A04"}, "limit": 2, "reason": "all"}
    assert mso.data(REPLAY, input=limited)["replayMessages"] == {
        "replayedCount": 2,
        "foundCount": 3,
    }
    assert mso.data(REPLAY, input=given)["replayMessages"]["replayedCount"] == 1
    assert len(world.read(lambda s: s.scalars(select(tables.JobRow)).all())) == 3


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"where": {}},
        {"where": {"state": "QUARANTINED"}, "limit": 0},
        {"where": {"state": "QUARANTINED"}, "messageIds": [global_id("InboundMessage", "x")]},
        {"messageIds": []},
    ],
)
def test_a_replay_says_which_messages(world, given):
    refused = world.mso().data(REPLAY, input={"reason": "r", **given})["replayMessages"]
    assert refused["errors"][0]["code"] == "BAD_INPUT"


def test_messages_of_a_sender_or_a_patient_are_read_again(world, messages):
    sent = {"C0": ("NORTHEHR", "NORTH"), "C1": ("NORTHEHR", "EAST"), "C2": ("LAB", "NORTH")}

    def name_senders(session: Any) -> None:
        for row in session.scalars(select(tables.InboundMessage)):
            application, facility = sent.get(row.control_id, ("", ""))
            row.headers = {**row.headers, "msh-3": application, "msh-4": facility}

    world.database.transaction(unrestricted_scope("test"), name_senders)
    mso = world.mso()

    def count(**where: str) -> int:
        given = {"where": where, "reason": "fixed", "validateOnly": True}
        answer = mso.data(REPLAY, input=given)["replayMessages"]
        return int(answer["foundCount"])

    assert count(sendingApplication="NORTHEHR") == 2
    assert count(sendingApplication="NORTHEHR", sendingFacility="NORTH") == 1
    assert count(sendingFacility="NOWHERE") == 0
    world.agreement(messages, Domain.CLINICAL)
    (key,) = mso.data(KEYS, patient="77")["messageKeys"]
    assert count(patientKey=key) == len(found(mso, patientKey={"in": [key]}))


def test_what_was_tolerated_in_framing_is_counted(world, messages):
    def note(session: Any) -> None:
        for row in session.scalars(select(tables.InboundMessage)):
            if row.control_id in {"C1", "C2"}:
                both = "bytes_before_frame,line_feed_after_frame"
                noted = both if row.control_id == "C1" else "line_feed_after_frame"
                row.headers = {**row.headers, "framing": noted}

    world.database.transaction(unrestricted_scope("test"), note)
    since = (world.now - timedelta(days=1)).isoformat()
    counted = world.mso().data(COUNTS, since=since)["messageIssueCounts"]
    assert {one["code"]: one["count"] for one in counted if one["kind"] == "framing"} == {
        "bytes_before_frame": 1,
        "line_feed_after_frame": 2,
    }


def test_a_patients_messages_are_found_by_an_index_and_those_that_wait_by_their_state(
    world, messages
):
    body = {"query": FIND, "variables": {"where": {"patientKey": {"eq": "key"}}}}
    answer = world.mso("planner").raw({**body, "extensions": {"plan": True}}).json()
    reads = answer["extensions"]["plan"]["reads"]
    assert [read["scanned"] for read in reads if read["table"] == "inbox"][:1] == [False]
    assert {"ix_inbox_patient_key"} <= {read["index"] for read in reads}
