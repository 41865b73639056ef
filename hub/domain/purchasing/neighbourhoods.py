"""Small parts of a large model around a plan, each solved for a cheaper one.

A neighbourhood frees some lines and keeps the offers of all others; tiers stay open. Most worth it
are lines about which the plan and the linear relaxation differ (Danna, Rothberg and Le Pape 2005);
after these, those of some categories, or of some practices. Lines of one practice go together: its
orders with all vendors are then open, and their freight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hub.domain.purchasing.columns import Bools
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.problem import Problem
from hub.domain.purchasing.relaxation import Relaxed

_DECIDED = 0.999
"""A line is decided where the relaxation buys more than this part of it as the plan does."""

_LIKED = 1e-3
_CLOSE = 0.01
"""Columns are considered whose reduced cost is at most this part of their cost."""


def undecided(model: Model, relaxed: Relaxed, chosen: Sequence[int]) -> list[int]:
    """Lines that the relaxation does not buy wholly where the plan does."""
    uses, count = model.uses, len(model.uses)
    agreed = np.zeros(len(chosen))
    here = np.asarray(chosen, dtype=np.int64)[uses.line] == uses.option
    np.add.at(agreed, uses.line[here], relaxed.values[:count][here])
    return [int(line) for line in np.flatnonzero(agreed < _DECIDED)]


def neighbourhood(
    model: Model, relaxed: Relaxed | None, chosen: Sequence[int], lines: Sequence[int]
) -> Bools:
    """The plan's own offers, and for these lines every other that is not too dear."""
    uses, count = model.uses, len(model.uses)
    free = np.zeros(len(chosen), dtype=bool)
    free[list(lines)] = True
    open_to = free[uses.line]
    if relaxed is not None:
        open_to &= _liked(model, relaxed)
    active = np.ones(len(model.cost), dtype=bool)
    active[:count] = open_to | _of_plan(model, chosen)
    return active


def _liked(model: Model, relaxed: Relaxed) -> Bools:
    """Columns of lines with some value in the relaxation, or with a small reduced cost."""
    count = len(model.uses)
    near = relaxed.reduced[:count] <= _CLOSE * model.cost[:count]
    return np.asarray(near | (relaxed.values[:count] > _LIKED))


def _of_plan(model: Model, chosen: Sequence[int]) -> Bools:
    return np.asarray(np.asarray(chosen, dtype=np.int64)[model.uses.line] == model.uses.option)


def line_groups(
    problem: Problem, size: int, first: Sequence[int] = (), seed: int = 1
) -> Iterator[list[int]]:
    """Without end: about `size` lines, of whole categories and of whole practices in turn.

    Until all of `first` were among them, from these only.
    """
    chance = np.random.default_rng(seed)
    everything = range(len(problem.lines))
    yield from _in_turn(problem.practice_of, first, size, chance)
    while True:
        for key_of in (problem.category_of, problem.practice_of):
            yield next(_in_turn(key_of, everything, size, chance))


def _in_turn(
    key_of: Sequence[int], lines: Sequence[int], size: int, chance: np.random.Generator
) -> Iterator[list[int]]:
    """All of the lines, those with the same key together."""
    groups: dict[int, list[int]] = {}
    for line in lines:
        groups.setdefault(key_of[line], []).append(line)
    members, found = list(groups.values()), list[int]()
    for n in chance.permutation(len(members)):
        if found and len(found) + len(members[n]) > size:
            yield found
            found = []
        found = found + members[n]
    if found:
        yield found
