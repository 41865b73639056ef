"""Sampled answers about coalitions: the Shapley value, and who would do better without the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hub.domain.purchasing.coalitions import Coalitions, Growing
from hub.domain.purchasing.plan import Blocking, Share

_EVALUATIONS = 20_000
_LEAST_ORDERS = 10
_FEW = 8
"""Of so many practices every coalition is looked at, and nothing is sampled."""

_COALITIONS = 200


@dataclass(frozen=True, slots=True)
class Shapley:
    """The mean cost each practice adds when practices join in a random order.

    `error` is the largest standard error of these means, in cents.
    """

    due: dict[str, Fraction]
    orders: int
    error: float


def shapley(coalitions: Coalitions, seed: int) -> Shapley:
    """Sample orders in pairs, each with its reverse; the same seed gives the same answer.

    The values add up exactly to the cost of all (Castro, Gomez and Tejada 2009). Of a few
    practices all orders count, and the error is 0.
    """
    count = len(coalitions.names)
    if count <= _FEW:
        return Shapley(_exact(coalitions), math.factorial(count), 0.0)
    pairs = max(_LEAST_ORDERS, _EVALUATIONS // max(1, count)) // 2
    chance = np.random.default_rng(seed)
    sums = np.zeros((pairs, count), dtype=np.int64)
    for pair in range(pairs):
        order = chance.permutation(count)
        sums[pair] = _added(coalitions, order) + _added(coalitions, order[::-1])
    means = sums.sum(axis=0)
    error = np.std(sums / 2, axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.zeros(1)
    due = {
        name: Fraction(int(total), 2 * pairs)
        for name, total in zip(coalitions.names, means, strict=True)
    }
    return Shapley(due, 2 * pairs, float(error.max(initial=0.0)))


def _exact(coalitions: Coalitions) -> dict[str, Fraction]:
    """Each practice's mean over all orders: a coalition precedes it in as many of them as there
    are orders of its members times orders of the rest.
    """
    count = len(coalitions.names)
    bits = 1 << np.arange(count)
    costs = [0] + [coalitions.cost((number & bits) > 0) for number in range(1, 1 << count)]
    due = dict.fromkeys(coalitions.names, Fraction(0))
    for number, cost in enumerate(costs):
        size = number.bit_count()
        for member, name in enumerate(coalitions.names):
            if not number >> member & 1:
                orders = math.factorial(size) * math.factorial(count - size - 1)
                due[name] += orders * (costs[number | 1 << member] - cost)
    return {name: total / math.factorial(count) for name, total in due.items()}


def _added(coalitions: Coalitions, order: np.ndarray) -> np.ndarray:
    growing, before = Growing(coalitions), 0
    added = np.zeros(len(order), dtype=np.int64)
    for member in order.tolist():
        cost = growing.join(member)
        added[member], before = cost - before, cost
    return added


def better_alone(
    coalitions: Coalitions, shares: tuple[Share, ...], seed: int
) -> tuple[int, tuple[Blocking, ...]]:
    """How many coalitions were looked at, and those that would pay less without the rest.

    Looked at are all practices but one, and random coalitions of every size.
    """
    pays = {share.practice: share.pays for share in shares}
    paid = np.array([pays[name] for name in coalitions.names], dtype=np.int64)
    count, chance = len(paid), np.random.default_rng(seed)
    sampled = list(~np.eye(count, dtype=bool)) if 1 < count <= _COALITIONS else []
    sampled += [
        np.isin(np.arange(count), chance.permutation(count)[: chance.integers(1, count)])
        for _ in range(_COALITIONS if count > 1 else 0)
    ]
    found = {}
    for members in sampled:
        cost, together = coalitions.cost(members), int(paid[members].sum())
        if cost < together:
            names = tuple(np.array(coalitions.names)[members].tolist())
            found[names] = Blocking(names, cost, together)
    return len(sampled), tuple(sorted(found.values(), key=lambda b: b.cost - b.pays))
