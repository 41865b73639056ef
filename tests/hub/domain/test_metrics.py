"""Who is in a figure across practices, and which months may be published."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import AgreementTerm, Domain, Granularity, Purpose
from hub.domain.metrics import Metric, figure, following, members, months

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)


def term(practice: str, **changes: Any) -> AgreementTerm:
    facts: dict[str, Any] = {
        "practice_id": practice,
        "practice_zone": "America/Chicago",
        "domain": Domain.SCHEDULE,
        "granularity": Granularity.AGGREGATE,
        "purposes": frozenset({Purpose.OPERATIONS}),
        "starts_on": date(2026, 1, 1),
        "data_aggregation": True,
        **changes,
    }
    return AgreementTerm(**facts)


def test_who_lacks_only_the_clause_is_left_out_and_named():
    found = members(
        Metric.APPOINTMENTS,
        [
            term("in"),
            term("rows", granularity=Granularity.ROW),
            term("no-clause", data_aggregation=False),
            term("nothing", granularity=Granularity.NONE),
            term("other-domain", domain=Domain.PAYROLL),
            term("other-purpose", purposes=frozenset({Purpose.PURCHASING})),
            term("ended", ends_on=date(2026, 7, 2)),
            term("not-yet", starts_on=date(2026, 7, 3)),
        ],
        NOW,
    )

    assert set(found.counted) == {"in", "rows"}
    assert found.left_out == ("no-clause",)
    assert found.read == {"rows"}


def test_rows_that_an_agreement_opens_for_any_purpose_can_be_subtracted():
    both = [
        term("p", domain=Domain.SCHEDULE),
        term("p", granularity=Granularity.LIMITED, purposes=frozenset({Purpose.PAYMENT})),
    ]

    assert members(Metric.APPOINTMENTS, both, NOW).read == {"p"}


@pytest.mark.parametrize(
    ("read", "shown"),
    [("", True), ("a", True), ("ab", True), ("abc", False), ("abcdef", False), ("abcdefg", True)],
)
def test_what_is_left_when_readable_rows_are_subtracted_is_a_group_as_well(read, shown):
    contributions = {**dict.fromkeys("abcdefg", 10), "nothing": 0}

    assert (figure(contributions, read) is not None) == shown


def test_payroll_is_no_health_information_and_needs_no_clause():
    payroll = term("north", domain=Domain.PAYROLL, data_aggregation=False)

    assert set(members(Metric.PAYROLL_GROSS, [payroll], NOW).counted) == {"north"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([10, 10, 10, 10], None),
        ([10, 10, 10, 10, 10], (50, 5)),
        ([10, 10, 10, 10, 0], None),
        ([10, 10, 10, 10, 14], None),
        ([10, 10, 10, 12, 14], (56, 5)),
    ],
)
def test_a_figure_is_shown_of_five_with_none_above_a_quarter(given, shown):
    found = figure({str(place): value for place, value in enumerate(given)})

    assert (None if found is None else (found.value, found.practices)) == shown


@given(st.dictionaries(st.text(), st.integers(0, 1000)))
def test_what_is_shown_never_lets_one_practice_stand_out(contributions):
    found = figure(contributions)

    if found is not None:
        assert found.practices >= 5
        assert max(contributions.values()) * 4 <= found.value == sum(contributions.values())


def test_months_wait_until_they_are_settled_and_prices_until_they_are_old():
    today = date(2026, 7, 10)

    assert months(Metric.APPOINTMENTS, date(2026, 4, 20), today) == [
        date(2026, 4, 1),
        date(2026, 5, 1),
    ]
    assert months(Metric.APPOINTMENTS, date(2026, 4, 20), date(2026, 7, 11))[-1] == date(2026, 6, 1)
    assert months(Metric.CHARGES, date(2026, 3, 20), today) == [date(2026, 3, 1)]
    assert following(date(2026, 12, 1)) == date(2027, 1, 1)
