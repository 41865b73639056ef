"""What a sender and the hub agreed on, over real sockets and both databases."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.agreements import unrestricted_scope
from hub.services import connections
from hub.services.intake import replay
from hub.storage import audit
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    AuditEvent,
    Connection,
    InboundMessage,
    JobRow,
    Observation,
    OutboundMessage,
    Patient,
)
from tests.flows.hl7_desk import UNREADABLE, Desk, Sender, adt
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 30.0
START = datetime(2026, 3, 2, 15, 15, tzinfo=UTC)


def test_a_sender_hears_that_its_message_is_stored_and_later_that_it_is_applied(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    sender.send(adt("C1", accept="AL", application="AL"))
    assert sender.answer() == ("CA", "C1")
    assert sender.hears_nothing()
    at.work()
    told = lex(sender.receive())
    assert (told.value("MSA-1"), told.value("MSA-2")) == ("AA", "C1")
    assert (told.value("MSH-15"), told.value("MSH-16")) == ("NE", "NE")
    assert told.value("MSH-5") == "DESKEHR"
    wait_until(lambda: not at.rows(JobRow, kind="acknowledging.send", state="running"))
    assert [row.state for row in at.rows(JobRow, kind="acknowledging.send")] == ["done"]


def test_only_the_ends_a_sender_asked_about_are_told(desk: Callable[..., Desk]) -> None:
    at = desk()
    sender = at.connect()
    sender.send(
        adt("GOOD", accept="AL", application="ER"),
        adt("BAD", accept="AL", application="ER", body=UNREADABLE),
        adt("QUIET", accept="AL", application="NE", body=UNREADABLE),
        adt("SEEN", accept="AL", application="SU", f9="ADT^A10"),
    )
    assert [sender.answer()[0] for _ in range(4)] == ["CA"] * 4
    at.work()
    heard = {sender.answer() for _ in range(2)}
    assert heard == {("AE", "BAD"), ("AA", "SEEN")}
    assert sender.hears_nothing()
    assert at.states() == {
        "GOOD": "processed", "BAD": "quarantined", "QUIET": "quarantined", "SEEN": "ignored",
    }  # fmt: skip


def test_a_master_file_is_answered_entry_by_entry_as_it_asks(desk: Callable[..., Desk]) -> None:
    at = desk()
    sender = at.connect()
    entries = "MFE|MAD|1||D1^X|CWE\rSTF|D1||Reyes^Ana\rMFE|XXX|2||D2^X|CWE\r"
    body = f"MFI|PRA||UPD|||AL\r{entries}"
    sender.send(adt("C1", accept="AL", application="AL", body=body, f9="MFN^M02^MFN_M02"))
    assert sender.answer() == ("CA", "C1")
    at.work()
    told = lex(sender.receive())
    assert (told.raw("MSH-9"), told.value("MSA-1")) == ("MFK^M02^MFK_M01", "AE")
    assert [mfa.value("5.1") + mfa.value("4") for mfa in told.all("MFA")] == ["D1S", "D2U"]


def test_an_acknowledgement_waits_for_its_sender_to_come_back(desk: Callable[..., Desk]) -> None:
    at = desk()
    gone = at.connect()
    gone.send(adt("C1", accept="AL", application="AL"))
    assert gone.answer() == ("CA", "C1")
    gone.socket.close()
    at.work()
    wait_until(lambda: at.states() == {"C1": "processed"})
    back = at.connect()
    back.send(adt("C2", accept="AL"))
    assert back.answer() == ("CA", "C2")
    assert back.answer() == ("AA", "C1")


def test_an_acknowledgement_that_asks_for_an_answer_is_sent_again_with_the_same_bytes(
    desk: Callable[..., Desk],
) -> None:
    at = desk(acknowledge_acks=True)
    first = at.connect()
    first.send(adt("C1", accept="AL", application="AL"))
    assert first.answer() == ("CA", "C1")
    at.work()
    unanswered = first.receive()
    assert lex(unanswered).value("MSH-15") == "AL"
    first.socket.close()
    wait_until(lambda: bool(at.rows(JobRow, error_code="NO_ANSWER")))
    second = at.connect()
    second.send(adt("C2", accept="AL"))
    assert second.answer() == ("CA", "C2")
    again = second.receive()
    assert again == unanswered
    own = lex(again).value("MSH-10")
    second.send(
        f"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302||ACK|A9|P|2.5.1\rMSA|CA|{own}\r".encode()
    )
    wait_until(lambda: bool(at.rows(JobRow, kind="acknowledging.send", state="done")))


def test_an_acknowledgement_goes_over_the_return_connection_where_one_is_agreed(
    desk: Callable[..., Desk],
) -> None:
    at = desk(return_connection="EHR back")
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        config = {"host": "127.0.0.1", "port": theirs.getsockname()[1], "tls": False}
        at.hub.database.transaction(
            SCOPE,
            lambda session: connections.add(
                session, at.hub.crypto, connection_id="back", name="EHR back",
                connector_id="hl7v2_destination", config=config, now=datetime.now(UTC),
            ),
        )  # fmt: skip
        sender = at.connect()
        sender.send(adt("C1", accept="AL", application="AL"))
        assert sender.answer() == ("CA", "C1")
        at.work()
        called, _ = theirs.accept()
        with called:
            back = Sender(called)
            told = lex(back.receive())
            assert (told.value("MSA-1"), told.value("MSA-2")) == ("AA", "C1")
            own = told.value("MSH-10")
            reply = f"MSH|^~\\&|DESKEHR|||HUB|20260302||ACK|A9|P|2.5.1\rMSA|CA|{own}\r"
            back.send(reply.encode())
            wait_until(lambda: [r.state for r in at.rows(OutboundMessage)] == ["accepted"])
        assert sender.hears_nothing()


def test_where_agreed_the_one_answer_waits_until_the_message_is_applied(
    desk: Callable[..., Desk],
) -> None:
    at = desk(ack_after="applied")
    at.work()
    sender = at.connect()
    sender.send(adt("GOOD"))
    first = sender.receive()
    assert read_ack(first)[:2] == ("AA", b"GOOD")  # type: ignore[index]
    assert [row.family_name for row in at.rows(Patient)] == ["Testperson"]
    sender.send(adt("GOOD"), adt("BAD", body=UNREADABLE))
    assert sender.receive() == first
    assert sender.answer() == ("AE", "BAD")
    assert at.rows(JobRow, kind="acknowledging.send") == []


def test_what_is_not_applied_in_time_is_kept_and_answered_when_it_is_sent_again(
    desk: Callable[..., Desk],
) -> None:
    at = desk(ack_after="applied", applied_seconds=0.1)
    sender = at.connect()
    sender.send(adt("C1"))
    late = lex(sender.receive())
    assert (late.value("MSA-1"), late.value("ERR-3.1")) == ("AE", "207")
    assert at.states() == {"C1": "received"}
    at.work()
    wait_until(lambda: at.states() == {"C1": "processed"})
    sender.send(adt("C1"))
    assert sender.answer() == ("AA", "C1")
    assert len(at.rows(InboundMessage)) == 1


def test_a_sender_that_claims_to_be_another_is_refused_kept_and_audited(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    sender.send(adt("C1", f4="SOUTH"), adt("C2", f3="OTHER"), adt("C3", f9="ADT^Q99"))
    assert [sender.answer()[0] for _ in range(3)] == ["AR"] * 3
    denied = [row for row in at.rows(AuditEvent) if row.outcome == "denied"]
    assert [(row.action, row.operation) for row in denied] == [("write", "receive")] * 2
    assert {row.principal_id for row in denied} == {"ehr", ""}
    with at.hub.database.read(SCOPE) as session:
        assert audit.verify(session).intact
    assert set(at.states().values()) == {"refused"}


def results(control_id: str, body: str, continues: str = "") -> bytes:
    return adt(control_id, body=body, f9="ORU^R01^ORU_R01", f14=continues)


FIRST = (
    "PID|1||M1^^^NORTH^MR||Testperson^Number||19790412|F\r"
    "OBR|1||R1|24331-1^Lipids^LN|||20260302080000\r"
    "OBX|1|NM|2093-3^Cholesterol^LN||18"
)
SECOND = "ADD|0|mg/dL|||||F\rOBX|2|NM|2571-8^Triglycerides^LN||95|mg/dL|||||F\r"


def test_a_message_in_parts_is_read_once_when_all_are_there(desk: Callable[..., Desk]) -> None:
    at = desk()
    at.work()
    sender = at.connect()
    sender.send(adt("A1", body=FIRST.split("OBR")[0]), results("P1", FIRST + "\rDSC|p1|F\r"))
    assert [sender.answer(), sender.answer()] == [("AA", "A1"), ("AA", "P1")]
    wait_until(lambda: at.states()["A1"] == "processed")
    assert at.states()["P1"] == "received"
    sender.send(results("P2", SECOND, continues="p1"))
    assert sender.answer() == ("AA", "P2")
    wait_until(lambda: set(at.states().values()) == {"processed"})
    values = {row.code: row.value_number for row in at.rows(Observation)}
    assert values == {"2093-3": 180, "2571-8": 95}
    wait_until(lambda: {row.state for row in at.rows(JobRow)} == {"done"})


def test_parts_are_joined_after_a_restart(desk: Callable[..., Desk]) -> None:
    at = desk()
    sender = at.connect()
    sender.send(results("P1", FIRST + "\rDSC|p1|F\r"))
    assert sender.answer() == ("AA", "P1")
    at.service.stop()
    at.service.start()
    again = at.connect()
    again.send(results("P2", SECOND, continues="p1"))
    assert again.answer() == ("AA", "P2")
    at.work()
    wait_until(lambda: set(at.states().values()) == {"processed"})
    assert len(at.rows(Observation)) == 2


def test_a_part_whose_rest_does_not_come_in_time_ends_in_quarantine(
    desk: Callable[..., Desk],
) -> None:
    at = desk(continuation_seconds=0.5)
    at.work()
    sender = at.connect()
    sender.send(results("P1", FIRST + "\rDSC|p1|F\r"), results("P9", SECOND, continues="p8"))
    assert [sender.answer()[0], sender.answer()[0]] == ["AA", "AA"]
    wait_until(lambda: set(at.states().values()) == {"quarantined"})
    faults = {row.control_id: (row.fault_code, row.fault_path) for row in at.rows(InboundMessage)}
    assert faults == {"P1": ("hl7_207", "DSC-1"), "P9": ("hl7_207", "MSH-14")}
    assert at.rows(Observation) == []


def test_messages_in_parts_are_refused_where_that_is_agreed(desk: Callable[..., Desk]) -> None:
    at = desk(continuation_seconds=0)
    sender = at.connect()
    sender.send(results("P1", FIRST + "\rDSC|p1|F\r"), results("P2", SECOND, continues="p1"))
    assert [sender.answer(), sender.answer()] == [("AR", "P1"), ("AR", "P2")]
    assert set(at.states().values()) == {"refused"}


def test_a_batch_is_stored_in_one_commit_and_repeated_to_the_same_answer(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    envelope = b"BHS|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302||||B7\r"
    batch = envelope + adt("C1") + adt("C2") + adt("C1") + b"BTS|3\r"
    sender.send(batch)
    first = [read_ack(one) for one in split_messages(sender.receive())]
    sender.send(batch)
    second = [read_ack(one) for one in split_messages(sender.receive())]
    assert first == second
    assert [one[0] for one in first if one] == ["AA"] * 3
    rows = at.rows(InboundMessage)
    times = [row.received_at for row in rows]
    assert max(times) - min(times) < timedelta(milliseconds=1)  # one clock reading for all
    kinds = sorted((row.message_type, row.duplicates) for row in rows)
    assert kinds == [("ADT^A04", 1), ("ADT^A04", 3), ("BHS", 1)]


def test_a_batch_sent_again_whole_is_accepted_though_its_torso_was_not(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    envelope = b"BHS|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302||||B7\r"
    sender.send(envelope + adt("C1") + b"BTS|2\r")
    torn = [read_ack(one) for one in split_messages(sender.receive())]
    assert [one[0] for one in torn if one] == ["AE"]
    sender.send(envelope + adt("C1") + adt("C2") + b"BTS|2\r")
    whole = [read_ack(one) for one in split_messages(sender.receive())]
    assert [one[0] for one in whole if one] == ["AA", "AA"]


def test_a_control_id_used_again_is_accepted_and_marked_where_agreed(
    desk: Callable[..., Desk],
) -> None:
    at = desk(reused_control_id="accept")
    sender = at.connect()
    other = adt("C1").replace(b"Number", b"Other")
    sender.send(adt("C1"), other, adt("C1", f7="20260303"))
    assert [sender.answer() for _ in range(3)] == [("AA", "C1")] * 3
    marks = [row.headers.get("control-id", "") for row in at.rows(InboundMessage)]
    assert sorted(marks) == ["", "reused", "reused"]
    assert len(at.rows(JobRow)) == 3


def test_a_sender_that_restamps_its_repetitions_is_answered_as_before_where_agreed(
    desk: Callable[..., Desk],
) -> None:
    at = desk(ignore_message_time=True)
    sender = at.connect()
    sender.send(adt("C1"), adt("C1", f7="20260303111111"), adt("C1", f8="x"))
    first, second = sender.receive(), sender.receive()
    assert first == second
    assert sender.answer() == ("AE", "C1")
    assert sorted(row.state for row in at.rows(InboundMessage)) == ["received", "refused"]


def test_the_next_day_a_repetition_is_answered_as_before_and_its_control_id_still_taken(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    with time_machine.travel(START, tick=False) as clock:
        sender.send(adt("C1"))
        first = sender.receive()
        clock.shift(timedelta(days=1))
        sender.send(adt("C1"), adt("C1").replace(b"Number", b"Other"))
        assert sender.receive() == first
        refused = sender.receive()
        assert b"|AE|C1" in refused
        assert b"205" in refused
        clock.shift(timedelta(days=7))
        sender.send(adt("C1"), adt("C1").replace(b"Number", b"Third"))
        assert sender.receive() == first
        assert sender.answer() == ("AA", "C1")
    rows = at.rows(InboundMessage)
    assert sorted((row.state, row.duplicates) for row in rows) == [
        ("received", 0),
        ("received", 2),
        ("refused", 0),
    ]
    assert len(at.rows(JobRow)) == 2


def test_an_operator_releases_a_message_with_a_used_control_id(desk: Callable[..., Desk]) -> None:
    at = desk()
    sender = at.connect()
    sender.send(adt("C1"), adt("C1").replace(b"MC1^", b"MC2^"))
    assert [sender.answer()[0], sender.answer()[0]] == ["AA", "AE"]
    (held,) = at.rows(InboundMessage, state="refused")
    assert held.fault_code == "control_id_reused"
    at.hub.database.transaction(
        SCOPE, lambda session: replay(session, inbox_ids=[held.id], now=datetime.now(UTC))
    )
    at.work()
    wait_until(lambda: {row.state for row in at.rows(InboundMessage)} == {"processed"})
    assert len(at.rows(Patient)) == 2


def test_what_was_quarantined_at_the_door_is_judged_anew_when_it_is_sent_again(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    sender = at.connect()
    sender.send(adt("C1", f11="T"))
    assert sender.answer() == ("AR", "C1")

    def allow(session: ScopedSession) -> None:
        row = session.get_one(Connection, "ehr")
        row.routing = {**row.routing, "processing_ids": ["P", "T"]}

    at.hub.database.transaction(SCOPE, allow)
    at.service.stop()
    at.service.start()
    again = at.connect()
    again.send(adt("C1", f11="T"))
    assert again.answer() == ("AA", "C1")
    assert at.states() == {"C1": "received"}


def test_numbered_messages_are_taken_in_their_order_only(desk: Callable[..., Desk]) -> None:
    at = desk(sequence_numbers=True)
    sender = at.connect()

    def said(control_id: str, number: str, **fields: str) -> tuple[str | None, str | None]:
        sender.send(adt(control_id, f13=number, **fields))
        answer = lex(sender.receive())
        assert answer.value("MSA-2") == control_id
        return answer.value("MSA-1"), answer.value("MSA-4")

    assert said("L1", "0", f9="") == ("AA", "-1")
    assert said("C7", "7") == ("AA", "8")
    assert said("C9", "9") == ("AE", "8")
    assert said("C8", "8") == ("AA", "9")
    assert said("C8", "8") == ("AA", "9")  # the same again: its stored answer
    assert said("C9", "9") == ("AA", "10")
    assert said("L2", "0", f9="") == ("AA", "10")
    assert said("OLD", "3") == ("AE", "10")
    assert said("FREE", "") == ("AA", None)
    assert said("BAD", "10", f9="XXX^Q01") == ("AR", None)
    assert said("NULL", '""') == ("AA", None)
    for place, number in enumerate(("10x", "ten", "-1", "1.0", "1" * 16, "9" * 5000)):
        assert said(f"ODD{place}", number) == ("AE", None)
    assert said("C10", "10") == ("AA", "11")
    at.service.stop()
    at.service.start()
    sender = at.connect()
    assert said("C12", "12") == ("AE", "11")
    assert said("C11", "11") == ("AA", "12")
    kept = {row.control_id: row.fault_path for row in at.rows(InboundMessage, state="refused")}
    assert kept == {"OLD": "MSH-13", "BAD": "MSH-9.1", "C12": "MSH-13"}
    odd = at.rows(InboundMessage, state="quarantined")
    assert {(row.fault_code, row.fault_path) for row in odd} == {("hl7_102", "MSH-13")}
    assert len(odd) == 6
    assert len(at.rows(JobRow)) == 7


def test_a_second_number_of_one_batch_follows_the_first(desk: Callable[..., Desk]) -> None:
    at = desk(sequence_numbers=True)
    sender = at.connect()
    envelope = b"BHS|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302||||B7\r"
    sender.send(envelope + adt("C1", f13="1") + adt("C2", f13="2") + adt("C4", f13="4"))
    said = [lex(one) for one in split_messages(sender.receive())]
    answers = [(one.value("MSA-1"), one.value("MSA-4")) for one in said]
    assert answers == [("AA", "2"), ("AA", "3"), ("AE", "3")]
