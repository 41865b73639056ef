from datetime import timedelta

import pytest

from hub.domain.eligibility_codes import CODES, WHO_ACTS
from hub.domain.eligibility_rejects import is_expected, reject, retry_policy


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
    assert retry_policy([found], "desk").delays == ()


def test_seventy_nine_beside_forty_two_is_the_payers_trouble() -> None:
    codes = ("42", "79")
    both = [reject("2000A", code, "R", codes) for code in codes]
    assert {item.klass for item in both} == {"payer_down"}
    assert retry_policy(both, "desk").delays


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


def test_the_desk_asks_a_payer_in_trouble_again_within_ninety_seconds() -> None:
    policy = retry_policy([reject("2100A", "42", "R")], "desk")
    assert 1 <= len(policy.delays) <= 3
    assert sum(policy.delays, timedelta()) <= timedelta(seconds=90)
    assert policy.change == ""


def test_a_batch_spreads_its_tries_over_eight_to_twenty_four_hours() -> None:
    policy = retry_policy([reject("2100A", "80", "R")], "batch")
    assert timedelta(hours=8) <= sum(policy.delays, timedelta()) <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("code", "action", "tries", "change"),
    [
        ("72", "C", 0, ""),
        ("62", "C", 0, ""),
        ("43", "C", 0, ""),
        ("79", "C", 1, "npi"),
        ("55", "C", 1, "service_type_30"),
        ("42", "Y", 0, ""),
        ("42", "S", 0, ""),
    ],
)
def test_other_classes_are_not_repeated_but_for_one_probe(
    code: str, action: str, tries: int, change: str
) -> None:
    policy = retry_policy([reject("2100C", code, action)], "desk")
    assert (len(policy.delays), policy.change) == (tries, change)


def test_the_payers_waiting_time_is_respected() -> None:
    assert retry_policy([reject("2100A", "42", "X")], "desk").delays == (timedelta(days=10),)
    assert retry_policy([reject("2100A", "42", "W")], "batch").delays == (timedelta(days=30),)
    assert retry_policy([], "desk").delays == ()
