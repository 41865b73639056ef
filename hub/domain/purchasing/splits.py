"""The rows of the purchasing model for the demand of lines, bought whole or in parts.

A split line's units are divided over offers and each part is rounded up to packs: n multiples of
`step` units stand for any part from (n - 1) * step + 1 to n * step units.
"""

from __future__ import annotations

import numpy as np

from hub.domain.purchasing.columns import Builder, Uses
from hub.domain.purchasing.problem import Ints, Problem

Parts = dict[tuple[int, int], int]
"""Column "the line buys a part there" by (line, option)."""


def whole_lines(builder: Builder, problem: Problem, uses: Uses) -> None:
    """Each line is bought exactly once."""
    everything = np.arange(len(uses))
    builder.add_rows(len(problem.lines), (uses.line, everything, 1.0), lower=1.0, upper=1.0)


def split_lines(builder: Builder, problem: Problem, uses: Uses) -> tuple[Parts, dict[int, int]]:
    """The parts of each line make up its units; gives the parts and the switches by line."""
    keys = sorted(set(zip(uses.line.tolist(), uses.option.tolist(), strict=True)))
    columns = builder.add_columns(np.zeros(len(keys)))
    parts = dict(zip(keys, columns.tolist(), strict=True))
    at = {key: n for n, key in enumerate(keys)}
    row = np.array(
        [at[key] for key in zip(uses.line.tolist(), uses.option.tolist(), strict=True)],
        dtype=np.int64,
    )
    line = np.array([key[0] for key in keys], dtype=np.int64)
    x, own = np.arange(len(uses)), np.arange(len(keys))
    step = np.array([offer.step for offer in problem.offers], dtype=float)
    units = np.array([problem.units_of[n] for n in range(len(problem.lines))], dtype=float)
    offer_of = np.array([problem.options[n][k].offer for n, k in keys], dtype=np.int64)
    most = np.array(
        [
            problem.options[n][k].packs // problem.offers[problem.options[n][k].offer].multiple
            for n, k in keys
        ],
        dtype=float,
    )
    builder.add_rows(len(keys), (row, x, 1.0), (own, columns, -most), upper=0.0)
    builder.add_rows(len(keys), (row, x, 1.0), (own, columns, -1.0), lower=0.0)
    share = step[uses.offer] / units[uses.line]
    builder.add_rows(len(units), (uses.line, x, share), lower=1.0)
    spare = (step[offer_of] - 1.0) / units[line]
    builder.add_rows(len(units), (uses.line, x, share), (line, columns, -spare), upper=1.0)
    return parts, _switches(builder, problem, keys, columns)


def _switches(
    builder: Builder, problem: Problem, keys: list[tuple[int, int]], columns: Ints
) -> dict[int, int]:
    """A part bought away from the incumbent brings the line's switching cost, once."""
    away = [
        (line, column, problem.options[line][k].switching)
        for (line, k), column in zip(keys, columns.tolist(), strict=True)
        if problem.options[line][k].switching
    ]
    cost = {line: cents for line, _, cents in away}
    numbers = builder.add_columns(np.array(list(cost.values()), dtype=float))
    switch = dict(zip(cost, numbers.tolist(), strict=True))
    own = np.arange(len(away))
    part = np.array([column for _, column, _ in away], dtype=np.int64)
    paid = np.array([switch[line] for line, _, _ in away], dtype=np.int64)
    builder.add_rows(len(away), (own, part, 1.0), (own, paid, -1.0), upper=0.0)
    return switch
