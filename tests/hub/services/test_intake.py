"""The door: stored once with its job, answered alike when repeated, judged anew when refused."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from hub.domain.agreements import unrestricted_scope
from hub.domain.records import Issue
from hub.services.intake import Arrival, Busy, Intake, Stored, replay
from hub.storage import inbox
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import InboundMessage, JobRow, Lane

ALL = unrestricted_scope("test")
ADT = Arrival(
    kind="hl7v2",
    connection_id=None,
    practice_id=None,
    source="mllp:EHR|FAC",
    control_id="C1",
    message_type="ADT^A04",
    content=b"MSH|^~\\&|EHR|FAC|first",
    lanes=("patient 1",),
    answer=b"ACK first",
)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def intake(database: Database, crypto: Crypto, clock: Clock) -> Intake:
    return Intake(database, crypto, clock)


def receive(intake: Intake, arrival: Arrival) -> Stored:
    return intake.receive(arrival).result()


def messages(database: Database) -> list[InboundMessage]:
    with database.read(ALL) as session:
        return list(session.scalars(select(InboundMessage).order_by(InboundMessage.received_at)))


def jobs(database: Database) -> int:
    with database.read(ALL) as session:
        return session.scalar(select(func.count()).select_from(JobRow)) or 0


def test_bytes_and_job_are_stored_together_and_the_bytes_unreadable(
    database: Database, intake: Intake, crypto: Crypto
) -> None:
    stored = receive(intake, ADT)
    assert (stored.duplicate, stored.conflict, stored.answer) == (False, False, b"ACK first")
    (row,) = messages(database)
    assert row.state == "received"
    assert b"first" not in row.raw
    assert inbox.raw(row, crypto) == ADT.content
    assert jobs(database) == 1
    with database.read(ALL) as session:
        (lane,) = session.scalars(select(Lane.key)).all()
    assert "patient" not in lane


def test_a_repetition_gets_the_stored_answer_and_no_second_job(
    database: Database, intake: Intake
) -> None:
    first = receive(intake, ADT)
    again = receive(intake, replace(ADT, answer=b"ACK second"))
    assert (again.inbox_id, again.duplicate, again.answer) == (first.inbox_id, True, b"ACK first")
    assert [row.duplicates for row in messages(database)] == [1]
    assert jobs(database) == 1


def test_many_repetitions_at_once_are_one_message(database: Database, intake: Intake) -> None:
    futures: list[Future[Stored]] = [intake.receive(ADT) for _ in range(40)]
    assert len({future.result().inbox_id for future in futures}) == 1
    assert [row.duplicates for row in messages(database)] == [39]
    assert jobs(database) == 1


def test_another_body_under_the_same_control_id_is_refused_and_kept(
    database: Database, intake: Intake, crypto: Crypto
) -> None:
    receive(intake, ADT)
    other = replace(ADT, content=b"MSH|^~\\&|EHR|FAC|second")
    assert receive(intake, other).conflict
    repeated = receive(intake, other)
    assert (repeated.conflict, repeated.duplicate) == (True, True)
    kept = {inbox.raw(row, crypto): row.state for row in messages(database)}
    assert kept == {ADT.content: "received", other.content: "refused"}
    assert jobs(database) == 1


def test_a_control_id_may_come_again_after_a_week(
    database: Database, intake: Intake, clock: Clock
) -> None:
    receive(intake, ADT)
    clock.now += timedelta(days=8)
    assert not receive(intake, replace(ADT, content=b"MSH|^~\\&|EHR|FAC|wrapped")).conflict
    assert jobs(database) == 2


@pytest.mark.parametrize(("seconds", "is_taken"), [(-1, True), (1, False)])
def test_a_control_id_is_taken_for_seven_days_and_no_longer(
    database: Database, intake: Intake, clock: Clock, seconds: int, is_taken: bool
) -> None:
    receive(intake, ADT)
    clock.now += timedelta(days=7, seconds=seconds)
    other = replace(ADT, content=b"MSH|^~\\&|EHR|FAC|wrapped")
    assert receive(intake, other).conflict == is_taken
    assert jobs(database) == 2 - is_taken
    assert receive(intake, replace(ADT, answer=b"ACK later")).answer == b"ACK first"


def test_what_was_refused_is_judged_anew_when_sent_again(
    database: Database, intake: Intake
) -> None:
    fault = Issue("hl7_207", "MSH-4", "The sender may not send for this facility.")
    refused = replace(ADT, state="refused", fault=fault, answer=b"NAK")
    assert receive(intake, refused).answer == b"NAK"
    assert receive(intake, refused).duplicate
    assert jobs(database) == 0
    accepted = receive(intake, ADT)
    assert (accepted.duplicate, accepted.answer) == (False, b"ACK first")
    (row,) = messages(database)
    assert (row.state, row.fault_text) == ("received", "")
    assert jobs(database) == 1


VERSION = Issue("hl7_203", "MSH-12", "This version is not supported.")
KIND = Issue("hl7_202", "MSH-11", "Messages of this processing id are not taken here.")
REFUSED = replace(ADT, state="refused", fault=KIND, further=(VERSION,), answer=b"NAK", lanes=())


def faults(database: Database) -> list[str]:
    """Code of the fault that decides and of the others of the one message there is."""
    (row,) = messages(database)
    with database.read(ALL) as session:
        others = inbox.issues_of(session, row.id)
    assert row.issue_count == len(others)
    return [row.fault_code, *sorted(issue.code for issue in others)]


def test_every_fault_of_a_refused_message_is_kept_until_it_is_let_in(
    database: Database, intake: Intake
) -> None:
    receive(intake, replace(REFUSED, headers={"framing": "line_feed"}))
    assert faults(database) == ["hl7_202", "hl7_203"]
    placed = replace(ADT, headers={"zone": "America/Chicago"})
    assert receive(intake, placed).answer == b"ACK first"
    assert faults(database) == [""]
    (row,) = messages(database)
    assert row.headers == {"framing": "line_feed", "zone": "America/Chicago"}


def test_what_is_refused_for_another_reason_by_now_is_answered_and_kept_with_that(
    database: Database, intake: Intake
) -> None:
    receive(intake, REFUSED)
    assert receive(intake, replace(REFUSED, answer=b"NAK again")).answer == b"NAK"
    by_now = replace(REFUSED, fault=VERSION, further=(), answer=b"NAK by now")
    assert receive(intake, by_now).answer == b"NAK by now"
    assert receive(intake, replace(by_now, answer=b"NAK later")).answer == b"NAK by now"
    assert faults(database) == ["hl7_203"]
    (row,) = messages(database)
    assert (row.state, row.duplicates, jobs(database)) == ("refused", 3, 0)


def test_what_is_ignored_by_now_is_accepted_and_marked_when_sent_again(
    database: Database, intake: Intake
) -> None:
    receive(intake, REFUSED)
    ignored = replace(ADT, state="ignored", answer=b"ACK ignored", lanes=())
    assert receive(intake, ignored).answer == b"ACK ignored"
    assert receive(intake, replace(ignored, answer=b"ACK later")).answer == b"ACK ignored"
    (row,) = messages(database)
    assert (row.state, row.fault_code, row.issue_count, jobs(database)) == ("ignored", "", 0, 0)


def test_quarantined_input_is_kept_without_a_job(database: Database, intake: Intake) -> None:
    fault = Issue("hl7_100", "MSH", "The frame does not begin with an MSH segment.")
    garbage = replace(ADT, control_id="", content=b"garbage", state="quarantined", fault=fault)
    receive(intake, garbage)
    (row,) = messages(database)
    assert (row.state, row.fault_code, row.fault_path) == ("quarantined", "hl7_100", "MSH")
    assert jobs(database) == 0


def test_a_replay_adds_one_job_each_and_leaves_documents_refused_at_the_door_alone(
    database: Database, intake: Intake, now: datetime
) -> None:
    kept = receive(intake, ADT).inbox_id
    refused = receive(
        intake, replace(ADT, control_id="C2", kind="webhook", state="refused")
    ).inbox_id
    with database.read(ALL) as session:
        first = session.scalars(select(JobRow.id)).one()
    database.transaction(ALL, lambda s: s.get_one(JobRow, first).__setattr__("state", "done"))
    for _ in range(2):
        count = database.transaction(ALL, lambda s: replay(s, inbox_ids=[kept, refused], now=now))
        assert count == 1
    assert jobs(database) == 2


def test_what_arrives_during_a_commit_is_stored_in_its_order(
    database: Database, intake: Intake
) -> None:
    arrivals = [
        replace(ADT, control_id=f"N{number}", content=b"%d" % number) for number in range(100)
    ]
    futures = [intake.receive(arrival) for arrival in arrivals]
    ids = [future.result(10).inbox_id for future in futures]
    with database.read(ALL) as session:
        args = session.scalars(select(JobRow.args).order_by(JobRow.id)).all()
    assert [found["inbox_id"] for found in args] == ids


def test_a_bad_arrival_keeps_its_neighbours_out_of_nothing(
    database: Database, intake: Intake
) -> None:
    unknown = {"connection_id": "no such connection"}
    futures = [
        intake.receive(replace(ADT, control_id=f"N{n}", **(unknown if n == 3 else {})))
        for n in range(6)
    ]
    assert [future.exception(10) is None for future in futures] == [n != 3 for n in range(6)]
    assert len(messages(database)) == jobs(database) == 5
    assert receive(intake, ADT).duplicate is False


def test_two_processes_that_store_one_message_agree(
    database: Database, crypto: Crypto, clock: Clock, intake: Intake
) -> None:
    if database.is_sqlite:
        return
    other = Database(database.url)
    doors = [intake, Intake(other, crypto, clock)]
    try:
        for number in range(20):
            arrival = replace(ADT, control_id=f"N{number}")
            futures = [door.receive(arrival) for door in doors]
            first, second = (future.result(10) for future in futures)
            assert first.inbox_id == second.inbox_id
            assert {first.duplicate, second.duplicate} == {True, False}
    finally:
        other.close()
    assert len(messages(database)) == jobs(database) == 20


def test_what_waits_to_be_stored_is_bounded(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.intake.MOST_WAITING", 3)
    release = threading.Event()
    holding = database.submit(ALL, lambda s: release.wait(10))
    futures = [intake.receive(replace(ADT, control_id=f"N{number}")) for number in range(5)]
    refused = [future for future in futures if future.done()]
    release.set()
    assert holding.result(10)
    assert [type(future.exception(10)) for future in refused] == [Busy, Busy]
    assert len([future for future in futures if future.exception(10) is None]) == 3
    assert receive(intake, ADT).inbox_id


def test_a_sender_that_gave_up_leaves_no_message_behind(database: Database, intake: Intake) -> None:
    release = threading.Event()
    database.submit(ALL, lambda s: release.wait(10))
    gone = intake.receive(ADT)
    kept = intake.receive(replace(ADT, control_id="C2"))
    assert gone.cancel()
    release.set()
    assert kept.result(10).duplicate is False
    assert [row.control_id for row in messages(database)] == ["C2"]


def test_nothing_is_promised_once_the_database_is_closed(
    database: Database, intake: Intake
) -> None:
    assert receive(intake, ADT).inbox_id
    database.close()
    for _ in range(2):
        assert isinstance(intake.receive(ADT).exception(10), RuntimeError)
