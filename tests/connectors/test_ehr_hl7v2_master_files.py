"""What a master file's sender is told of each entry, as MFI-6 asks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.ehr_hl7v2.master_files import acknowledge, answer, is_not_posted
from connectors.sdk.hl7v2.acknowledging import Processed
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.records import Issue

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
NOW = datetime(2026, 3, 3, 14, 0, tzinfo=UTC)
FILE = (FIXTURES / "mfn_m02_full.hl7").read_bytes()


@pytest.mark.parametrize(
    ("level", "told"),
    [("AL", ["D12 S", "D13 U"]), ("ER", ["D13 U"]), ("SU", ["D12 S"]), ("NE", []), ("", [])],
)
def test_the_response_level_decides_which_entries_are_answered(level: str, told: list[str]) -> None:
    content = FILE.replace(b"20260303080000||ER", b"20260303080000||" + level.encode())
    segments = answer(lex(content), {2}, NOW)
    fields = [line.split("|") for line in segments if line.startswith("MFA")]
    assert [f"{mfa[5].split('^')[0]} {mfa[4]}" for mfa in fields] == told
    assert bool(segments) == (level in {"AL", "ER", "SU"})


def test_an_answer_repeats_the_record_event_control_id_and_key_as_sent() -> None:
    mfi, mfa = answer(lex(FILE), {1}, NOW)
    assert mfi.startswith("MFI|PRA^Practitioner master file^HL70175||REP")
    assert mfa == "MFA|MAD|MD12|20260303140000+0000|U|D12^CAREDESK|CWE"


LEFT_OUT = Issue("unknown_code", "MFE[2]-1", "An entry of the master file cannot be used.")


def ended(*unapplied: Issue, state: str = "processed") -> Processed:
    return Processed("inbox-1", state, "", "", "", NOW, unapplied)


def test_a_master_file_is_acknowledged_by_its_own_message_with_the_entries_that_failed() -> None:
    message = lex(acknowledge(FILE, ended(LEFT_OUT), "AE"))
    assert [segment.id for segment in message] == ["MSH", "MSA", "ERR", "MFI", "MFA"]
    assert message.raw("MSH-9") == "MFK^M02^MFK_M01"
    assert (message.value("MSA-1"), message.value("ERR-3.1")) == ("AE", "103")
    assert message.raw("ERR-2") == "MFE^2^1"
    assert (message.value("MFA-4"), message.value("MFA-5.1")) == ("U", "D13")
    assert acknowledge(FILE, ended(LEFT_OUT), "AE") == message.content


def test_a_master_file_that_could_not_be_read_and_any_other_message_get_a_plain_answer() -> None:
    assert lex(acknowledge(FILE, ended(state="quarantined"), "AE")).value("MSH-9.1") == "ACK"
    other = (FIXTURES / "adt_a04.hl7").read_bytes()
    assert [segment.id for segment in lex(acknowledge(other, ended(), "AA"))] == ["MSH", "MSA"]


def test_entries_and_lists_left_out_make_an_error_of_the_content() -> None:
    assert ended().ending == "applied"
    assert ended(LEFT_OUT).ending == "content_error"
    assert is_not_posted(LEFT_OUT.code, LEFT_OUT.path)
    assert is_not_posted("deactivations_held", "MFI-3")
    assert not is_not_posted("bad_date", "STF-12")
