from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.payer_x12.parse import read_answer
from hub.domain.eligibility import EligibilityResult
from hub.errors import HubError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "payer_x12"
ACTIVE = (FIXTURES / "active.edi").read_text()


def read(text: str) -> EligibilityResult:
    return read_answer(text.encode(), trace="TRACE0001", trace_company="9MSOHUB000")


def test_two_answers_in_one_interchange_are_told_apart_by_trace() -> None:
    other = (FIXTURES / "other_trace.edi").read_text()
    assert read(other + ACTIVE) == read(ACTIVE)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("HL*3*2*22*0", "HL*3*2*99*0", "unknown_code"),
        ("EB*B*IND*UC***27*.10", "EB*B*IND*UC***27*1E99", "number"),
        ("EB*B*IND*UC***27*.10", "EB*B*IND*UC***27*NAN", "number"),
        ("EB*B*IND*UC***27*.10", "EB*B*IND*UC***27*1E9999999", "number"),
        ("EB*B*IND*UC***27*.10", "EB*B*IND*UC***27*." + "1" * 100, "number"),
        ("DTP*346*D8*20260101", "DTP*346*D8*2026-1-1", "date"),
        ("DTP*346*D8*20260101", "DTP*346*D8*20260231", "date"),
    ],
)
def test_a_bad_value_is_a_warning_and_the_rest_is_read(old: str, new: str, code: str) -> None:
    assert old in ACTIVE
    result = read(ACTIVE.replace(old, new))
    assert result.outcome == "active"
    assert code in {warning.code for warning in result.warnings}
    assert all("1E99" not in warning.text for warning in result.warnings)


def test_a_plan_date_that_echoes_the_question_is_no_begin_of_coverage() -> None:
    text = ACTIVE.replace("DTP*346*D8*20260101", "DTP*291*D8*20260304")
    result = read_answer(
        text.encode(), trace="TRACE0001", trace_company="9MSOHUB000", service_date=date(2026, 3, 4)
    )
    assert result.coverage_from is None


LINES = ACTIVE.split("~\n")[1:-4]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_shuffled_dropped_and_doubled_segments_never_escape(data: st.DataObject) -> None:
    middle = data.draw(st.lists(st.sampled_from(LINES), max_size=40))
    head, tail = ACTIVE.split("~\n")[:3], ["SE*1*0001", "GE*1*311", "IEA*1*000000311", ""]
    try:
        result = read("~\n".join([*head, *middle, *tail]))
    except HubError:
        return
    assert result.outcome in {"active", "inactive", "rejected", "unknown"}
    assert result.trace == "TRACE0001"


@settings(max_examples=120, deadline=None)
@given(
    place=st.integers(106, len(ACTIVE) - 1),
    junk=st.sampled_from(["~", "*", ":", "^", "AAA*N**75*C~", "\x00", "999999999999", "ñ"]),
    drop=st.integers(0, 20),
)
def test_damaged_answers_never_escape(place: int, junk: str, drop: int) -> None:
    try:
        result = read(ACTIVE[:place] + junk + ACTIVE[place + drop :])
    except HubError:
        return
    assert result.outcome in {"active", "inactive", "rejected", "unknown"}
