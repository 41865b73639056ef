from dataclasses import replace
from datetime import UTC, datetime

from connectors.sdk import x12

NOW = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
ENVELOPE = x12.Envelope(
    sender_qualifier="01",
    sender="VENDOR",
    receiver_qualifier="ZZ",
    receiver="MSO",
    control=3,
    group_control=4,
    functional_id="PR",
    version="004010",
    sent_at=NOW,
)


def received(functional_id: str, *drafts: x12.Draft) -> x12.Interchange:
    raw = x12.write(replace(ENVELOPE, functional_id=functional_id), drafts)
    return x12.interchanges(raw)[0]


def acknowledgment(raw: bytes) -> x12.Acknowledgment:
    return x12.read_acknowledgment(x12.interchanges(raw)[0].transactions[0])


TWO = (x12.Draft("855", "0001", [("BAK", "00", "AC")]), x12.Draft("855", "0002", [("BAK", "00")]))


def test_a_997_answers_each_transaction_with_the_parties_exchanged() -> None:
    raw = x12.write_997(received("PR", *TWO), control=8, sent_at=NOW)
    assert raw is not None
    header = x12.interchanges(raw)[0].header
    assert (header.sender, header.receiver) == ("MSO", "VENDOR")
    answer = acknowledgment(raw)
    assert (answer.functional_id, answer.group_control, answer.status) == ("PR", "4", "A")
    assert [(item.set_id, item.control, item.status) for item in answer.sets] == [
        ("855", "0001", "A"),
        ("855", "0002", "A"),
    ]
    assert answer.accepted


def test_a_refused_transaction_makes_the_group_partly_accepted() -> None:
    refused = {("4", "0002"): "5"}
    raw = x12.write_997(received("PR", *TWO), control=8, sent_at=NOW, rejected=refused)
    assert raw is not None
    answer = acknowledgment(raw)
    assert answer.status == "P"
    assert (answer.sets[1].status, answer.sets[1].codes) == ("R", ("5",))
    assert not answer.accepted
    assert b"AK9*P*2*2*1~" in raw


def test_an_acknowledgment_is_never_acknowledged() -> None:
    draft = x12.Draft("997", "0001", [("AK1", "PO", "1"), ("AK9", "A", "1", "1", "1")])
    assert x12.write_997(received("FA", draft), control=8, sent_at=NOW) is None


def test_a_999_locates_the_fault_and_drops_the_bad_value() -> None:
    lines: list[x12.SegmentDraft] = [
        ("AK1", "HS", "4", "005010X279A1"),
        ("AK2", "270", "0001", "005010X279A1"),
        ("IK3", "NM1", "8", "2100", "8"),
        ("IK4", ("9", "", "67"), "67", "7", "BADVALUE"),
        ("IK3", "HL", "3", "", "4"),
        ("IK5", "R", "5"),
        ("AK9", "R", "1", "1", "0"),
    ]
    answer = x12.read_acknowledgment(
        received("FA", x12.Draft("999", "0001", lines)).transactions[0]
    )
    assert not answer.accepted
    assert answer.faults() == ("NM1 at 8, element 9 code 7", "HL at 3, code 4")
    assert "BADVALUE" not in repr(answer)


def test_an_acknowledgment_without_verdict_is_no_acceptance() -> None:
    lines: list[x12.SegmentDraft] = [("AK1", "HS", "4"), ("IK4", "1"), ("IK5", "A")]
    answer = x12.read_acknowledgment(
        received("FA", x12.Draft("999", "0001", lines)).transactions[0]
    )
    assert not answer.accepted
