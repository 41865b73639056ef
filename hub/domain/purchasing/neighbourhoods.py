"""Small parts of a large model around a plan, each solved for a cheaper one.

The kernel holds the columns that the linear relaxation likes. A large neighbourhood frees the lines
of some categories, or of some practices, and keeps the offers of all others; tiers stay open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hub.domain.purchasing.columns import Bools
from hub.domain.purchasing.model import Model
from hub.domain.purchasing.problem import Problem
from hub.domain.purchasing.relaxation import Relaxed

_LIKED = 1e-3
_CLOSE = 0.01
"""Columns are considered whose reduced cost is at most this part of their cost."""


def kernel(model: Model, relaxed: Relaxed, chosen: Sequence[int]) -> Bools:
    """Columns of lines that the relaxation likes, and the plan's own offers."""
    active, count = np.ones(len(model.cost), dtype=bool), len(model.uses)
    active[:count] = _liked(model, relaxed) | _of_plan(model, chosen)
    return active


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


def line_groups(problem: Problem, size: int, seed: int = 1) -> Iterator[list[int]]:
    """Without end: about `size` lines, of whole categories and of whole practices in turn."""
    chance = np.random.default_rng(seed)
    groups = [_grouped(problem.category_of), _grouped(problem.practice_of)]
    while True:
        for group in groups:
            found: list[int] = []
            for members in (group[n] for n in chance.permutation(len(group))):
                if found and len(found) + len(members) > size:
                    break
                found += members
            yield found


def _grouped(key_of: Sequence[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for line, key in enumerate(key_of):
        groups.setdefault(key, []).append(line)
    return list(groups.values())
