from datetime import timedelta

import pytest

from hub.domain.eligibility_codes import CODES, WHO_ACTS
from hub.domain.eligibility_rejects import Lane, is_expected, reject, retry_after


def test_all_fifty_five_codes_have_a_class_a_meaning_and_a_remedy() -> None:
    assert len(CODES) == 55
    for code, row in CODES.items():
        assert row.klass in WHO_ACTS, code
        assert row.meaning.endswith("."), code
        assert row.remedy.endswith("."), code
        assert row.element or row.klass in {"payer_down", "routing"}, code


def test_no_two_codes_of_one_loop_read_alike() -> None:
    texts = [reject("2100C", code, "C").text for code in CODES]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("loop", "code", "klass", "place"),
    [
        ("2000A", "79", "routing", "(2100A NM1-09)"),
        ("2100B", "43", "routing", "(2100B NM1-09)"),
        ("2100C", "72", "patient_match", "(2100C NM1-09)"),
        ("2100D", "58", "patient_match", "(2100D DMG-02)"),
        ("2110D", "55", "service", "(2110D EQ-02)"),
        ("2100C", "62", "dates", "(2100C DTP-03)"),
    ],
)
def test_the_text_names_the_loop_and_element_to_fix(
    loop: str, code: str, klass: str, place: str
) -> None:
    found = reject(loop, code, "C")
    assert found.klass == klass
    assert found.text.endswith(place)


def test_a_code_outside_the_standard_is_kept_and_never_retried() -> None:
    found = reject("2100C", "Q9", "R")
    assert (found.code, found.klass) == ("Q9", "unknown")
    assert retry_after([found], "desk", 1) is None


def test_seventy_nine_beside_forty_two_is_the_payers_trouble() -> None:
    codes = ("42", "79")
    both = [reject("2000A", code, "R", codes) for code in codes]
    assert {item.klass for item in both} == {"payer_down"}
    assert retry_after(both, "desk", 1) is not None


@pytest.mark.parametrize(
    ("code", "loop", "expected"),
    [
        ("42", "2000A", True),
        ("72", "2100C", True),
        ("72", "2100D", False),
        ("67", "2100D", True),
        ("67", "2100C", False),
        ("58", "2100A", False),
        ("AG", "2110C", True),
        ("43", "2100B", True),
    ],
)
def test_codes_are_expected_in_their_loops(code: str, loop: str, expected: bool) -> None:
    assert is_expected(code, loop) is expected


def delays(code: str, action: str, lane: Lane) -> list[timedelta]:
    """Each wait until nobody is asked any more."""
    found: list[timedelta] = []
    while (wait := retry_after([reject("2100A", code, action)], lane, len(found) + 1)) is not None:
        found.append(wait)
    return found


def test_the_desk_asks_a_payer_in_trouble_again_within_ninety_seconds() -> None:
    assert 1 <= len(delays("42", "R", "desk")) <= 3
    assert sum(delays("42", "R", "desk"), timedelta()) <= timedelta(seconds=90)


def test_a_batch_spreads_its_tries_over_eight_to_twenty_four_hours() -> None:
    waited = sum(delays("80", "R", "batch"), timedelta())
    assert timedelta(hours=8) <= waited <= timedelta(hours=24)


@pytest.mark.parametrize("code", ["72", "62", "43", "79", "55", "Q9"])
@pytest.mark.parametrize("action", ["C", "N", "R", "P"])
def test_what_a_person_has_to_correct_is_not_asked_again(code: str, action: str) -> None:
    assert delays(code, action, "desk") == delays(code, action, "batch") == []
    assert (
        retry_after([reject("2100A", "42", "R"), reject("2100C", code, action)], "desk", 1) is None
    )


@pytest.mark.parametrize(
    ("action", "waits", "told"),
    [
        ("S", [], "passed the question on"),
        ("Y", [], "will answer by itself"),
        ("X", [timedelta(days=10)], "10 days"),
        ("W", [timedelta(days=30)], "30 days"),
    ],
)
def test_what_the_payer_says_about_asking_again_is_done_and_told(
    action: str, waits: list[timedelta], told: str
) -> None:
    assert delays("42", action, "desk") == delays("42", action, "batch") == waits
    for code in ("42", "72", "Q9"):
        assert told in reject("2100A", code, action).text
    assert retry_after([], "desk", 1) is None
