"""The grid of MSH-15 and MSH-16 (table 0155): what is said at the door, and what afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.sdk.hl7v2.acknowledging import (
    Processed,
    accept_code,
    application_ack,
    application_code,
)
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.lexer import lex

NOT_STORED = Fault(207, "", "The message could not be stored.", "AE")
REFUSED = Fault(201, "MSH-9.2", "This event is not supported.", "AR")
ENDED = datetime(2026, 3, 2, 15, 0, 7, 1234, tzinfo=UTC)

ORIGINAL = ("AA", "AE", "AR")
FAULTS_ONLY = ("", "AE", "AR")
SILENT = ("", "", "")
DOOR = {
    "": {"": ORIGINAL, "AL": ORIGINAL, "NE": SILENT, "ER": FAULTS_ONLY, "SU": SILENT},
    "NE": {"": SILENT, "AL": ORIGINAL, "NE": SILENT, "ER": FAULTS_ONLY, "SU": SILENT},
    "AL": dict.fromkeys(("", "AL", "NE", "ER", "SU"), ("CA", "CE", "CR")),
    "ER": dict.fromkeys(("", "AL", "NE", "ER", "SU"), ("", "CE", "CR")),
    "SU": dict.fromkeys(("", "AL", "NE", "ER", "SU"), ("CA", "", "")),
}
ENHANCED = {"": SILENT, "AL": ORIGINAL, "NE": SILENT, "ER": FAULTS_ONLY, "SU": ("AA", "", "")}
AFTERWARDS = {
    "": {"": SILENT, "AL": SILENT, "NE": SILENT, "ER": FAULTS_ONLY, "SU": ("AA", "", "")},
    "NE": {"": SILENT, "AL": SILENT, "NE": SILENT, "ER": FAULTS_ONLY, "SU": ("AA", "", "")},
    "AL": ENHANCED,
    "ER": ENHANCED,
    "SU": ENHANCED,
}
CELLS = [(accept, application) for accept in DOOR for application in DOOR[accept]]


@pytest.mark.parametrize(("accept", "application"), CELLS)
def test_at_the_door_the_two_wishes_decide_who_hears_what(accept: str, application: str) -> None:
    heard = tuple(
        accept_code(accept, application, fault) or "" for fault in (None, NOT_STORED, REFUSED)
    )
    assert heard == DOOR[accept][application]


@pytest.mark.parametrize(("accept", "application"), CELLS)
def test_after_processing_only_msh_16_and_what_was_said_before_count(
    accept: str, application: str
) -> None:
    heard = (
        application_code(accept, application, "applied") or "",
        application_code(accept, application, "content_error") or "",
        application_code(accept, application, "refused") or "",
    )
    assert heard == AFTERWARDS[accept][application]


def test_nobody_is_told_of_success_twice() -> None:
    for accept, application in CELLS:
        if accept_code(accept, application, None) == "AA":
            assert application_code(accept, application, "applied") is None


@pytest.mark.parametrize("place", [0, 1])
def test_a_word_outside_the_table_counts_as_empty(place: int) -> None:
    odd, empty = ["AL", "AL"], ["AL", "AL"]
    odd[place], empty[place] = "2.5.1", ""
    for fault in (None, NOT_STORED, REFUSED):
        assert accept_code(*odd, fault) == accept_code(*empty, fault)
    assert application_code(*odd, "applied") == application_code(*empty, "applied")


MESSAGE = (
    b"MSH|^~\\&|EHRA|FAC1|HUB|TO1|20260302||ADT^A04^ADT_A01|odd id/7|P|2.5.1|||AL|AL\rPID|1||77\r"
)


def ended(state: str, code: str = "", path: str = "", text: str = "") -> Processed:
    return Processed("018f-in", state, code, path, text, ENDED)


def test_an_application_acknowledgement_is_a_message_of_its_own() -> None:
    ack = lex(application_ack(MESSAGE, ended("processed"), "AA", accept="AL"))
    assert [ack.value(f"MSH-{number}") for number in (3, 4, 5, 6)] == ["HUB", "TO1", "EHRA", "FAC1"]
    assert (ack.value("MSA-1"), ack.value("MSA-2")) == ("AA", "odd id/7")
    assert (ack.value("MSH-15"), ack.value("MSH-16")) == ("AL", "NE")
    own = ack.value("MSH-10") or ""
    assert own not in {"", "odd id/7"}
    assert len(own) <= 20
    assert ack.value("MSH-7") == "20260302150007+0000"
    assert ack.value("ERR-3.1") is None


def test_it_has_the_same_bytes_each_time_and_another_id_for_another_end() -> None:
    first = application_ack(MESSAGE, ended("processed"), "AA", accept="NE")
    assert application_ack(MESSAGE, ended("processed"), "AA", accept="NE") == first
    later = Processed("018f-in", "processed", "", "", "", ENDED.replace(second=8))
    assert later.control_id != ended("processed").control_id


@pytest.mark.parametrize(
    ("processed", "ending", "code"),
    [
        (ended("processed"), "applied", ""),
        (ended("ignored", "ignored", "", "not wanted"), "applied", ""),
        (ended("quarantined", "hl7_102", "PID-7", "No date."), "content_error", "102"),
        (ended("quarantined", "key_missing", "PID-3", "No key."), "content_error", "207"),
        (ended("quarantined", "hl7_999", "", "Odd."), "content_error", "207"),
        (ended("quarantined", "hl7_201", "MSH-9", "Not supported."), "refused", "201"),
    ],
)
def test_the_end_of_reading_decides_code_and_place(
    processed: Processed, ending: str, code: str
) -> None:
    assert processed.ending == ending
    ack = lex(application_ack(MESSAGE, processed, "AE"))
    assert (ack.value("ERR-3.1") or "") == code
    assert (ack.value("ERR-2.1") or "") == processed.fault_path.split("-")[0] * bool(code)
