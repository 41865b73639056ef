"""From a stored message to rows, and what becomes of messages that cannot be read."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import select

from connectors.sdk.hl7v2.acknowledging import application_code
from hub.domain.agreements import unrestricted_scope
from hub.errors import NotSupported
from hub.services import intake
from hub.storage import inbox, queue
from hub.storage.clinical_documents import part_identity
from hub.storage.tables import (
    Appointment,
    Charge,
    Connection,
    Coverage,
    DataIssue,
    DocumentPart,
    Encounter,
    InboundMessage,
    JobRow,
    Observation,
    Patient,
    PatientMerge,
)
from jobs.acknowledging import processed

ALL = unrestricted_scope("test")


@pytest.fixture
def messages(office: Any) -> list[Any]:
    found: list[Any] = office.traffic()
    return found


def first(messages: list[Any], event: str) -> Any:
    return next(message for message in messages if message.event == event)


def test_a_day_of_traffic_becomes_the_practices_records(office: Any, messages: list[Any]) -> None:
    for message in messages:
        office.receive(message)
    rows = office.drain()
    assert {row.state for row in rows} == {"done"}
    assert {row.state for row in office.all(InboundMessage)} == {"processed"}
    for table in (Patient, Coverage, Appointment, Encounter, Observation, Charge, PatientMerge):
        assert {row.practice_id for row in office.all(table)} == {
            practice.id for practice in office.world.practices
        }, table
    statuses = {row.status for row in office.all(Appointment)}
    assert statuses == {"booked", "cancelled"}


def test_reading_everything_again_changes_nothing(office: Any, messages: list[Any]) -> None:
    for message in messages[:40]:
        office.receive(message)
    office.drain()

    def picture() -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for table in (Patient, Coverage, Appointment, Encounter, Observation, Charge):
            columns = [c.key for c in table.__mapper__.columns if c.key != "inbox_id"]
            rows = ([getattr(row, key) for key in columns] for row in office.all(table))
            found[table.__tablename__] = sorted(map(str, rows))
        return found

    before = picture()
    ids = [row.id for row in office.all(InboundMessage)]
    office.hub.database.transaction(
        ALL, lambda s: intake.replay(s, inbox_ids=ids, now=office.clock())
    )
    assert len(office.drain()) == len(ids)
    assert picture() == before


def test_an_unreadable_message_is_quarantined_with_its_fault_and_kept(
    office: Any, messages: list[Any]
) -> None:
    good = first(messages, "A04").content
    without_patient = b"\r".join(
        segment for segment in good.split(b"\r") if not segment.startswith(b"PID")
    )
    inbox_id = office.receive(without_patient)
    (job,) = office.drain()
    assert job.state == "done"
    (row,) = office.all(InboundMessage)
    assert (row.id, row.state) == (inbox_id, "quarantined")
    assert row.fault_path.startswith("PID")
    assert row.fault_text.endswith(".")
    assert inbox.raw(row, office.hub.crypto) == without_patient
    assert office.all(Patient) == []


def test_a_value_too_long_to_look_up_is_named_at_once_and_takes_no_other_message_along(
    office: Any, messages: list[Any]
) -> None:
    content = first(messages, "A04").content
    key = content.split(b"PID|1||")[1].split(b"^")[0]
    long = hashlib.shake_256(b"long").hexdigest(4000).encode()
    ids = [
        office.receive(content.replace(b"PID|1||" + key, b"PID|1||" + long)),
        office.receive(messages[-1]),
    ]
    office.drain()
    told = {row.id: (row.state, row.fault_code) for row in office.all(InboundMessage)}
    short = office.hub.database.is_sqlite  # which has no such limit
    assert told[ids[0]] == (("processed", "") if short else ("quarantined", "value_too_long"))
    assert told[ids[1]][0] == "processed"
    assert {row.state for row in office.all(JobRow)} == {"done"}


def test_what_a_message_says_and_the_hub_does_not_understand_is_an_issue(
    office: Any, messages: list[Any]
) -> None:
    good = first(messages, "A04").content
    segments = good.split(b"\r")
    index = next(i for i, segment in enumerate(segments) if segment.startswith(b"PID"))
    fields = segments[index].split(b"|")
    fields[7] = b"19991332"
    segments[index] = b"|".join(fields)
    office.receive(b"\r".join(segments))
    office.drain()
    (message,) = office.all(InboundMessage)
    assert message.state == "processed"
    assert message.issue_count >= 1
    assert "PID-7" in {issue.path for issue in office.all(DataIssue)}
    (patient,) = office.all(Patient)
    assert patient.birth_date is None


def test_a_message_read_again_keeps_the_issues_of_the_last_reading_only(
    office: Any, messages: list[Any]
) -> None:
    office.receive(first(messages, "A04").content + b"ZPD|1\r")
    office.drain()
    before = sorted((issue.code, issue.path) for issue in office.all(DataIssue))
    assert ("segments_not_read", "ZPD") in before
    ids = [row.id for row in office.all(InboundMessage)]

    def replayed() -> list[tuple[str, str]]:
        office.hub.database.transaction(
            ALL, lambda session: intake.replay(session, inbox_ids=ids, now=office.clock())
        )
        office.drain()
        return sorted((issue.code, issue.path) for issue in office.all(DataIssue))

    assert replayed() == before

    def silence(session: Any) -> None:
        for row in session.scalars(select(Connection)):
            row.config = {**row.config, "unread": ["ZPD"]}

    office.hub.database.transaction(ALL, silence)
    assert replayed() == [one for one in before if one[1] != "ZPD"]


def test_a_message_whose_job_dies_ends_in_quarantine_and_its_sender_is_told(
    office: Any, messages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs import ingest

    def broken(*_: Any) -> Any:
        raise NotSupported("The reader is broken.", feature="reader")

    segments = first(messages, "A04").content.split(b"\r")
    fields = [*segments[0].split(b"|"), *[b""] * 16][:16]
    fields[14:16] = [b"AL", b"AL"]
    office.receive(b"\r".join([b"|".join(fields), *segments[1:]]))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "parse", broken)
        jobs = {row.kind: row.state for row in iter(office.step, None)}
    assert jobs == {"ingest.process_message": "dead", "acknowledging.owe_after_end": "done"}
    (row,) = office.all(InboundMessage)
    assert (row.state, row.fault_code) == ("quarantined", "not_read")

    def owed() -> list[tuple[str, str]]:
        with office.hub.database.read(ALL) as session:
            ended = processed(session, session.get_one(InboundMessage, row.id))
        assert ended is not None
        return [
            (application_code("AL", "AL", ended.ending) or "", job.state)
            for job in office.all(JobRow)
            if job.kind == "acknowledging.send"
        ]

    assert owed() == [("AE", "ready")]
    (dead,) = (job for job in office.all(JobRow) if job.state == "dead")
    office.hub.database.transaction(
        ALL, lambda session: queue.retry_dead(session, dead.id, now=office.clock())
    )
    while office.step() is not None:
        pass
    assert owed() == [("AA", "ready")]


def test_a_master_file_with_bad_entries_is_owed_an_error_for_them(office: Any) -> None:
    office.receive(first(office.traffic(), "A04"))
    (row,) = office.all(InboundMessage)
    header = inbox.raw(row, office.hub.crypto).split(b"\r")[0].split(b"|")
    header = [*header[:8], b"MFN^M02^MFN_M02", b"MFN1", *header[10:12], b"", b"", b"AL", b"ER"]
    lines = [b"|".join(header), b"MFI|PRA||UPD|||ER", b"MFE|MAD|1||D1|CWE", b"STF|D1||Reyes^Ana"]
    office.receive(b"\r".join([*lines, b"MFE|XXX|2||D2|CWE"]) + b"\r")
    while office.step() is not None:
        pass
    (row,) = (one for one in office.all(InboundMessage) if one.control_id == "MFN1")
    assert row.state == "processed"
    with office.hub.database.read(ALL) as session:
        ended = processed(session, row)
    assert ended is not None
    assert [one.path for one in ended.unapplied] == ["MFE[2]-1"]
    assert [job.args["inbox_id"] for job in office.all(JobRow) if job.queue == "mllp"] == [row.id]


def test_a_message_refused_at_the_door_is_judged_again_when_it_is_replayed(
    office: Any, messages: list[Any]
) -> None:
    content = first(messages, "A04").content
    sent = content.split(b"\r")[0].split(b"|")
    inbox_id = office.receive(content.replace(b"|%s|" % sent[11], b"|9.9|", 1))

    def replayed() -> tuple[str, str]:
        office.hub.database.transaction(
            ALL, lambda session: intake.replay(session, inbox_ids=[inbox_id], now=office.clock())
        )
        office.drain()
        (row,) = office.all(InboundMessage)
        return row.state, row.fault_code

    assert replayed() == ("refused", "hl7_203")

    def alias(session: Any) -> None:
        for row in session.scalars(select(Connection)):
            if row.connector_id == "ehr_hl7v2":
                row.config = {**row.config, "version_alias": {"9.9": "2.5.1"}}

    office.hub.database.transaction(ALL, alias)
    assert replayed() == ("processed", "")
    assert len(office.all(Patient)) == 1
    (row,) = office.all(InboundMessage)
    answer = office.hub.crypto.decrypt(row.answer, inbox.answer_identity(row.id))
    assert b"|AA|" in answer.replace(b"\r", b"|") or b"MSA|AA" in answer


def test_repetitions_that_come_while_a_message_is_read_are_counted(
    office: Any, messages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = first(messages, "A04")
    office.receive(message)
    from jobs import ingest

    parse = ingest.parse

    def parse_while_it_comes_again(*args: Any) -> Any:
        office.receive(message)
        return parse(*args)

    monkeypatch.setattr(ingest, "parse", parse_while_it_comes_again)
    office.drain()
    (row,) = office.all(InboundMessage)
    assert (row.state, row.duplicates) == ("processed", 1)


def test_two_practices_of_one_feed_keep_their_patients_apart(
    office: Any, messages: list[Any]
) -> None:
    """The same record number at two facilities of a shared EHR is two patients."""
    own, other = office.world.practices[0], office.world.practices[1]
    assert own.sending_application == other.sending_application
    message = first(messages, "A04").content
    office.receive(message)
    elsewhere = message.replace(own.facility_code.encode(), other.facility_code.encode()).replace(
        own.receiving_facility.encode(), other.receiving_facility.encode()
    )
    assert elsewhere != message
    office.receive(elsewhere)
    office.drain()
    patients = office.all(Patient)
    assert {patient.practice_id for patient in patients} == {own.id, other.id}
    with office.hub.database.read(ALL) as session:
        assert len(session.scalars(select(Patient.id)).all()) == 2


def test_an_embedded_file_is_decoded_and_stored_encrypted(office: Any, messages: list[Any]) -> None:
    header, *_ = first(messages, "A04").content.split(b"\r")
    patient = next(
        line for line in first(messages, "A04").content.split(b"\r") if line.startswith(b"PID")
    )
    body = [
        header.replace(b"ADT^A04^ADT_A01", b"MDM^T02^MDM_T02").replace(b"ADT^A04", b"MDM^T02"),
        patient,
        b"TXA|1|HP|TX|20260302100000||||||||DOC-41|||||AU",
        b"OBX|1|ED|11502-2^Report^LN||^AP^PDF^Base64^JVBERi0xLjQK||||||F",
    ]
    office.receive(b"\r".join(body) + b"\r")
    office.drain()
    (part,) = office.all(DocumentPart)
    assert b"%PDF" not in part.content
    crypto = office.hub.crypto
    assert crypto.decrypt(part.content, part_identity(part.id)) == b"%PDF-1.4\n"
