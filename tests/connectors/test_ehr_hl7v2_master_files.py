"""What a master file's sender is told of each entry, as MFI-6 asks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.ehr_hl7v2.master_files import answer
from connectors.sdk.hl7v2.lexer import lex

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
NOW = datetime(2026, 3, 3, 14, 0, tzinfo=UTC)
FILE = (FIXTURES / "mfn_m02_full.hl7").read_bytes()


@pytest.mark.parametrize(
    ("level", "told"),
    [("AL", ["D12 S", "D13 U"]), ("ER", ["D13 U"]), ("SU", ["D12 S"]), ("NE", []), ("", [])],
)
def test_the_response_level_decides_which_entries_are_answered(level: str, told: list[str]) -> None:
    content = FILE.replace(b"20260303080000||ER", b"20260303080000||" + level.encode())
    segments = answer(lex(content), {"D13"}, NOW)
    fields = [line.split("|") for line in segments if line.startswith("MFA")]
    assert [f"{mfa[5].split('^')[0]} {mfa[4]}" for mfa in fields] == told
    assert bool(segments) == (level in {"AL", "ER", "SU"})


def test_an_answer_repeats_the_record_event_control_id_and_key_as_sent() -> None:
    mfi, mfa = answer(lex(FILE), {"D12"}, NOW)
    assert mfi.startswith("MFI|PRA^Practitioner master file^HL70175||REP")
    assert mfa == "MFA|MAD|MD12|20260303140000+0000|U|D12^CAREDESK|CWE"
