from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from hub.domain import eligibility_rules as rules
from hub.domain.eligibility import Benefit, EligibilityQuery, EligibilityResult
from hub.domain.eligibility_rejects import reject

CHICAGO = ZoneInfo("America/Chicago")
KEY = b"k" * 32
DAY = date(2026, 3, 4)
QUERY = EligibilityQuery(
    payer_id="00220",
    payer_name="Northern Mutual",
    provider_npi="1234567893",
    provider_name="Lake Clinic",
    member_id="ACT000001",
    subscriber_family="Roe",
    subscriber_given="Jane",
    subscriber_birth_date=date(1980, 5, 6),
    service_date=DAY,
    trace="T1",
    trace_company="9MSOHUB000",
    control_number=1,
    sent_at=datetime(2026, 3, 1, tzinfo=UTC),
)


def test_a_resent_question_keeps_its_fingerprint() -> None:
    again = replace(QUERY, trace="T2", control_number=9, sent_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert rules.fingerprint(KEY, "p1", QUERY) == rules.fingerprint(KEY, "p1", again)


def test_case_and_spaces_do_not_change_the_fingerprint() -> None:
    typed = replace(QUERY, subscriber_family=" roe ", member_id="act000001")
    assert rules.fingerprint(KEY, "p1", QUERY) == rules.fingerprint(KEY, "p1", typed)


@pytest.mark.parametrize(
    "change",
    [
        {"payer_id": "00221"},
        {"provider_npi": "1000000004"},
        {"member_id": "ACT000002"},
        {"subscriber_birth_date": None},
        {"service_date": date(2026, 3, 5)},
        {"service_types": ("30", "98")},
        {"relationship": "child", "patient_given": "Max"},
    ],
)
def test_another_question_has_another_fingerprint(change: dict[str, object]) -> None:
    other = replace(QUERY, **change)  # type: ignore[arg-type]
    assert rules.fingerprint(KEY, "p1", QUERY) != rules.fingerprint(KEY, "p1", other)


def test_practice_and_key_are_part_of_the_fingerprint() -> None:
    prints = {
        rules.fingerprint(KEY, "p1", QUERY),
        rules.fingerprint(KEY, "p2", QUERY),
        rules.fingerprint(b"other", "p1", QUERY),
    }
    assert len(prints) == 3


def status(kind: str, *service_types: str) -> Benefit:
    return Benefit(kind, service_types=service_types)


@pytest.mark.parametrize(
    ("benefits", "asked", "expected"),
    [
        ([status("1", "30")], ("30",), "active"),
        ([status("5", "30", "98")], ("30",), "active"),
        ([status("1", "98")], ("98",), "active"),
        ([status("1")], ("30",), "active"),
        ([status("6", "30")], ("30",), "inactive"),
        ([status("6", "30"), status("1", "30")], ("30",), "active"),
        ([status("1", "35")], ("30",), "unknown"),
        ([status("6", "35"), status("1", "30")], ("30",), "active"),
        ([status("V", "30")], ("30",), "unknown"),
        ([status("B", "98")], ("30",), "unknown"),
        ([], ("30",), "unknown"),
    ],
)
def test_the_outcome_follows_the_status_of_the_service_type_asked(
    benefits: list[Benefit], asked: tuple[str, ...], expected: str
) -> None:
    assert rules.outcome_of(benefits, [], service_types=asked) == expected


def test_a_reject_of_the_person_refuses_the_answer_even_beside_benefits() -> None:
    rejects = [reject("2100C", "75", "C")]
    assert rules.outcome_of([status("1", "30")], rejects) == "rejected"


def test_a_reject_of_one_service_leaves_the_status_standing() -> None:
    rejects = [reject("2110C", "55", "C")]
    assert rules.outcome_of([status("1", "30")], rejects) == "active"
    assert rules.outcome_of([status("B", "98")], rejects) == "rejected"


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        (date(2026, 1, 1), None, "active"),
        (None, DAY, "active"),
        (DAY, DAY, "active"),
        (date(2026, 3, 5), None, "unknown"),
        (date(2025, 1, 1), date(2026, 3, 3), "unknown"),
    ],
)
def test_active_needs_the_service_date_inside_the_coverage(
    starts: date | None, ends: date | None, expected: str
) -> None:
    found = rules.outcome_of([status("1", "30")], [], service_date=DAY, coverage=(starts, ends))
    assert found == expected


def deductible(period: str, amount: str, **change: object) -> Benefit:
    return replace(
        Benefit("C", "IND", ("30",), period=period, amount=Decimal(amount), network="Y"),
        **change,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("known", "period", "amount"),
    [
        ((("23", "1500"), ("29", "1100")), "24", "400"),
        ((("23", "1500"), ("24", "400")), "29", "1100"),
        ((("24", "400"), ("29", "1100")), "23", "1500"),
    ],
)
def test_the_third_amount_is_derived_from_two(
    known: tuple[tuple[str, str], ...], period: str, amount: str
) -> None:
    benefits, issues = rules.reconcile_amounts([deductible(*item) for item in known])
    assert issues == ()
    assert benefits[-1] == deductible(period, amount, derived=True)


def test_three_amounts_that_disagree_are_kept_and_reported() -> None:
    three = [deductible("23", "1500"), deductible("24", "400"), deductible("29", "1000")]
    benefits, issues = rules.reconcile_amounts(three)
    assert list(benefits) == three
    assert [issue.code for issue in issues] == ["amounts_disagree"]


@pytest.mark.parametrize(
    "pair",
    [
        [deductible("23", "1500"), deductible("29", "10", network="N")],
        [deductible("23", "1500"), deductible("29", "10", level="FAM")],
        [deductible("23", "1500"), deductible("33", "10")],
        [deductible("23", "1500"), deductible("", "0.00")],
        [deductible("23", "1500"), deductible("29", "10", messages=("TIER 2",))],
        [deductible("23", "1"), deductible("23", "2"), deductible("24", "1")],
        [deductible("23", "100"), deductible("29", "900")],
    ],
)
def test_amounts_of_different_or_doubtful_slots_are_not_combined(pair: list[Benefit]) -> None:
    assert rules.reconcile_amounts(pair) == (tuple(pair), ())


NOON = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)


def answer(outcome: str, code: str = "") -> EligibilityResult:
    rejects = (reject("2100C", code, "C"),) if code else ()
    return EligibilityResult(outcome, "T1", "9MSOHUB000", rejects=rejects)  # type: ignore[arg-type]


def test_an_active_answer_is_fresh_for_a_day() -> None:
    assert rules.fresh_until(answer("active"), NOON, CHICAGO) == NOON + timedelta(hours=24)


def test_an_active_answer_ends_with_the_month_of_the_practice() -> None:
    late = datetime(2026, 4, 1, 2, 0, tzinfo=UTC)  # 31 March, 21:00 in Chicago
    assert rules.fresh_until(answer("active"), late, CHICAGO) == datetime(
        2026, 4, 1, 5, 0, tzinfo=UTC
    )


def test_an_inactive_answer_is_fresh_for_four_hours() -> None:
    assert rules.fresh_until(answer("inactive"), NOON, CHICAGO) == NOON + timedelta(hours=4)


def test_a_reject_of_our_data_holds_until_the_inputs_change() -> None:
    until = rules.fresh_until(answer("rejected", "75"), NOON, CHICAGO)
    assert until is not None
    assert until.year == 9999


@pytest.mark.parametrize("result", [answer("rejected", "42"), answer("unknown")])
def test_payer_trouble_and_unknown_outcomes_are_never_reused(result: EligibilityResult) -> None:
    assert rules.fresh_until(result, NOON, CHICAGO) is None


def test_a_new_month_makes_a_checked_visit_due_again_from_three_in_the_morning() -> None:
    checked = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)
    before = datetime(2026, 4, 1, 7, 59, tzinfo=UTC)  # 02:59 in Chicago
    after = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)
    assert not rules.month_refresh_due(checked, before, CHICAGO)
    assert rules.month_refresh_due(checked, after, CHICAGO)
    assert not rules.month_refresh_due(after, after + timedelta(hours=1), CHICAGO)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 1, 8, 59, tzinfo=UTC), False),  # the clocks went back at 07:00 UTC
        (datetime(2026, 11, 1, 9, 0, tzinfo=UTC), True),
    ],
)
def test_the_month_refresh_keeps_to_local_time_on_the_day_clocks_change(
    now: datetime, due: bool
) -> None:
    checked = datetime(2026, 10, 31, 12, 0, tzinfo=UTC)
    assert rules.month_refresh_due(checked, now, CHICAGO) is due
