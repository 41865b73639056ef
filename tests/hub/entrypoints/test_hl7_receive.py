from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.events import EventRules
from connectors.ehr_hl7v2.receiving import Limits, Receiving
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.lexer import lex
from hub.entrypoints.hl7_judging import judge
from hub.entrypoints.hl7_receive import Receiver, Reply
from hub.entrypoints.hl7_routes import Facility, Forward, Hl7Connection, Peer, Routes
from hub.services.intake import Arrival, Stored, Told

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
PEER = "127.0.0.1"
ROUTES = Routes(
    (
        Hl7Connection(
            "con-a",
            "EHRA",
            {
                "NORTH": Facility("prac-n", "America/Chicago", "HUBNORTH"),
                "SOUTH": Facility("prac-s", "America/Denver"),
            },
            Config(version_alias={"2.3.2": "2.3.1"}, events=EventRules(ignore=("ADT^A60",))),
        ),
        Hl7Connection(
            "con-b", "EHRB", {"EAST": Facility("prac-e", "UTC")}, Config(), peers=("10.1.0.0/16",)
        ),
    )
)
PID = "PID|1||77^^^NORTH^MR||Quillfeather^Zebulon\r"


def msh(**fields: str) -> str:
    values = {
        "3": "EHRA", "4": "NORTH", "5": "HUB", "6": "HUBNORTH", "7": "20260302", "8": "",
        "9": "ADT^A04^ADT_A01", "10": "C1", "11": "P", "12": "2.5.1", "13": "", "14": "",
        "15": "", "16": "",
    }  # fmt: skip
    values |= {name.removeprefix("f"): value for name, value in fields.items()}
    return "MSH|^~\\&|" + "|".join(values.values()) + "\r"


def frame(**fields: str) -> Frame:
    content = (msh(**fields) + PID).encode()
    return Frame(content, "", len(content))


class FakeIntake:
    """Keeps arrivals in memory as the intake does: same key, same answer; same id, conflict."""

    def __init__(self, error: Exception | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self.error = error

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        if self.error is not None:
            told(None, self.error)
            return
        same = [
            a for a in self.arrivals if (a.source, a.content) == (arrival.source, arrival.content)
        ]
        reused = [
            a
            for a in self.arrivals
            if arrival.control_id
            and (a.source, a.control_id) == (arrival.source, arrival.control_id)
        ]
        self.arrivals.append(arrival)
        answer = same[0].answer if same else arrival.answer
        told(Stored("in-1", bool(same), bool(reused) and not same, answer), None)

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        raise NotImplementedError("no batches here")


def receive(intake: FakeIntake, *frames: Frame, peer: str = PEER) -> list[Reply]:
    receiver = Receiver(intake, lambda: ROUTES, lambda: NOW)

    async def run() -> list[Reply]:
        return [await receiver.receive(one, Peer(peer)) for one in frames]

    return asyncio.run(run())


def codes(reply: Reply) -> tuple[str | None, str | None, str | None]:
    answer = lex(reply.ack)
    return answer.value("MSA-1"), answer.value("ERR-3.1"), answer.value("ERR-2.3")


def test_a_sound_message_is_stored_for_its_practice_and_accepted() -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, frame())
    assert codes(reply) == ("AA", None, None)
    (arrival,) = intake.arrivals
    assert (arrival.state, arrival.practice_id, arrival.connection_id) == (
        "received",
        "prac-n",
        "con-a",
    )
    assert (arrival.source, arrival.control_id) == ("mllp:con-a|EHRA|NORTH", "C1")
    assert arrival.message_type == "ADT^A04"
    assert arrival.lanes == ("prac-n|patient|NORTH|77",)
    assert arrival.headers["zone"] == "America/Chicago"
    assert arrival.answer == reply.ack
    assert arrival.content == frame().content


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"f9": ""}, ("AE", "101", "9")),
        ({"f10": ""}, ("AE", "101", "10")),
        ({"f11": ""}, ("AE", "101", "11")),
        ({"f12": ""}, ("AE", "101", "12")),
        ({"f9": "PPR^PC1"}, ("AR", "200", "9")),
        ({"f9": "ADT^A61"}, ("AR", "201", "9")),
        ({"f11": "T"}, ("AR", "202", "11")),
        ({"f12": "3.0"}, ("AR", "203", "12")),
        ({"f3": "NOBODY"}, ("AR", "207", "3")),
        ({"f3": "EHRB", "f4": "EAST"}, ("AR", "207", "3")),
        ({"f4": "EAST"}, ("AR", "207", "4")),
        ({"f6": "HUBSOUTH"}, ("AR", "207", "6")),
    ],
)
def test_a_fault_is_answered_by_code_and_kept_without_a_practice_job(
    fields: dict[str, str], expected: tuple[str, str, str]
) -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, frame(**fields))
    assert codes(reply) == expected
    (arrival,) = intake.arrivals
    assert arrival.state == ("refused" if expected[0] == "AR" else "quarantined")
    assert arrival.fault is not None
    assert arrival.fault.code == f"hl7_{expected[1]}"
    assert arrival.lanes == ()
    assert arrival.content == frame(**fields).content
    if arrival.state == "refused":
        assert arrival.practice_id is None


@pytest.mark.parametrize(
    "fields",
    [{"f4": "SOUTH", "f6": "ANYTHING"}, {"f12": "2.3.2"}, {"f12": "2.8.2"}, {"f9": "ADT^A40"}],
)
def test_what_a_connection_allows_is_accepted(fields: dict[str, str]) -> None:
    (reply,) = receive(FakeIntake(), frame(**fields))
    assert codes(reply)[0] == "AA"


@pytest.mark.parametrize("kind", ["ADT^A10", "ADT^A60"])
def test_an_ignored_event_is_accepted_and_marked(kind: str) -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, frame(f9=kind))
    assert codes(reply)[0] == "AA"
    assert intake.arrivals[0].state == "ignored"


def test_no_answer_carries_a_value_of_the_patient() -> None:
    faulty = [frame(f9="PPR^PC1"), frame(f4="EAST"), frame(f9=""), frame()]
    for reply in receive(FakeIntake(), *faulty):
        assert b"Quillfeather" not in reply.ack
        assert b"77^" not in reply.ack


def test_a_frame_without_header_is_quarantined_and_answered() -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, Frame(b"not HL7", "", 7))
    assert codes(reply) == ("AE", "100", None)
    assert lex(reply.ack).raw("MSA-2") == ""
    assert (intake.arrivals[0].state, intake.arrivals[0].content) == ("quarantined", b"not HL7")


def test_a_byte_order_mark_before_a_message_is_named_and_kept() -> None:
    content = b"\xef\xbb\xbf" + frame().content
    intake = FakeIntake()
    (reply,) = receive(intake, Frame(content, "", len(content)))
    assert codes(reply)[:2] == ("AE", "100")
    assert b"byte order mark" in reply.ack
    (arrival,) = intake.arrivals
    assert (arrival.state, arrival.content) == ("quarantined", content)


def test_utf_16_is_named_as_such() -> None:
    (reply,) = receive(FakeIntake(), Frame("MSH|^~\\&|A".encode("utf-16"), "", 20))
    assert codes(reply)[1] == "102"


def test_a_cut_frame_is_never_accepted_and_leaves_its_control_id_free() -> None:
    intake = FakeIntake()
    cut, whole, remains = receive(
        intake,
        Frame(msh().encode(), "cut_off", 99),
        frame(),
        Frame(b"|rest of something", "cut_off", 5),
    )
    assert codes(cut)[:2] == ("AE", "207")
    assert codes(whole)[0] == "AA"
    assert remains.ack == b""
    assert [a.state for a in intake.arrivals] == ["quarantined", "received", "quarantined"]


def test_a_giant_is_refused_and_ends_the_connection() -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, Frame(msh().encode(), "too_large", 5_000_000))
    assert codes(reply)[:2] == ("AR", "207")
    assert reply.close
    assert intake.arrivals[0].headers["size"] == "5000000"


def test_a_message_full_of_repetitions_is_refused_before_it_is_split() -> None:
    content = (msh() + "PID|1||" + "~".join("x" * 20_000)).encode()
    (reply,) = receive(FakeIntake(), Frame(content, "", len(content)))
    assert codes(reply)[:2] == ("AR", "207")


def test_the_same_message_again_gets_the_stored_answer_byte_for_byte() -> None:
    first, second = receive(FakeIntake(), frame(), frame())
    assert first.ack == second.ack


def test_a_control_id_used_for_another_body_is_a_duplicate_key() -> None:
    _, reply = receive(FakeIntake(), frame(), frame(f7="20260303"))
    assert codes(reply) == ("AE", "205", "10")


@pytest.mark.parametrize("error", [OSError("disk"), RuntimeError("database is locked")])
def test_what_was_not_stored_is_never_accepted(error: Exception) -> None:
    plain, enhanced, silent = receive(
        FakeIntake(error), frame(), frame(f15="AL"), frame(f15="NE", f16="NE")
    )
    assert codes(plain)[:2] == ("AE", "207")
    assert codes(enhanced)[:2] == ("CE", "207")
    assert (silent.ack, silent.close) == (b"", True)


def test_routes_that_cannot_be_read_accept_nothing() -> None:
    def broken() -> Routes:
        raise OSError("database is gone")

    intake = FakeIntake()
    receiver = Receiver(intake, broken, lambda: NOW)
    reply = asyncio.run(receiver.receive(frame(), PEER))
    assert codes(reply)[:2] == ("AE", "207")
    assert not receiver.admits(PEER)
    assert intake.arrivals == []


def test_an_acknowledgement_is_kept_and_not_answered() -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, frame(f9="ACK"))
    assert (reply.ack, reply.close) == (b"", False)
    assert intake.arrivals[0].state == "ignored"


def test_only_the_networks_of_a_connection_may_send() -> None:
    east = frame(f3="EHRB", f4="EAST")
    assert judge(east, Peer("10.1.2.3"), ROUTES).fault is None
    assert judge(east, Peer("::ffff:10.1.2.3"), ROUTES).fault is None
    assert judge(east, Peer("10.2.0.1"), ROUTES).fault is not None
    assert ROUTES.knows_address("10.1.9.9")
    assert not ROUTES.knows_address("192.0.2.1")
    assert not ROUTES.knows_address("not an address")


def test_control_ids_of_an_unknown_sender_are_not_those_of_the_sender_it_claims_to_be() -> None:
    intake = FakeIntake()
    claimed = {"f3": "EHRB", "f4": "EAST"}
    (stranger,) = receive(intake, frame(**claimed, f6="X"), peer="127.0.0.1")
    (own,) = receive(intake, frame(**claimed), peer="10.1.2.3")
    assert (codes(stranger)[0], codes(own)[0]) == ("AR", "AA")


def test_an_acknowledgement_takes_no_control_id_from_a_message() -> None:
    intake = FakeIntake()
    silent, reply = receive(intake, frame(f9="ACK^A04"), frame())
    assert silent.ack == b""
    assert codes(reply) == ("AA", None, None)
    assert [arrival.control_id for arrival in intake.arrivals] == ["", "C1"]


def test_an_endless_control_id_or_sender_is_refused_and_stored_short() -> None:
    intake = FakeIntake()
    long_id, long_name = receive(intake, frame(f10="C" * 8000), frame(f4="N" * 8000))
    assert codes(long_id) == ("AE", "102", "10")
    assert codes(long_name)[0] == "AR"
    assert [arrival.control_id for arrival in intake.arrivals] == ["", "C1"]
    assert max(len(arrival.source) for arrival in intake.arrivals) < 300


def test_an_unknown_word_in_msh_16_does_not_silence_the_answer() -> None:
    (reply,) = receive(FakeIntake(), frame(f16="2.5.1"))
    assert codes(reply)[0] == "AA"


def judged(
    *, config: Config | None = None, forwards: tuple[Forward, ...] = (), **fields: str
) -> Any:
    connection = Hl7Connection(
        "con-a", "EHRA", {"NORTH": Facility("prac-n", "UTC")}, config or Config(), forwards=forwards
    )
    return judge(frame(**fields), Peer(PEER), Routes((connection,)))


def test_while_a_destination_is_full_what_would_go_on_to_it_is_not_taken() -> None:
    full = (Forward("lab", frozenset({"ADT"}), "refuse"), Forward("other"))
    refused = judged(forwards=full)
    assert (refused.fault.code, refused.fault.answer) == (207, "AE")
    assert (refused.arrival.state, refused.arrival.destinations) == ("quarantined", ())
    passing = judged(forwards=full, f9="ORU^R01^ORU_R01").arrival
    assert (passing.state, passing.destinations) == ("received", ("other",))


def test_where_so_set_it_is_taken_and_its_forwarding_is_parked() -> None:
    arrival = judged(forwards=(Forward("lab", frozenset(), "park"), Forward("other"))).arrival
    assert (arrival.state, arrival.destinations) == ("received", ("lab", "other"))
    assert arrival.parked == {"lab"}


def test_messages_are_processed_in_order_of_patients_or_of_the_connection_as_agreed() -> None:
    assert judged().arrival.lanes == ("prac-n|patient|NORTH|77",)
    strict = judged(config=Config(receiving=Receiving(order="connection"))).arrival
    assert (strict.lanes, strict.patients) == (("connection|con-a",), ("77",))


def test_who_a_refused_message_speaks_of_is_kept_to_find_it() -> None:
    refused = judged(f11="T").arrival
    assert (refused.state, refused.lanes, refused.patients) == ("refused", (), ("77",))
    bomb = Config(receiving=Receiving(limits=Limits(segments=1)))
    assert judged(config=bomb).arrival.patients == ()


def test_what_a_sender_means_by_an_empty_header_field_is_agreed() -> None:
    agreed = Config(default={"MSH-9": "ADT^A04", "MSH-11": "P", "MSH-12": "2.3"})
    connection = Hl7Connection("con-a", "EHRA", {"NORTH": Facility("prac-n", "UTC")}, agreed)
    routes = Routes((connection,))
    empty = judge(frame(f9="", f11="", f12=""), Peer(PEER), routes).arrival
    assert (empty.state, empty.message_type, empty.headers["msh-9"]) == (
        "received",
        "ADT^A04",
        "ADT^A04",
    )
    stated = judge(frame(f11="T"), Peer(PEER), routes)
    assert (stated.arrival.state, stated.fault and stated.fault.code) == ("refused", 202)
    without = judge(frame(f10=""), Peer(PEER), routes)
    assert without.fault is not None
    assert without.fault.path == "MSH-10"


def errors(reply: Reply) -> list[tuple[int, int]]:
    found = lex(reply.ack).all("ERR")
    return [(int(one.value("3.1") or 0), int(one.value("2.3") or 0)) for one in found]


@pytest.mark.parametrize(
    ("fields", "code", "expected"),
    [
        ({"f9": "", "f10": "", "f11": ""}, "AE", [(101, 9), (101, 10), (101, 11)]),
        ({"f9": "ADT^A61", "f11": "T", "f12": "3"}, "AR", [(201, 9), (202, 11), (203, 12)]),
        ({"f10": "", "f6": "HUBSOUTH", "f11": "T"}, "AE", [(101, 10), (207, 6), (202, 11)]),
        ({"f3": "NOBODY", "f4": "EAST", "f11": "T"}, "AR", [(207, 3)]),
    ],
)
def test_each_fault_of_a_header_has_its_error_and_the_first_decides(
    fields: dict[str, str], code: str, expected: list[tuple[int, int]]
) -> None:
    intake = FakeIntake()
    (reply,) = receive(intake, frame(**fields))
    assert lex(reply.ack).value("MSA-1") == code
    assert errors(reply) == expected
    (arrival,) = intake.arrivals
    assert arrival.fault is not None
    assert arrival.fault.code == f"hl7_{expected[0][0]}"


def test_a_sender_who_claims_to_be_another_is_audited_whatever_else_is_wrong() -> None:
    intake = FakeIntake()
    receive(intake, frame(f10="", f4="EAST"))
    assert intake.arrivals[0].denied == "The sender may not send for this facility."
