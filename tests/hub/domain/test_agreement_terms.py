"""Terms of one practice and domain never overlap, and the past stays as it was."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreement_terms import Placed, Span, ended, place
from hub.errors import Conflict, HubError, Rejected

TODAY = date(2026, 3, 10)
OPEN = Span("open", date(2026, 1, 1), None)
LATER = Span("later", date(2026, 6, 1), None)


def test_a_term_ends_the_one_in_force_and_gives_way_to_the_next() -> None:
    assert place([OPEN], TODAY, None, TODAY) == Placed(None, "open", None)
    before = Span("before", OPEN.starts_on, LATER.starts_on)
    assert place([before, LATER], TODAY, None, TODAY) == Placed(LATER.starts_on, "before", None)
    assert place([], date(2025, 1, 1), None, TODAY) == Placed(None, None, None)


def test_one_ended_before_it_began_leaves_its_day_free() -> None:
    withdrawn = Span("withdrawn", LATER.starts_on, LATER.starts_on)
    assert place([withdrawn], LATER.starts_on, None, TODAY) == Placed(None, None, "withdrawn")


@pytest.mark.parametrize(
    ("spans", "starts_on", "ends_on", "error"),
    [
        ([], TODAY, TODAY, Rejected),
        ([OPEN], OPEN.starts_on, None, Conflict),
        ([OPEN], TODAY - timedelta(1), None, Conflict),
        ([LATER], TODAY, LATER.starts_on + timedelta(1), Conflict),
    ],
    ids=["no day", "same day", "over what was in force", "into the next"],
)
def test_what_would_overlap_or_change_the_past_is_refused(
    spans: list[Span], starts_on: date, ends_on: date | None, error: type[HubError]
) -> None:
    with pytest.raises(error):
        place(spans, starts_on, ends_on, TODAY)


def test_ending_keeps_what_was_and_withdraws_what_was_to_come() -> None:
    over = Span("over", date(2025, 1, 1), date(2025, 6, 1))
    running = Span("running", OPEN.starts_on, LATER.starts_on)
    found = ended([over, running, LATER], TODAY, TODAY)
    assert found == {"running": TODAY, "later": LATER.starts_on}
    with pytest.raises(Rejected, match="today or later"):
        ended([running], TODAY - timedelta(1), TODAY)


days = st.integers(-30, 30).map(lambda number: TODAY + timedelta(number))
steps = st.lists(st.tuples(st.sampled_from(["add", "end"]), days, st.none() | days), max_size=8)


@given(steps)
def test_on_no_day_do_two_terms_hold_and_no_past_day_changes(
    asked: list[tuple[str, date, date | None]],
) -> None:
    spans: dict[str, Span] = {}
    for number, (what, first, last) in enumerate(asked):
        past = held(spans, -30, 0)
        try:
            if what == "end":
                ends = ended(list(spans.values()), first, TODAY)
            else:
                placed = place(list(spans.values()), first, last, TODAY)
                ends = {placed.replaces: first} if placed.replaces else {}
                spans.pop(placed.instead_of or "", None)
                spans[str(number)] = Span(str(number), first, placed.ends_on)
        except HubError:
            continue
        for term, day in ends.items():
            spans[term] = Span(term, spans[term].starts_on, day)
        assert all(len(terms) <= 1 for terms in held(spans, -30, 31).values())
        assert all(held(spans, -30, 0)[day] >= terms for day, terms in past.items())


def held(spans: dict[str, Span], first: int, last: int) -> dict[date, set[str]]:
    """The terms that hold on each of these days from today."""
    all_days = [TODAY + timedelta(number) for number in range(first, last)]
    return {day: {span.id for span in spans.values() if span.covers(day)} for day in all_days}
