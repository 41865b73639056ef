"""The stages of a solve after simple plans: by the model, or by levels where only spend counts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from hub.domain.purchasing.columns import Bools
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.highs import Outcome, run
from hub.domain.purchasing.level_search import run_by_levels
from hub.domain.purchasing.model import Model, build
from hub.domain.purchasing.neighbourhoods import line_groups, neighbourhood, undecided
from hub.domain.purchasing.progress import Search
from hub.domain.purchasing.relaxation import Relaxed, relax
from hub.domain.purchasing.search import improve, mend
from hub.domain.purchasing.spend_levels import Levels, levels_of
from hub.domain.purchasing.state import State

_SMALL = 20_000
"""Up to so many columns the whole model is solved at once, without the stages before."""

_WHOLE = 250_000
"""Up to so many columns HiGHS gets the whole model; above, only parts of it."""

_UNDECIDED_PART = 0.4
_NEIGHBOURHOOD = 1_500
"""Lines set free at a time."""

_NEIGHBOURHOOD_SECONDS = 60.0
_FINE = 1e-5
"""Gap of a neighbourhood: it is a part of the cost of all lines, most of which are kept."""
_MENDING = 1.0
"""Seconds that the local search may take after the solver ended."""

_EXACT = 1e-3
"""The solver's bound is trusted to a thousandth of a cent."""

_UNPROVEN = Outcome("limit", None, -math.inf)


class Method(Protocol):
    """How a solve goes on from simple plans; begun, followed and finished once, in this order."""

    def begin(self, state: State) -> State:
        """A bound, and `state` or a better plan to improve."""

    def follow(self) -> None:
        """Better plans, before what buying alone would cost is looked at."""

    def finish(self) -> Outcome:
        """Better plans, and the proof."""


def method_for(search: Search) -> Method:
    """By the levels of spend where only those tie lines together, else by the whole model."""
    levels = levels_of(search.problem)
    return ByModel(search) if levels is None else ByLevels(search, levels)


class ByModel:
    """Relaxation, a neighbourhood around it, then the whole model or more neighbourhoods."""

    def __init__(self, search: Search) -> None:
        self._search, self._model = search, build(search.problem)
        self._relaxed: Relaxed | None = None

    def begin(self, state: State) -> State:
        self._relaxed = bound_by_relaxation(self._search, self._model)
        if self._relaxed is None:
            return state
        return better_rounded(self._search, self._model, self._relaxed, state)

    def follow(self) -> None:
        search_undecided(self._search, self._model, self._relaxed)

    def finish(self) -> Outcome:
        return search_by_model(self._search, self._model, self._relaxed)


class ByLevels:
    """Branch and bound over the levels of spend."""

    def __init__(self, search: Search, levels: Levels) -> None:
        self._search, self._levels = search, levels

    def begin(self, state: State) -> State:
        return state

    def follow(self) -> None:
        """Nothing: `finish` finds better plans as soon."""

    def finish(self) -> Outcome:
        search = self._search
        search.tell("solver")
        if search.best is None or search.stop() or search.good_enough():
            return _UNPROVEN
        outcome = run_by_levels(
            self._levels,
            search.best.chosen,
            seconds=search.left,
            watch=_watch(search, proves=True),
            found=lambda chosen: search.keep(State(search.problem, chosen)),
        )
        search.tell("solver")
        return outcome


def bound_by_relaxation(search: Search, model: Model) -> Relaxed | None:
    """Raise the bound by the linear relaxation of a model that is not small."""
    if len(model.cost) <= _SMALL or search.stop():
        return None

    def proven(bound: float) -> None:
        search.bound = max(search.bound, math.floor(bound - _EXACT))
        search.tell("solver")

    start = search.best.chosen if search.best else None
    return relax(model, start, seconds=search.left / 2, stop=search.stop, proven=proven)


def better_rounded(search: Search, model: Model, relaxed: Relaxed, state: State) -> State:
    """The relaxation with each line where most of it is, mended; `state` if that is better."""
    rounded = mend(State(search.problem, model.decode(relaxed.values)), search.stop)
    search.keep(rounded)
    return min(rounded, state, key=lambda each: each.rank)


def search_undecided(search: Search, model: Model, relaxed: Relaxed | None) -> None:
    """Look for better plans where the relaxation and the plan differ."""
    best = search.best
    if relaxed is None or best is None or search.good_enough() or len(model.cost) > _WHOLE:
        return
    search.tell("solver")
    lines = undecided(model, relaxed, best.chosen)
    active = neighbourhood(model, relaxed, best.chosen, lines)
    _part(search, model, active, search.left * _UNDECIDED_PART)


def search_by_model(search: Search, model: Model, relaxed: Relaxed | None) -> Outcome:
    """Better plans, and a better bound where the model is not too large."""
    search.tell("solver")
    if search.stop() or search.good_enough():
        return _UNPROVEN
    if len(model.cost) > _WHOLE and search.best is not None:
        _neighbourhoods(search, model, relaxed)
        return _UNPROVEN
    return _UNPROVEN if search.good_enough() else _whole(search, model)


def _neighbourhoods(search: Search, model: Model, relaxed: Relaxed | None) -> None:
    if search.best is None:
        return
    first = undecided(model, relaxed, search.best.chosen) if relaxed is not None else []
    for lines in line_groups(search.problem, _NEIGHBOURHOOD, first):
        if search.stop() or search.good_enough():
            return
        active = neighbourhood(model, relaxed, search.best.chosen, lines)
        _part(search, model, active, _NEIGHBOURHOOD_SECONDS)


def _part(search: Search, model: Model, active: Bools, seconds: float) -> None:
    """Look for a cheaper plan among these columns; their bound proves nothing."""
    if search.best is None or search.stop():
        return
    outcome = run(
        model,
        seconds=min(seconds, search.left),
        gap=_FINE,
        start=search.best.chosen,
        watch=_watch(search, proves=False),
        found=lambda chosen: search.keep(State(search.problem, chosen)),
        active=active,
    )
    _take(search, outcome)
    search.tell("solver")


def _whole(search: Search, model: Model) -> Outcome:
    outcome = run(
        model,
        seconds=search.left,
        gap=search.instance.limits.gap / RATE_UNIT,
        start=search.best.chosen if search.best else None,
        watch=_watch(search, proves=True),
        found=lambda chosen: search.keep(State(search.problem, chosen)),
    )
    _take(search, outcome)
    return outcome


def _watch(search: Search, *, proves: bool) -> Callable[[float], bool]:
    told = 0.0

    def watch(bound: float) -> bool:
        nonlocal told
        if proves and math.isfinite(bound):
            search.bound = max(search.bound, math.floor(bound - _EXACT))
        if search.seconds - told > 0.1:
            told = search.seconds
            search.tell("solver")
        return search.stop() or search.good_enough()

    return watch


def _take(search: Search, outcome: Outcome) -> None:
    """Take over the solver's plan, mended where rounding broke a rule or it was cut short."""
    if outcome.chosen is not None:
        state = State(search.problem, outcome.chosen)
        if state.violation or outcome.ended == "limit":
            mended = time.monotonic() + _MENDING
            improve(state, lambda: time.monotonic() > mended)
        search.keep(state)
    if outcome.purchases is not None:
        search.keep_split(outcome.purchases)
