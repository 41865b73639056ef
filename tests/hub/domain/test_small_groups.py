"""When a figure across practices may be shown beside those shown before."""

from __future__ import annotations

from decimal import Decimal

from hub.domain.small_groups import is_large_enough, isolates

SIX = {f"p{number}": Decimal(100) for number in range(6)}
DOUBLED = {practice: cost * 2 for practice, cost in SIX.items()}


def test_a_group_of_five_without_a_large_member_is_shown() -> None:
    assert is_large_enough([100] * 5)
    assert not is_large_enough([100] * 4)
    assert not is_large_enough([100, 100, 100, 100, 200])


def test_the_first_figure_and_one_of_the_same_group_isolate_nobody() -> None:
    assert not isolates([], SIX)
    assert not isolates([SIX], dict(SIX))


def test_a_practice_that_left_came_or_changed_its_demand_is_told_by_the_difference() -> None:
    five = {practice: cost for practice, cost in SIX.items() if practice != "p0"}
    assert isolates([SIX], five)
    assert isolates([five], SIX)
    assert isolates([SIX], {**SIX, "p0": Decimal(150)})
    assert isolates([SIX], {**SIX, "p6": Decimal(0), "p0": Decimal(99)})
    assert isolates([DOUBLED, SIX], five), "any of those shown before"


def test_what_all_changed_alike_tells_of_nobody() -> None:
    assert not isolates([SIX], DOUBLED)
    assert isolates([SIX], {**DOUBLED, "p0": Decimal(900)}), "one changed more than a quarter"


def test_a_figure_that_was_never_shown_cannot_be_subtracted_from() -> None:
    four = {practice: SIX[practice] for practice in ("p0", "p1", "p2", "p3")}
    assert not isolates([four], SIX)
