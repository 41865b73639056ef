"""Messages of a practice applied in one transaction: as if they had been read one by one."""

from __future__ import annotations

from datetime import timedelta
from operator import itemgetter
from typing import Any

import pytest
from sqlalchemy import event

from hub.domain.agreements import Purpose, unrestricted_scope
from hub.domain.jobs import Job
from hub.services import consents, intake
from hub.storage import claiming
from hub.storage.tables import (
    Appointment,
    AuditEvent,
    CareRole,
    Charge,
    Consent,
    Coverage,
    DataIssue,
    Diagnosis,
    Encounter,
    EncounterStay,
    InboundMessage,
    JobRow,
    Observation,
    Patient,
    PatientIdentifier,
    Provider,
)
from jobs import ingest_together
from jobs.actors import ACTORS
from jobs.holding import parts_of
from jobs.running import bound

ALL = unrestricted_scope("test")
TOGETHER = frozenset({Job.PROCESS_MESSAGE})
TABLES = (Patient, PatientIdentifier, Coverage, Appointment, Encounter, Observation, Charge)


class Message:
    def __init__(self, *args: str) -> None:
        self.args = args


def drain_together(office: Any) -> list[int]:
    """Run all due jobs as a worker does; how many were run at once, each time."""
    sizes: list[int] = []
    office.broker.together_kinds = TOGETHER
    while claimed := office.hub.database.transaction(
        ALL,
        lambda s: claiming.claim(
            s,
            limit=4,
            lease=timedelta(minutes=1),
            now=office.clock(),
            together=TOGETHER,
            together_limit=64,
        ),
    ):
        office.broker.hold(*claimed)
        for part in parts_of(claimed, TOGETHER):
            tokens = [job.token for job in part]
            bound(office.broker, ACTORS[part[0].kind])(*tokens)
            office.broker.outcome.after_process_message(office.broker, Message(*tokens))
            office.broker.drop(*tokens)
            sizes.append(len(part))
        office.clock.forward(seconds=1)
    return sizes


def picture(office: Any) -> dict[str, list[str]]:
    found = {}
    for table in (
        Patient,
        PatientIdentifier,
        Coverage,
        Appointment,
        Encounter,
        Observation,
        Charge,
    ):
        columns = [c.key for c in table.__mapper__.columns if c.key != "inbox_id"]
        rows = ([getattr(row, key) for key in columns] for row in office.all(table))
        found[table.__tablename__] = sorted(map(str, rows))
    return found


def first(office: Any, event: str) -> bytes:
    content: bytes = next(m for m in office.traffic() if m.event == event).content
    return content


def with_field(content: bytes, segment: bytes, number: int, value: bytes) -> bytes:
    lines = content.split(b"\r")
    place = next(n for n, line in enumerate(lines) if line.startswith(segment))
    fields = lines[place].split(b"|")
    fields[number] = value
    lines[place] = b"|".join(fields)
    return b"\r".join(lines)


def test_a_day_read_together_reads_the_same_one_by_one(office: Any) -> None:
    for message in office.traffic():
        office.receive(message)
    assert max(drain_together(office)) > 4
    assert {row.state for row in office.all(JobRow)} == {"done"}
    assert {row.state for row in office.all(InboundMessage)} == {"processed"}
    together, issues = picture(office), len(office.all(DataIssue))
    assert all(together.values())
    ids = [row.id for row in office.all(InboundMessage)]
    office.hub.database.transaction(
        ALL, lambda s: intake.replay(s, inbox_ids=ids, now=office.clock())
    )
    assert len(office.drain()) == len(ids)
    assert picture(office) == together
    assert len(office.all(DataIssue)) == issues


def test_a_refused_message_takes_nobody_with_it(office: Any) -> None:
    good = first(office, "A04")
    numbered = [
        with_field(with_field(good, b"MSH", 9, b"T%04d" % n), b"PID", 3, b"T%04d^^^FAC^MR" % n)
        for n in range(6)
    ]
    numbered[2] = with_field(numbered[2], b"PID", 3, b"900-55-0101^^^USA^SS")
    ids = [office.receive(content) for content in numbered]
    assert max(drain_together(office)) == 6
    states = {row.id: row.state for row in office.all(InboundMessage)}
    assert [states[inbox_id] for inbox_id in ids] == [
        "processed",
        "processed",
        "quarantined",
        *["processed"] * 3,
    ]
    assert {row.state for row in office.all(JobRow)} == {"done"}
    values = {row.value for row in office.all(PatientIdentifier)}
    assert {f"T{n:04}" for n in (0, 1, 3, 4, 5)} <= values


def test_what_was_tried_before_is_run_by_itself(office: Any) -> None:
    """It may be what ended the process; the others must not go with it again."""
    good = first(office, "A04")
    for n in range(3):
        numbered = with_field(good, b"MSH", 9, b"T%04d" % n)
        office.receive(with_field(numbered, b"PID", 3, b"T%04d^^^FAC^MR" % n))

    def tried(session: Any) -> None:
        session.get_one(JobRow, office.all(JobRow)[0].id).attempt = 1

    office.hub.database.transaction(ALL, tried)
    assert sorted(drain_together(office)) == [1, 2]


def test_what_fails_together_is_run_one_by_one(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the updates of one patient, which are given back and come in their order."""
    good = first(office, "A04")
    for n in range(4):
        numbered = with_field(good, b"MSH", 9, b"T%04d" % n)
        office.receive(with_field(numbered, b"PID", 5, b"Name%d^Ada" % n))

    def broken(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(ingest_together, "_read_ahead", broken)
    drain_together(office)
    rows = office.all(JobRow)
    assert {(row.state, row.attempt) for row in rows} == {("done", 1)}
    assert "Name3" in {row.family_name for row in office.all(Patient)}


def test_coverages_read_ahead_are_replaced_as_those_asked_for(office: Any) -> None:
    def told(round_: int, patient: int, member: str) -> bytes:
        content = with_field(first(office, "A04"), b"PID", 3, b"T%04d^^^FAC^MR" % patient)
        content = with_field(content, b"MSH", 9, b"R%d%04d%s" % (round_, patient, member.encode()))
        content = with_field(content, b"MSH", 6, b"2026030209%02d-0600" % (round_ + len(member)))
        content = with_field(content, b"EVN", 2, b"2026030209%02d-0600" % (round_ + len(member)))
        return with_field(content, b"IN1", 36, member.encode())

    for patient in range(3):
        office.receive(told(1, patient, "M"))
    assert max(drain_together(office)) == 3
    for patient in range(3):
        office.receive(told(3, patient, "NN"))
    office.receive(told(3, 0, "OOO"))  # of the same patient in the same transaction
    assert max(drain_together(office)) == 4
    by_patient: dict[str, set[tuple[str, str]]] = {}
    for row in office.all(Coverage):
        by_patient.setdefault(row.patient_id, set()).add((row.member_id, row.status))
    one_more = {("M", "inactive"), ("NN", "inactive"), ("OOO", "active")}
    assert sorted(by_patient.values(), key=len) == [
        *[{("M", "inactive"), ("NN", "active")}] * 2,
        one_more,
    ]


def test_providers_whom_messages_name_are_read_at_once(office: Any) -> None:
    def told(number: int) -> bytes:
        content = with_field(first(office, "A04"), b"PID", 3, b"T%04d^^^FAC^MR" % number)
        content = with_field(content, b"MSH", 9, b"P%04d" % number)
        return with_field(content, b"PV1", 7, b"%d^Reyes^Ana" % (number % 3 + 4))

    for number in range(3):
        office.receive(told(number))
    drain_together(office)
    statements: list[str] = []
    engine = office.hub.database.write_engine
    event.listen(engine, "before_cursor_execute", lambda *sent: statements.append(sent[2]))
    for number in range(10, 13):
        office.receive(told(number))
    assert max(drain_together(office)) == 3
    asked = [text for text in statements if "FROM providers" in text.replace("\n", " ")]
    assert len(asked) == 1


def test_lists_of_a_visit_read_ahead_change_as_those_asked_for(office: Any) -> None:
    """Each patient's messages together with others', and again one by one."""

    def told(event: str, minute: int, patient: int, pv1: dict[int, bytes], code: bytes) -> bytes:
        content = with_field(first(office, "A04"), b"PID", 3, b"T%04d^^^FAC^MR" % patient)
        content = with_field(content, b"MSH", 9, b"V%02d%04d" % (minute, patient))
        content = with_field(content, b"MSH", 8, b"ADT^" + event.encode())
        moment = b"2026030209%02d-0600" % minute
        content = with_field(with_field(content, b"MSH", 6, moment), b"EVN", 2, moment)
        stated = {3: b"WARD^1", 8: b"", 9: b"", 19: b"V%04d" % patient} | pv1
        fields = [b"PV1", b"1", b"O"] + [stated.get(number, b"") for number in range(3, 20)]
        lines = [line for line in content.split(b"\r") if line[:3] not in {b"PV1", b"DG1", b""}]
        return b"\r".join([*lines, b"|".join(fields), b"DG1|1||" + code, b""])

    def of_visit(patient: int) -> list[tuple[Any, ...]]:
        (visit,) = (r for r in office.all(Encounter) if r.external_id == f"V{patient:04}")
        names = {row.id: row.external_id for row in office.all(Provider)}
        mine = [
            (r.role, names[r.provider_id])
            for r in office.all(CareRole)
            if r.encounter_id == visit.id
        ]
        told_of = [r.code for r in office.all(Diagnosis) if r.encounter_id == visit.id]
        stays = [
            (r.location, r.starts_at, r.ends_at)
            for r in office.all(EncounterStay)
            if r.encounter_id == visit.id
        ]
        return [visit.location, sorted(mine), told_of, sorted(stays, key=itemgetter(1))]

    def rounds(patient: int) -> list[bytes]:
        several = {8: b"7^Hale", 9: b"8^Ng~9^Stone"}
        one = {3: b"WARD^2", 8: b"6^Reyes", 9: b"9^Stone"}
        return [
            told("A01", 1, patient, several, b"I10^x^I10"),
            told("A08", 5, patient, one, b"I11^y^I10"),
            told("A02", 7, patient, {3: b"ICU^1"}, b"I12^z^I10"),
        ]

    admitted, *changes = zip(*map(rounds, range(4)), strict=True)
    for content in admitted:
        office.receive(content)
    assert max(drain_together(office)) == 4
    for content in (*changes[0], changes[1][0]):  # one patient is told of twice at once
        office.receive(content)
    assert max(drain_together(office)) == 5
    for patient in (10, 11):
        for content in rounds(patient)[: 3 if patient == 10 else 2]:
            office.receive(content)
            office.drain()
    expected = {1: of_visit(11), 0: of_visit(10)}
    assert expected[0][0] == "ICU/1"
    assert expected[1][1] == [("CP", "9"), ("RP", "6")]
    assert [of_visit(patient) for patient in range(4)] == [expected[0], *[expected[1]] * 3]


def test_an_unlink_message_among_others_tells_the_trail_what_it_revokes(office: Any) -> None:
    good = first(office, "A04")

    def sent(number: int, event: bytes, *more: bytes) -> bytes:
        content = with_field(good, b"MSH", 8, b"ADT^%b" % event)
        content = with_field(content, b"MSH", 9, b"%b%04d" % (event, number))
        content = with_field(content, b"PID", 3, b"T%04d^^^FAC^MR" % number)
        lines = content.strip(b"\r").split(b"\r")
        kept = lines if event == b"A04" else [one for one in lines if one[:3] in _HEAD]
        return b"\r".join([*kept, *more]) + b"\r"

    for number in (1, 2, 3):
        office.receive(sent(number, b"A04"))
    office.receive(sent(1, b"A40", b"MRG|T0002^^^FAC^MR"))
    drain_together(office)
    [patient] = [row for row in office.all(Patient) if row.status == "merged"]
    actor = consents.Actor("os:x", "x", Purpose.OPERATIONS)
    terms = consents.Terms("SUD", None, office.clock().date(), None, None, "cabinet 4")
    office.hub.database.transaction(
        ALL,
        lambda s: consents.record(
            s, office.hub.crypto, actor, practice_id=patient.practice_id, patient_id=patient.id,
            terms=terms, now=office.clock(),
        ),
    )  # fmt: skip
    office.clock.forward(seconds=60)
    for number in (4, 5):
        office.receive(sent(number, b"A04"))
    office.receive(sent(1, b"A37", b"PID|||T0002^^^FAC^MR"))
    drain_together(office)
    assert {row.state for row in office.all(InboundMessage)} == {"processed"}
    [consent] = office.all(Consent)
    assert consent.revoked_by == "a merge was undone"
    [event] = [row for row in office.all(AuditEvent) if row.operation == "consent revoke"]
    assert (event.principal_name, event.entities, event.action) == (
        "the hub", {"Consent": 1}, "write",
    )  # fmt: skip
    assert event.recorded_at == consent.revoked_at
    [subject] = office.hub.crypto.subjects([(consent.practice_id, consent.patient_id)])
    assert subject in str(event.subjects)


_HEAD = (b"MSH", b"EVN", b"PID")
