"""The steps of a round: which are possible when, and what an approval still covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hub.domain.purchasing.rounds import (
    TRANSITIONS,
    AwardedLine,
    RoundStatus,
    RoundTerms,
    Step,
    after,
    still_holds,
)
from hub.errors import Conflict

USUAL = (
    (Step.LOCK, "locked"),
    (Step.INVITE_BIDS, "bidding"),
    (Step.CLOSE_BIDDING, "locked"),
    (Step.SOLVE, "solving"),
    (Step.KEEP_PLAN, "solved"),
    (Step.APPROVE, "approved"),
    (Step.RELEASE_ORDERS, "ordered"),
    (Step.RECEIVE, "receiving"),
    (Step.CLOSE, "closed"),
)
LINE = AwardedLine(12, Decimal("9.50"))
KEY = ("i", "o1")


def test_the_usual_way_leads_from_open_to_closed() -> None:
    status = RoundStatus.OPEN
    for step, expected in USUAL:
        status = after(status, step)
        assert status == expected


def test_a_refusal_says_what_is_possible_instead() -> None:
    with pytest.raises(Conflict, match=r"round is open.*possible: cancel, lock"):
        after("open", Step.APPROVE)
    with pytest.raises(Conflict, match="nothing more is possible"):
        after("closed", Step.REOPEN)


def test_nothing_leads_back_once_a_plan_is_approved() -> None:
    forward = {"approved": {"ordered"}, "ordered": {"receiving", "closed"}, "receiving": {"closed"}}
    for status, allowed in forward.items():
        reached = {to for _, (sources, to) in TRANSITIONS.items() if status in sources}
        assert reached == allowed


def test_every_state_is_reached_and_only_ended_rounds_have_no_way_on() -> None:
    targets = {to for _, to in TRANSITIONS.values()} | {RoundStatus.OPEN}
    sources = {status for froms, _ in TRANSITIONS.values() for status in froms}
    assert targets == set(RoundStatus)
    assert set(RoundStatus) - sources == {RoundStatus.CLOSED, RoundStatus.CANCELLED}


def test_a_window_is_open_to_its_last_moment_and_categories_limit_what_is_bought() -> None:
    end = datetime(2026, 3, 2, 15, tzinfo=UTC)
    terms = RoundTerms(end, ("gloves",))
    assert terms.in_window(end)
    assert not terms.in_window(end + timedelta(microseconds=1))
    assert terms.buys("gloves")
    assert not terms.buys("gauze")
    assert RoundTerms().buys("gauze")


@pytest.mark.parametrize(
    ("planned", "pays", "holds"),
    [
        ({KEY: LINE}, "100.00", True),
        ({KEY: replace(LINE, price=Decimal("9.00"))}, "95.00", True),
        ({KEY: replace(LINE, price=Decimal("9.51"))}, "100.00", False),
        ({KEY: LINE}, "100.01", False),
        ({KEY: replace(LINE, packs=13)}, "100.00", False),
        ({("i", "o2"): LINE}, "100.00", False),
        ({}, "0.00", False),
    ],
)
def test_an_approval_covers_the_same_lines_for_no_more_money(
    planned: dict[tuple[str, str], AwardedLine], pays: str, holds: bool
) -> None:
    assert still_holds({KEY: LINE}, Decimal("100.00"), planned, Decimal(pays)) is holds
